"""What `heron fetch` brings: real CIFAR-10 images as torchvision's own files, and folders that `datasets` loads. No network."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torchvision
from PIL import Image
from pyarrow import parquet

from heron_ray.data import load_dataset
from heron_ray.spec import parse_spec
from tests.conftest import BASE
from tests.data.test_images import encode, picture, write_idx

CLASSES = ("ant", "bee", "cow")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "data"


def loaded(section: dict, **changes):
    """What a run gets of a section that was printed."""
    spec = parse_spec({**BASE, "data": {**section, **changes}})
    return load_dataset(spec.data, 0)


def write_cifar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """CIFAR-10's own archive, unpacked, with five images a file; what torchvision takes for the published sums are theirs."""
    base = folder / "cifar-10-batches-py"
    base.mkdir()
    pixels = np.random.default_rng(0).integers(256, size=(6, 5, 3072), dtype=np.uint8)
    files: dict[str, dict] = {
        name: {"data": pixels[number], "labels": [0, 1, 2, 3, 9]}
        for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"])
    }
    files["batches.meta"] = {"label_names": [f"class {n}" for n in range(10)]}
    sums = {}
    for name, content in files.items():
        data = pickle.dumps(content)
        (base / name).write_bytes(data)
        sums[name] = hashlib.md5(data).hexdigest()
    dataset = torchvision.datasets.CIFAR10
    monkeypatch.setattr(dataset, "train_list", [[f"data_batch_{n}", sums[f"data_batch_{n}"]] for n in range(1, 6)])
    monkeypatch.setattr(dataset, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": sums["batches.meta"]})
    return pixels


def test_torchvisions_own_cifar_is_read_and_every_pixel_arrives(heron, root, tmp_path, monkeypatch) -> None:
    pixels = write_cifar(tmp_path, monkeypatch)
    told = heron("fetch", "cifar10", "--from", tmp_path, "--json").object
    assert (told["train"], told["test"], told["folder"]) == (25, 5, str(root / "cifar10"))
    assert (told["data"]["classes"], told["data"]["channels"]) == (10, 3)
    dataset = loaded(told["data"], mean=[0.0], std=[1.0])
    want = sorted((pixels[-1] / 255).astype(np.float32).reshape(5, -1).sum(1).tolist())
    assert sorted(dataset.test.x.reshape(5, -1).sum(1).tolist()) == pytest.approx(want, rel=1e-5)
    standard = loaded(told["data"])
    every = torch.cat([standard.train.x, standard.validation.x])
    assert every.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    assert every.std((0, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=1e-3)


def test_a_changed_cifar_file_is_never_unpickled(heron, root, tmp_path, monkeypatch) -> None:
    write_cifar(tmp_path, monkeypatch)
    trap = tmp_path / "trap"
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"cposix\nsystem\n(S'touch " + bytes(trap) + b"'\ntR.")
    refused = heron("fetch", "cifar10", "--from", tmp_path)
    assert refused.code == 1
    assert "cifar10 cannot be read from" in refused.stderr
    assert not trap.exists()
    assert list(root.iterdir()) == []


def test_fashion_mnist_in_torchvisions_folder(heron, root, tmp_path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 12), ("t10k", 4)):
        write_idx(
            raw / f"{part}-images-idx3-ubyte", np.random.default_rng(0).integers(256, size=(count, 28, 28), dtype=np.uint8)
        )
        write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    told = heron("fetch", "fashion_mnist", "--from", tmp_path, "-o", "images/fashion", "--json").object
    assert (told["train"], told["data"]["channels"], told["data"]["path"]) == (12, 1, "images/fashion")
    assert loaded(told["data"]).input_shape == (1, 28, 28)


NOWHERE = "http://127.0.0.1:9"


