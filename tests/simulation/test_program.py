"""An exported model is run by plain torch, in a process that cannot import heron-ray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heron_ray.errors import RecordError
from heron_ray.simulation import Checkpointer, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.export import export_model
from heron_ray.simulation.program import export_programs
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from tests.conftest import MakeSpec

STRIPES = "data={kind: image_folder, path: stripes, classes: 2, height: 8, width: 8, channels: 1}"
MODELS = {
    "mlp": [],
    "adapters": ["method.kind=split_lora", "model.lora={rank: 4}"],
    "vit": [STRIPES, "model={kind: vit, width: 8, blocks: 2}"],
    "resnet18": [STRIPES, "model={kind: resnet18, width: 4, cut: 1, auxiliary: {kind: pooled_linear}}"],
}
# The three lines of the docs, and what is asked of them here.
ELSEWHERE = """
import sys; sys.modules["heron_ray"] = None
import json, numpy, torch
told = {}
for kind in sys.argv[1:]:
    x, y = (torch.from_numpy(numpy.load(f"{kind}/{name}.npy")) for name in "xy")
    for name in ("model", "client"):
        program = torch.export.load(f"{kind}/{name}.pt2").module()
        with torch.no_grad():
            logits, one = program(x), program(x[:1])
        accuracy = float((logits.argmax(1) == y).double().mean())
        told[f"{kind} {name}"] = [accuracy, bool(torch.allclose(one, logits[:1], atol=1e-5)), list(logits.shape)]
print(json.dumps(told))
"""


def run_and_export(spec: ExperimentSpec, folder: Path) -> RunResult:
    with LocalExecutor() as executor:
        checkpointer = Checkpointer(folder / "kept")
        result = Simulation(spec, executor, checkpointer=checkpointer).run()
    export_model(spec, checkpointer.load(checkpointer.paths()[0]), folder / "model.safetensors")
    test = Setup.build(spec).dataset.test
    np.save(folder / "x.npy", test.x.numpy())
    np.save(folder / "y.npy", test.y.numpy())
    return result


def test_plain_torch_gets_the_accuracies_of_the_run(make_spec: MakeSpec, stripes: Path, tmp_path: Path) -> None:
    expected = {}
    for kind, overrides in MODELS.items():
        spec = make_spec("rounds=6", *overrides)
        (tmp_path / kind).mkdir()
        result = run_and_export(spec, tmp_path / kind)
        files = export_programs(spec, tmp_path / kind / "model.safetensors", tmp_path / kind)
        assert [file.name for file in files] == ["model.pt2", "client.pt2", "config.json"]
        shape = [len(np.load(tmp_path / kind / "y.npy")), spec.data.classes]
        expected[f"{kind} model"] = [pytest.approx(result.test_accuracy), True, shape]
        expected[f"{kind} client"] = [pytest.approx(result.auxiliary_accuracy), True, shape]
        config = json.loads((tmp_path / kind / "config.json").read_text())
        assert config["trajectory_digest"] == result.trajectory_digest
        assert config["model"]["kind"] == spec.model.kind
        assert config["input_shape"] == list(spec.data.input_shape)
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, *MODELS], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


def test_where_clients_have_parts_of_their_own_one_must_be_named(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("method.kind=fedgkt", "rounds=2")
    run_and_export(spec, tmp_path)
    with pytest.raises(RecordError, match="say whose model") as caught:
        export_programs(spec, tmp_path / "model.safetensors", tmp_path)
    assert caught.value.hint is not None
    assert "0, 1, 2, 3, 4, 5" in caught.value.hint
    assert export_programs(spec, tmp_path / "model.safetensors", tmp_path, client=3)
    assert json.loads((tmp_path / "config.json").read_text())["client"] == 3


def test_a_model_of_another_experiment_is_refused(make_spec: MakeSpec, tmp_path: Path) -> None:
    run_and_export(make_spec("rounds=1"), tmp_path)
    with pytest.raises(RecordError, match="another experiment"):
        export_programs(make_spec("rounds=1", "seed=9"), tmp_path / "model.safetensors", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(RecordError, match="cannot be read"):
        export_programs(make_spec("rounds=1"), tmp_path / "model.safetensors", tmp_path)
