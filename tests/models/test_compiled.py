"""Compiled forward passes: the values of eager ones, compiled once, the same bits again; a clear word without a compiler."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from heron_ray.errors import SpecError
from heron_ray.models import SplitModel, build_model
from heron_ray.models.compiled import compiled_forwards
from heron_ray.models.forwards import eager_forwards
from heron_ray.spec.model import MlpModel, Resnet18Model
from heron_ray.vectors import FlatVector

BATCH = 6


def mlp(width: int = 8) -> SplitModel:
    spec = MlpModel.model_validate({"kind": "mlp", "front": (width,), "auxiliary": {"kind": "linear"}})
    return build_model(spec, input_shape=(12,), classes=4, seed=0)


def resnet() -> SplitModel:
    spec = Resnet18Model.model_validate({"kind": "resnet18", "width": 2, "auxiliary": {"kind": "pooled_linear"}})
    return build_model(spec, input_shape=(1, 8, 8), classes=4, seed=0)


def batch(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=generator), torch.randint(4, shape[:1], generator=generator)


def walk(model: SplitModel, x: Tensor, y: Tensor, *, compiled: bool) -> list[Tensor]:
    """Smashed data, losses and theta over a few steps with probes."""
    vector = FlatVector(model.parts(("front", "auxiliary")))
    forwards = compiled_forwards(model, batch_size=BATCH) if compiled else eager_forwards(model)
    generator = torch.Generator().manual_seed(2)
    found: list[Tensor] = []
    for _ in range(3):
        z, loss = forwards.smash(x, y)
        found += [z, loss]
        u = torch.randn(len(vector), generator=generator)
        with vector.hold_statistics():
            vector.data.add_(u, alpha=0.1)
            found.append(forwards.loss(x, y))
        vector.data.add_(u, alpha=-0.05)
    return [*found, vector.state]


def test_values_are_those_of_eager_passes_with_two_compilations_and_the_same_bits_again() -> None:
    x, y = batch(BATCH, 1, 8, 8)
    expected = walk(resnet(), x, y, compiled=False)
    before = counters["stats"]["unique_graphs"]
    found = walk(resnet(), x, y, compiled=True)
    assert counters["stats"]["unique_graphs"] == before + 2
    again = walk(resnet(), x, y, compiled=True)
    assert not torch.equal(expected[2], expected[1])
    assert found[0].is_contiguous()
    for value, same, eager in zip(found, again, expected, strict=True):
        assert torch.equal(value, same)
        torch.testing.assert_close(value, eager, rtol=1e-5, atol=1e-5)


def test_the_batch_of_a_smaller_shard_runs_eagerly() -> None:
    x, y = batch(BATCH - 1, 12)
    model = mlp()
    before = counters["stats"]["unique_graphs"]
    forwards, eager = compiled_forwards(model, batch_size=BATCH), eager_forwards(model)
    assert torch.equal(forwards.loss(x, y), eager.loss(x, y))
    assert torch.equal(forwards.smash(x, y)[0], eager.smash(x, y)[0])
    assert counters["stats"]["unique_graphs"] == before


def test_every_model_has_compilations_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, *, options, **kept: traced(function, backend="eager", **kept))
    for width in range(1, 11):
        x, y = batch(BATCH, 12)
        before = counters["stats"]["unique_graphs"]
        compiled_forwards(mlp(width), batch_size=BATCH).loss(x, y)
        assert counters["stats"]["unique_graphs"] == before + 1


def test_without_a_compiler_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config, cpp_builder

    search = functools.lru_cache(cpp_builder.cpp_compiler_search.__wrapped__)
    monkeypatch.setattr(cpp_builder, "cpp_compiler_search", search)
    found = pytest.raises(SpecError, match=r"compute\.compile: torch\.compile needs a C\+\+ compiler")
    with config.patch({"cpp.cxx": (None, "no-such-compiler")}), found as caught:
        compiled_forwards(mlp(), batch_size=BATCH)
    assert caught.value.hint is not None
    assert "compute.compile=false" in caught.value.hint
