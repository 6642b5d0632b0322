import importlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from heron_ray.models import SplitModel
from heron_ray.simulation import profile
from tests.conftest import MakeSpec

WIDE = ("data={kind: synthetic, features: 256}", "model.front=[1024, 1024, 1024, 1024, 256]", "clients.batch_size=256")


def test_macs_are_those_of_the_layers(make_spec: MakeSpec) -> None:
    forward = 16 * (64 * 32 + 32 * 16 + 16 * 10)
    assert profile(make_spec("method.zeroth_order.probes=1")).client_macs_per_step == 2 * forward
    assert profile(make_spec("method.zeroth_order.probes=4")).client_macs_per_step == 5 * forward
    twin = profile(make_spec("method.kind=cse_fsl"))
    assert twin.client_macs_per_step == 3 * forward - 16 * 64 * 32  # the first layer's input needs no gradient
    assert twin.client_flops_per_step == 2 * twin.client_macs_per_step


def test_a_zeroth_order_client_peaks_well_below_its_twin_and_the_parts_say_why(make_spec: MakeSpec) -> None:
    heron = profile(make_spec(*WIDE))
    twin = profile(make_spec(*WIDE, "method.kind=cse_fsl"))
    for one in (heron, twin):
        assert sum(one.client_peak_parts.values()) == one.client_peak_bytes
    assert "activation_cache" not in heron.client_peak_parts
    assert "gradients" not in heron.client_peak_parts
    assert twin.client_peak_parts["activation_cache"] >= 3 * 256 * 1024 * 4
    assert twin.client_peak_parts["gradients"] == twin.client_peak_parts["parameters"]
    assert heron.client_peak_bytes < 0.6 * twin.client_peak_bytes


def test_optimizer_state_is_a_part_of_the_peak(make_spec: MakeSpec) -> None:
    parts = profile(make_spec("method.kind=cse_fsl", "method.client_optimizer={kind: adam, lr: 0.1}")).client_peak_parts
    assert parts["optimizer_state"] == pytest.approx(2 * parts["parameters"], abs=64)


class Hoarder(nn.Module):
    """Passes its input on and keeps a copy of it."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.kept.append(x.clone())
        return x


def test_a_tensor_cached_on_purpose_raises_the_figure(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("heron_ray.simulation.profile")  # its name in the package is the function's
    honest_build: Callable[..., SplitModel] = module.build_model

    def build(*arguments: object, **options: object) -> SplitModel:
        model = honest_build(*arguments, **options)
        return SplitModel(front=nn.Sequential(Hoarder(), model.front), auxiliary=model.auxiliary, back=model.back)

    spec = make_spec("clients.local_steps=2", "clients.batch_size=512")
    honest = profile(spec).client_peak_bytes
    monkeypatch.setattr(module, "build_model", build)
    hoarding = profile(spec).client_peak_bytes
    kept_before_the_last_forward = 2 * (1 + 2) - 1
    assert hoarding >= honest + kept_before_the_last_forward * 512 * 64 * 4


def test_profiling_draws_and_keeps_nothing(make_spec: MakeSpec) -> None:
    state = torch.get_rng_state()
    assert profile(make_spec()) == profile(make_spec())
    assert torch.equal(torch.get_rng_state(), state)