def test_without_a_network_a_download_says_so_and_leaves_nothing(heron, root, monkeypatch) -> None:
    monkeypatch.setattr(torchvision.datasets.KMNIST, "mirrors", [f"{NOWHERE}/"])
    refused = heron("fetch", "kmnist")
    assert refused.code == 1
    assert "kmnist cannot be downloaded" in refused.stderr
    assert "--from DIR" in refused.stderr
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "environment",
    [{"HF_HUB_OFFLINE": "1"}, pytest.param({"HF_ENDPOINT": NOWHERE}, marks=pytest.mark.soak)],  # the hub is asked six times
    ids=["offline", "no network"],
)
def test_a_name_of_the_hub_without_a_network_says_so(root, environment) -> None:
    # In a process of its own, because the package reads these variables when it is imported.
    command = [sys.executable, "-m", "heron_ray.cli", "fetch", "uoft-cs/cifar10"]
    refused = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "uoft-cs/cifar10 cannot be had from the hub" in refused.stderr
    assert "copy the folder below HERON_DATA_DIR" in refused.stderr
    assert list(root.iterdir()) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images in one folder per class, as `datasets` loads them; one of them is no PNG."""
    for part, count in (("train", 6), ("test", 2)):
        for label, name in enumerate(CLASSES):
            place = tmp_path / "beasts" / part / name
            place.mkdir(parents=True)
            for number in range(count):
                (place / f"{number}.png").write_bytes(encode(picture(100 * label + number)))
    stream = io.BytesIO()
    picture(7).save(stream, "BMP")
    (tmp_path / "beasts" / "train" / "ant" / "9.bmp").write_bytes(stream.getvalue())
    return tmp_path / "beasts"


def test_a_folder_that_datasets_loads_becomes_shards_that_a_spec_reads(heron, root, folder) -> None:
    told = heron("fetch", folder, "--json").object
    assert (told["train"], told["test"], told["data"]["classes"]) == (19, 6, 3)
    dataset = loaded(told["data"])
    assert dataset.input_shape == (3, 6, 5)
    assert sorted(dataset.test.y.tolist()) == [0, 0, 1, 1, 2, 2]
    again = heron("fetch", folder)
    assert again.code == 1
    assert "is there already" in again.stderr


def test_who_made_an_image_comes_along(heron, root, tmp_path) -> None:
    source = tmp_path / "writers"
    source.mkdir()
    cells = [{"bytes": encode(picture(number)), "path": None} for number in range(12)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        "picture": pa.array(cells, kind),
        "digit": [n % 3 for n in range(12)],
        "writer": [f"w{n % 4}" for n in range(12)],
    }
    parquet.write_table(pa.table(columns), source / "data.parquet")
    parts = ["--train", "train[:9]", "--test", "train[9:]"]
    unclear = heron("fetch", source, *parts)
    assert "its columns are picture, digit, writer" in unclear.stderr
    assert "--image" in unclear.stderr
    wrong = heron("fetch", source, *parts, "--image", "writer", "--label", "digit")
    assert "column 'writer'" in wrong.stderr
    named = [*parts, "--image", "picture", "--label", "digit", "--client", "writer"]
    told = heron("fetch", source, *named, "--json").object
    assert (told["train"], told["test"], told["data"]["client_column"]) == (9, 3, "client")
    makers = loaded(told["data"]).makers
    assert makers is not None
    assert len(set(makers.tolist())) == 4


@pytest.mark.parametrize(
    ("options", "files", "kind"),
    [
        (["--text", "said"], ["test.txt", "train.txt"], "text"),
        (["--pairs", "given", "said"], ["testset_w_refs.csv", "trainset.csv"], "e2e_nlg"),
    ],
)
def test_texts_and_pairs(heron, root, tmp_path, options, files, kind) -> None:
    source = tmp_path / "talk"
    source.mkdir()
    for part, count in (("train", 40), ("test", 8)):
        rows = {
            "given": [f"name[{n}], food[rice]" for n in range(count)],
            "said": [f"Number {n} serves rice." for n in range(count)],
        }
        parquet.write_table(pa.table(rows), source / f"{part}.parquet")
    told = heron("fetch", source, *options, "--json").object
    assert (told["train"], told["test"], told["data"]["kind"]) == (40, 8, kind)
    assert sorted(path.name for path in (root / "talk").iterdir()) == files
    text = (root / "talk" / files[1]).read_text(encoding="utf-8")
    assert text.count("serves rice.") == 40


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cifar11"], "neither one of cifar10"),
        (["cifar10", "--label", "fine"], "--label is for data sets of the hub"),
        (["a/b", "--from", "."], "--from is for torchvision's files"),
        (["a/b", "--text", "x", "--pairs", "x", "y"], "exclude each other"),
        (["cifar10", "-o", "../elsewhere"], "leads out of HERON_DATA_DIR"),
    ],
)
def test_bad_input_is_named(heron, root, arguments, words) -> None:
    refused = heron("fetch", *arguments)
    assert refused.code in (1, 2)
    assert words in refused.stderr


def test_an_image_that_is_none_leaves_nothing_behind(heron, root, folder) -> None:
    bad = folder / "train" / "cow" / "5.png"
    bad.write_bytes(b"no image")
    refused = heron("fetch", folder)
    assert refused.code == 1
    assert "is no whole image" in refused.stderr
    assert list(root.iterdir()) == []


def test_stays_a_png_when_it_is_one(heron, root, folder) -> None:
    heron("fetch", folder)
    rows = parquet.read_table(root / "beasts" / "train-00000.parquet").column("image").to_pylist()
    sources = {path.read_bytes() for path in folder.rglob("train/*/*.png")}
    assert len([row for row in rows if row["bytes"] in sources]) == 18
    assert {Image.open(io.BytesIO(row["bytes"])).format for row in rows} == {"PNG"}
