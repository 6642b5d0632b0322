"""A vision transformer in three parts: the same numbers as transformers, in real runs, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import ViTForImageClassification

from heron_ray.models import SplitModel, build_model
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.spec.vit import ClassTokenAuxiliary, VitModel
from heron_ray.vectors import FlatVector
from tests.conftest import MakeSpec, local_digest, method_overrides, require_refusal

BLOCKS = 3
IMAGES = "data={kind: parquet, path: x, height: 16, width: 16}"


def spec_of(cut: int = 1, own: int = 0) -> VitModel:
    auxiliary = ClassTokenAuxiliary(kind="class_token", blocks=own)
    return VitModel(kind="vit", patch=4, width=16, heads=2, blocks=BLOCKS, cut=cut, auxiliary=auxiliary)


def build(spec: VitModel, seed: int = 0, device: str = "cpu") -> SplitModel:
    return build_model(spec, input_shape=(3, 8, 16), classes=5, seed=seed, device=device)


def sample() -> torch.Tensor:
    return torch.randn(3, 3, 8, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("cut", range(BLOCKS + 1))
def test_the_parts_together_are_the_model_of_transformers(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ViTForImageClassification] = []

    class Kept(ViTForImageClassification):
        def __init__(self, config) -> None:
            super().__init__(config)
            made.append(self)

    monkeypatch.setattr("heron_ray.models.vit.ViTForImageClassification", Kept)
    model, x = build(spec_of(cut)), sample()
    z = model.front(x)
    assert z.shape == (3, 2 * 4 + 1, 16)
    assert torch.allclose(model.back(z), made[0](x).logits, atol=1e-6)


def test_it_depends_on_the_seed_alone_and_leaves_global_draws_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = build(spec_of(own=1), seed=5)
    assert torch.equal(torch.rand(2), expected)
    same, other = (FlatVector({"all": build(spec_of(own=1), seed=seed).auxiliary}).data for seed in (5, 6))
    assert torch.equal(FlatVector({"all": first.auxiliary}).data, same)
    assert not torch.equal(same, other)


def test_the_cut_changes_no_value_of_the_network() -> None:
    x = sample()
    logits = [model.back(model.front(x)) for model in (build(spec_of(cut)) for cut in range(BLOCKS + 1))]
    assert all(torch.allclose(one, logits[0], atol=1e-6) for one in logits)


def test_the_auxiliary_head_has_values_of_its_own() -> None:
    model = build(spec_of(cut=2, own=1))
    ours, theirs = model.auxiliary.blocks[0], model.back.blocks[0]
    assert not torch.equal(ours.mlp.fc1.weight, theirs.mlp.fc1.weight)


def test_shapes_are_known_without_values() -> None:
    model = build(spec_of(own=2), device="meta")
    assert {one.device.type for part in ("front", "auxiliary", "back") for one in getattr(model, part).parameters()} == {"meta"}
    assert model.auxiliary(model.front(sample().to("meta"))).shape == (3, 5)


STRIPES = "data={kind: image_folder, path: stripes, classes: 2, height: 8, width: 8, channels: 1}"
SMALL = "model={kind: vit, patch: 4, width: 16, heads: 2, blocks: 2}"


@pytest.mark.parametrize("kind", ["heron", "cse_fsl", "sflv2", "fsl_sage", "split_lora", "fedavg"])
def test_every_kind_of_method_trains_it(make_spec: MakeSpec, stripes: Path, kind: str) -> None:
    rates = ["method.client_optimizer.lr=1e-3", "method.server_optimizer.lr=1e-3"] if kind == "split_lora" else []
    overrides = [STRIPES, SMALL, *method_overrides(kind), *rates, "rounds=2"]
    assert local_digest(make_spec(*overrides)) == local_digest(make_spec(*overrides, "compute.checkpoint_every=1"))


def test_it_learns(make_spec: MakeSpec, stripes: Path) -> None:
    adam = "{kind: adam, lr: 0.003}"
    method = f"method={{kind: cse_fsl, client_optimizer: {adam}, server_optimizer: {adam}}}"
    spec = make_spec(STRIPES, SMALL, method, "rounds=30", "evaluation.every=30", "partition={kind: iid}")
    with LocalExecutor() as executor:
        result = Simulation(spec, executor).run()
    assert result.test_accuracy > 0.8
    assert result.auxiliary_accuracy > 0.8


@pytest.mark.parametrize(
    ("model", "path", "words"),
    [
        ("{kind: vit, patch: 5}", "model.patch", "a 16x16 image cannot be cut into patches of 5x5"),
        ("{kind: vit, heads: 3}", "model.heads", "width=64 cannot be shared by 3 heads"),
        ("{kind: vit, cut: 7}", "model.cut", "the model has 6"),
    ],
)
def test_what_cannot_be_is_refused(model: str, path: str, words: str) -> None:
    require_refusal([IMAGES, f"model={model}"], path, words)


def test_samples_without_height_and_width_are_refused() -> None:
    require_refusal(["model={kind: vit}"], "model.kind", r"vit needs images of shape \(channels, height, width\)")
