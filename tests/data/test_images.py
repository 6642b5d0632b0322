"""Image data sets in real files: PNG and JPEG folders, Parquet shards, IDX files."""

import gzip
import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from heron_ray.data import Dataset, load_dataset
from heron_ray.errors import DataError, SpecError
from heron_ray.spec.data import ImageFolderData, MnistData, ParquetData
from tests.conftest import MakeSpec

HEIGHT, WIDTH = 6, 5
SMALL: dict[str, Any] = {"path": "set", "classes": 3, "height": HEIGHT, "width": WIDTH, "validation": 0.25}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory that HERON_DATA_DIR names."""
    (tmp_path / "data" / "set").mkdir(parents=True)
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def picture(number: int, *, height: int = HEIGHT, width: int = WIDTH, mode: str = "RGB") -> Image.Image:
    shape = (height, width) if mode == "L" else (height, width, {"RGB": 3, "RGBA": 4}[mode])
    return Image.fromarray(np.random.default_rng(number).integers(256, size=shape, dtype=np.uint8))


def encode(image: Image.Image, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


def write_folder(root: Path, *, per_class: int = 8) -> None:
    for part in ("train", "test"):
        for label, name in enumerate(("ant", "bee", "cow")):
            folder = root / "set" / part / name
            folder.mkdir(parents=True)
            for number in range(per_class):
                (folder / f"{number}.png").write_bytes(encode(picture(100 * label + number)))


def write_shard(path: Path, images: list[bytes | None], labels: list[int | None], **names: str) -> None:
    image, label = names.get("image", "image"), names.get("label", "label")
    cells = [{"bytes": data, "path": None} for data in images]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    parquet.write_table(pa.table({image: pa.array(cells, kind), label: pa.array(labels, pa.int64())}), path)


def write_shards(root: Path, *, shards: int = 2, rows: int = 10, mode: str = "RGB") -> None:
    for shard in range(shards):
        numbers = range(shard * rows, (shard + 1) * rows)
        images = [encode(picture(number, mode=mode)) for number in numbers]
        write_shard(root / "set" / f"train-{shard}.parquet", images, [number % 3 for number in numbers])
    write_shard(root / "set" / "test-0.parquet", images[:4], [0, 1, 2, 0])


def write_idx(path: Path, values: np.ndarray) -> None:
    data = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_mnist(root: Path, *, suffix: str = "", labels: int = 12) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(256, size=(12, HEIGHT, WIDTH), dtype=np.uint8)
    for part in ("train", "t10k"):
        write_idx(root / "set" / f"{part}-images-idx3-ubyte{suffix}", pixels)
        write_idx(root / "set" / f"{part}-labels-idx1-ubyte{suffix}", np.arange(labels, dtype=np.uint8) % 3)
    return pixels


def folder(**fields: object) -> ImageFolderData:
    return ImageFolderData.model_validate({"kind": "image_folder", **SMALL, **fields})


def shards(**fields: object) -> ParquetData:
    return ParquetData.model_validate({"kind": "parquet", **SMALL, **fields})


def mnist(**fields: object) -> MnistData:
    return MnistData.model_validate({"kind": "mnist", **SMALL, **fields})


def seen(data: Dataset) -> dict[bytes, int]:
    """Bytes of each training and validation image to its label, the default constants undone."""
    x, y = (torch.cat([getattr(part, name) for part in (data.train, data.validation)]) for name in "xy")
    pixels = ((x * 0.5 + 0.5) * 255).round().to(torch.uint8).numpy()
    return {image.tobytes(): int(label) for image, label in zip(pixels, y, strict=True)}


def test_parquet_shards_give_every_image_once_with_its_label(root: Path) -> None:
    write_shards(root)
    data = load_dataset(shards(), 0)
    assert [len(part) for part in data.splits().values()] == [15, 5, 4]
    expected = {np.asarray(picture(number)).transpose(2, 0, 1).tobytes(): number % 3 for number in range(20)}
    assert seen(data) == expected


def test_an_image_folder_gives_every_image_with_the_number_of_its_class(root: Path) -> None:
    write_folder(root)
    (root / "set" / "train" / ".cache").mkdir()
    data = load_dataset(folder(), 0)
    assert [len(part) for part in data.splits().values()] == [18, 6, 24]
    numbers = [(label, 100 * label + number) for label in range(3) for number in range(8)]
    assert seen(data) == {np.asarray(picture(n)).transpose(2, 0, 1).tobytes(): label for label, n in numbers}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_give_every_image_with_its_label_gzipped_or_not(root: Path, suffix: str) -> None:
    pixels = write_mnist(root, suffix=suffix)
    data = load_dataset(mnist(mean=(0.5,), std=(0.5,)), 0)
    assert data.input_shape == (1, HEIGHT, WIDTH)
    assert seen(data) == {image.tobytes(): row % 3 for row, image in enumerate(pixels)}


def test_jpeg_files_are_read_too(root: Path) -> None:
    write_folder(root)
    smooth = Image.new("RGB", (WIDTH, HEIGHT), (200, 100, 50))
    for path in (root / "set" / "test").rglob("*.png"):
        path.unlink()
        path.with_suffix(".JPG").write_bytes(encode(smooth, "JPEG"))
    test = load_dataset(folder(), 0).test
    assert torch.allclose((test.x[:, :, 0, 0] * 0.5 + 0.5) * 255, torch.tensor([200.0, 100, 50]), atol=3)


def test_each_channel_is_normalised_by_its_own_constants(root: Path) -> None:
    write_shards(root)
    raw = load_dataset(shards(mean=(0.0,), std=(1.0,)), 0).train.x
    data = load_dataset(shards(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0)), 0).train.x
    for channel, (mean, std) in enumerate([(0.1, 0.5), (0.2, 0.25), (0.3, 2.0)]):
        assert torch.allclose(data[:, channel], (raw[:, channel] - mean) / std, atol=1e-6)
    assert (raw.min().item(), raw.max().item()) == (0.0, 1.0)


def test_what_is_chosen_depends_on_neither_the_seed_nor_the_shards(root: Path) -> None:
    write_shards(root)
    whole = load_dataset(shards(), 0)
    assert load_dataset(shards(), 1).fingerprint() == whole.fingerprint()
    tables = [parquet.read_table(path) for path in sorted((root / "set").glob("train-*"))]
    for path in (root / "set").glob("train-*"):
        path.unlink()
    parquet.write_table(pa.concat_tables(tables), root / "set" / "train-all.parquet", row_group_size=7)
    assert load_dataset(shards(), 0).fingerprint() == whole.fingerprint()


def test_a_limit_takes_so_many_images_of_every_class_and_shard(root: Path) -> None:
    write_folder(root, per_class=40)
    data = load_dataset(folder(train_samples=60, test_samples=7), 0)
    assert [len(part) for part in data.splits().values()] == [45, 15, 7]
    assert data.train.y.unique().tolist() == [0, 1, 2]
    assert seen(data).items() <= seen(load_dataset(folder(), 0)).items()


def test_other_sizes_and_colours_are_converted_only_where_asked_for(root: Path) -> None:
    write_shards(root, mode="L")
    with pytest.raises(DataError, match=r"set/train-0.parquet, row 0 has the colour mode L, but data.channels=3"):
        load_dataset(shards(), 0)
    converted = load_dataset(shards(convert=True, height=4, width=9), 0)
    assert converted.input_shape == (3, 4, 9)
    assert torch.equal(converted.train.x[:, 0], converted.train.x[:, 2])


def replace_row(root: Path, row: int, *, image: bytes | None = b"", label: int | None = 0) -> None:
    images: list[bytes | None] = [encode(picture(number)) for number in range(10)]
    labels: list[int | None] = [0] * 10
    images[row] = images[row] if image == b"" else image
    labels[row] = label
    write_shard(root / "set" / "train-1.parquet", images, labels)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": encode(picture(0))[:60]}, "is not a whole PNG or JPEG image"),
        ({"image": b"GIF89a, perhaps"}, "is not a whole PNG or JPEG image"),
        ({"image": None}, "has no image bytes in its column 'image'"),
        ({"image": encode(picture(0, width=7))}, "is 6x7 pixels .* but the spec says 6x5"),
        ({"image": encode(picture(0, mode="RGBA"))}, "has the colour mode RGBA"),
        ({"image": encode(Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint16)))}, "has more than 8 bits"),
        ({"label": 3}, "has the label 3, but data.classes=3 allows 0 to 2"),
        ({"label": -1}, "has the label -1"),
        ({"label": None}, "has the label None"),
    ],
)
def test_a_bad_row_is_named_with_its_file(root: Path, row: dict[str, Any], message: str) -> None:
    write_shards(root)
    replace_row(root, 4, **row)
    with pytest.raises(DataError, match=rf"^set/train-1\.parquet, row 4 {message}"):
        load_dataset(shards(), 0)


def test_a_damaged_parquet_file_is_named(root: Path) -> None:
    write_shards(root)
    path = root / "set" / "train-1.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"set/train-1\.parquet is not a whole Parquet file"):
        load_dataset(shards(), 0)
    path.write_bytes(whole[:4] + bytes(200) + whole[204:])
    with pytest.raises(DataError, match=r"set/train-1\.parquet"):
        load_dataset(shards(), 0)


def test_a_missing_column_is_named_with_those_that_are_there(root: Path) -> None:
    write_shards(root)
    with pytest.raises(DataError, match=r"set/train-0\.parquet has no column 'img'; it has image, label"):
        load_dataset(shards(image_column="img"), 0)
    with pytest.raises(DataError, match=r"column 'label' of .* is int64, not a structure"):
        load_dataset(shards(image_column="label"), 0)


def test_a_damaged_image_in_a_folder_is_named(root: Path) -> None:
    write_folder(root)
    path = root / "set" / "train" / "bee" / "3.png"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match=r"^set/train/bee/3\.png is not a whole PNG or JPEG image"):
        load_dataset(folder(), 0)


def test_classes_that_do_not_agree_are_refused(root: Path) -> None:
    write_folder(root)
    with pytest.raises(DataError, match=r"set/train has 3 subfolders, but data.classes=4"):
        load_dataset(folder(classes=4), 0)
    (root / "set" / "test" / "cow").rename(root / "set" / "test" / "dog")
    with pytest.raises(DataError, match="only one of them has 'cow', 'dog'"):
        load_dataset(folder(), 0)
    for image in (root / "set" / "train" / "ant").iterdir():
        image.rename(image.with_suffix(".txt"))
    with pytest.raises(DataError, match=r"set/train/ant holds no \.png"):
        load_dataset(folder(), 0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-7], r"set/train-images-idx3-ubyte ends in row 11: its header announces 12 rows of 30 bytes"),
        (lambda data: data + b"x", "goes on after row 11, its last"),
        (lambda data: data[:9], "is not an IDX file"),
        (lambda data: b"\x00\x00\x0d\x03" + data[4:], "is not an IDX file of bytes with 3 axes"),
    ],
)
def test_a_damaged_idx_file_is_named_with_the_row(root: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    write_mnist(root)
    path = root / "set" / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        load_dataset(mnist(), 0)


def test_idx_files_that_do_not_fit_one_another_or_the_spec_are_refused(root: Path) -> None:
    write_mnist(root, labels=11)
    with pytest.raises(DataError, match=r"holds 12 images, but set/train-labels-idx1-ubyte holds 11 labels"):
        load_dataset(mnist(), 0)
    write_mnist(root)
    with pytest.raises(DataError, match="holds images of 6x5 pixels, but the spec says 28x28"):
        load_dataset(mnist(height=28, width=28), 0)
    with pytest.raises(DataError, match=r"set/train-labels-idx1-ubyte, row \d+ has the label 2, but data.classes=2"):
        load_dataset(mnist(classes=2), 0)
    (root / "set" / "train-images-idx3-ubyte").rename(root / "set" / "train-images-idx3-ubyte.gz")
    with pytest.raises(DataError, match=r"\.gz cannot be read"):
        load_dataset(mnist(), 0)


def test_more_images_than_there_are_cannot_be_asked_for(root: Path) -> None:
    write_shards(root)
    with pytest.raises(DataError, match=r"data.train_samples=21, but set/train-0.parquet, set/train-1.parquet hold 20 images"):
        load_dataset(shards(train_samples=21), 0)
    with pytest.raises(DataError, match="leaves none to train on"):
        load_dataset(shards(train_samples=2, validation=0.9), 0)


def test_without_a_data_directory_the_error_says_what_to_set(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"there is no folder 'absent' in HERON_DATA_DIR="):
        load_dataset(shards(path="absent"), 0)
    with pytest.raises(DataError, match=r"no file matches 'train-\*.parquet' in set"):
        load_dataset(shards(), 0)
    for pattern in ("a**b", "."):
        with pytest.raises(DataError, match="is not a pattern of file names"):
            load_dataset(shards(train=pattern), 0)
    with pytest.raises(DataError, match="cannot be opened: File name too long"):
        load_dataset(shards(path="x" * 300), 0)
    monkeypatch.setenv("HERON_DATA_DIR", str(root / "nowhere"))
    with pytest.raises(DataError, match="which is not a folder"):
        load_dataset(shards(), 0)
    monkeypatch.delenv("HERON_DATA_DIR")
    with pytest.raises(DataError, match="set HERON_DATA_DIR to the folder of your data sets"):
        load_dataset(shards(), 0)


@pytest.mark.parametrize("path", ["/etc", "../other", "set/../../other", "a\\..\\b", "set\x00"])
@pytest.mark.parametrize("field", ["path", "train", "test"])
def test_a_path_that_leads_out_of_the_data_directory_is_refused_by_the_spec(make_spec: MakeSpec, path: str, field: str) -> None:
    fields = {"kind": "parquet", "path": "set"} | {field: path}
    with pytest.raises(SpecError, match=rf"data.{field}: must be a relative path .* without \.\., below the folder"):
        make_spec(f"data={fields}")


def test_a_link_that_leads_out_of_the_data_directory_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    write_shards(root)
    (root / "set").rename(tmp_path / "secret" / "set")
    (root / "set").symlink_to(tmp_path / "secret" / "set")
    with pytest.raises(DataError, match="'set' leads out of HERON_DATA_DIR"):
        load_dataset(shards(), 0)
    (root / "real").mkdir()
    for path in (tmp_path / "secret" / "set").iterdir():
        (root / "real" / path.name).symlink_to(path)
    with pytest.raises(DataError, match=r"'real/train-0.parquet' leads out of HERON_DATA_DIR"):
        load_dataset(shards(path="real"), 0)


def test_constants_must_fit_the_channels(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match=r"data.mean: 2 numbers for 3 channels: give one, or one per channel"):
        make_spec("data={kind: parquet, path: set, mean: [0.1, 0.2]}")


def test_shape_and_classes_are_known_without_the_data(make_spec: MakeSpec) -> None:
    data = make_spec("data={kind: mnist, path: nowhere}").data
    assert (data.input_shape, data.classes) == ((1, 28, 28), 10)
    data = make_spec("data={kind: parquet, path: nowhere, height: 8, width: 9, classes: 4}").data
    assert (data.input_shape, data.classes) == ((3, 8, 9), 4)


@pytest.mark.skipif("HERON_DATA_DIR" not in os.environ, reason="HERON_DATA_DIR is not set: no real CIFAR-10 to read")
def test_real_cifar_10_is_read() -> None:
    fields = {"path": "cifar10", "image_column": "img", "train_samples": 2000, "test_samples": 500}
    data = load_dataset(ParquetData.model_validate({"kind": "parquet", **fields}), 0)
    assert [len(part) for part in data.splits().values()] == [1800, 200, 500]
    assert data.input_shape == (3, 32, 32)
    assert torch.bincount(data.train.y, minlength=10).min() > 120
    assert (data.train.x.min().item(), data.train.x.max().item()) == (-1.0, 1.0)
    assert data.train.x.mean().abs() < 0.1
