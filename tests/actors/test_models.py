"""Models of transformers have the local executor's bits on Ray too."""

from __future__ import annotations

from pathlib import Path

import pytest

from heron_ray.actors.executor import RayExecutor
from heron_ray.simulation import LocalExecutor, Simulation
from tests.conftest import MakeSpec

LANGUAGE = (
    "data={kind: prose, length: 24, train_samples: 40, test_samples: 8, validation: 0.2}",
    "partition={kind: iid}",
    "model={kind: gpt2, preset: tiny, cut: 1, lora: {rank: 2, alpha: 4.0}}",
)
VISION = (
    "data={kind: image_folder, path: stripes, classes: 2, height: 8, width: 8, channels: 1}",
    "model={kind: vit, width: 16, heads: 2, blocks: 2, auxiliary: {blocks: 1}}",
)
FEW = ("clients={count: 2, batch_size: 4, local_steps: 2}", "rounds=2", "evaluation.every=2", "compute.actors=2")


@pytest.mark.parametrize("model", [LANGUAGE, VISION], ids=["gpt2", "vit"])
def test_its_digest_is_equal_on_every_executor(
    make_spec: MakeSpec, executor: RayExecutor, stripes: Path, model: tuple[str, ...]
) -> None:
    del stripes
    spec = make_spec(*model, *FEW)
    with LocalExecutor() as local:
        here = Simulation(spec, local).run()
    assert Simulation(spec, executor).run().trajectory_digest == here.trajectory_digest
