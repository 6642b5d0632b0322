import importlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from heron_ray.errors import SpecError
from heron_ray.methods.registry import METHODS
from heron_ray.models import SplitModel
from heron_ray.simulation import profile
from heron_ray.simulation.profile import client_costs
from tests.conftest import MakeSpec, method_overrides, takes

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
    honest_build: Callable[..., SplitModel] = module.initial_model

    def build(*arguments: object, **options: object) -> SplitModel:
        model = honest_build(*arguments, **options)
        return SplitModel(front=nn.Sequential(Hoarder(), model.front), auxiliary=model.auxiliary, back=model.back)

    spec = make_spec("clients.local_steps=2", "clients.batch_size=512")
    honest = profile(spec).client_peak_bytes
    monkeypatch.setattr(module, "initial_model", build)
    hoarding = profile(spec).client_peak_bytes
    kept_before_the_last_forward = 2 * (1 + 2) - 1
    assert hoarding >= honest + kept_before_the_last_forward * 512 * 64 * 4


def test_profiling_draws_and_keeps_nothing(make_spec: MakeSpec) -> None:
    state = torch.get_rng_state()
    assert profile(make_spec()) == profile(make_spec())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_a_round_on_real_tensors_is_the_round_on_meta_tensors(make_spec: MakeSpec, kind: str) -> None:
    module = importlib.import_module("heron_ray.simulation.profile")
    rounds = [module.MeteredRound(make_spec(*method_overrides(kind)), torch.device(device), 48) for device in ("cpu", "meta")]
    held = [round.model_bytes for round in rounds]
    for round in rounds:
        round.run()
    real, meta = rounds
    assert real.tracker.peak_parts == meta.tracker.peak_parts
    assert (real.meter.macs, real.server_meter.macs) == (meta.meter.macs, meta.server_meter.macs)
    assert real.traffic.to_dict() == meta.traffic.to_dict()
    peak = meta.tracker.peak_parts
    assert held == [peak["parameters"] + peak.get("frozen_base", 0)] * 2


def test_a_profile_without_a_card_has_no_figure_of_a_card(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    assert profile(make_spec()).device_peak_bytes is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SpecError, match="no CUDA device") as caught:
        profile(make_spec(), "cuda")
    assert caught.value.hint is not None


def test_a_cards_peak_is_what_the_round_added_and_the_model(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("heron_ray.simulation.profile")
    honest = module.MeteredRound
    monkeypatch.setattr(module, "MeteredRound", lambda spec, _, samples: honest(spec, torch.device("meta"), samples))
    calls: list[str] = []
    monkeypatch.setattr(module, "use_device", lambda kind, **_: calls.append(kind))
    figures = {"reset_peak_memory_stats": None, "memory_allocated": 5_000, "max_memory_allocated": 12_000}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name, figure in figures.items():
        monkeypatch.setattr(torch.cuda, name, lambda name=name, figure=figure: (calls.append(name), figure)[1])
    spec = make_spec()
    assert profile(spec, "cuda").device_peak_bytes == 7_000 + 4 * (64 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10)
    assert calls == ["cuda", *figures]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")
def test_a_card_holds_at_least_what_is_tracked(make_spec: MakeSpec) -> None:
    found = profile(make_spec(*WIDE), "cuda")
    assert found.device_peak_bytes is not None
    assert found.device_tracked_bytes is not None
    assert found.device_peak_bytes >= found.device_tracked_bytes >= found.client_peak_bytes


def test_the_main_server_is_counted_apart_from_the_client(make_spec: MakeSpec) -> None:
    forward = 16 * (16 * 64 + 64 * 10)
    found = profile(make_spec())
    assert found.server_macs_per_upload == 3 * forward - 16 * 16 * 64
    assert profile(make_spec("method.kind=fedavg")).server_macs_per_upload == 0
    assert found.client_macs_per_step == 3 * 16 * (64 * 32 + 32 * 16 + 16 * 10)


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_a_run_reports_the_figures_of_the_profile(make_spec: MakeSpec, kind: str) -> None:
    spec = make_spec(*method_overrides(kind))
    sooner, whole = client_costs(spec), profile(spec)
    assert sooner.client_macs_per_step == whole.client_macs_per_step
    assert sooner.client_flops_per_step == whole.client_flops_per_step
    assert sooner.client_peak_bytes == whole.client_peak_bytes


SCALES = (
    "method.zeroth_order.mu",
    "method.server_zeroth_order.mu",
    "method.client_optimizer.lr",
    "method.server_optimizer.lr",
)


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_trials_over_seeds_rates_and_mu_share_one_measurement_which_is_that_of_each(make_spec: MakeSpec, kind: str) -> None:
    module = importlib.import_module("heron_ray.simulation.profile")
    spec = make_spec(*method_overrides(kind))
    scales = [f"{path}=0.0625" for path in SCALES if takes(kind, path.split(".")[1])]
    other = make_spec(*method_overrides(kind), "seed=7", "partition.alpha=9", *scales)
    assert client_costs(other) is client_costs(spec)
    assert module._client_costs(other) == module._client_costs(spec)


@pytest.mark.parametrize(
    "override",
    [
        "method.zeroth_order.probes=3",
        "method.zeroth_order.direction=gaussian",
        "method.client_optimizer.momentum=0.5",
        "method.upload=scalars",
        "clients.batch_size=8",
        "clients.local_steps=2",
        "model.front=[32, 8]",
        "data={kind: synthetic, features: 32}",
        "method.kind=cse_fsl",
    ],
)
def test_whatever_else_an_experiment_changes_is_measured_again(make_spec: MakeSpec, override: str) -> None:
    assert client_costs(make_spec(override)) is not client_costs(make_spec())


@pytest.mark.parametrize(
    ("overrides", "is_small"), [([], True), (["clients.batch_size=2000"], False), (["model.front=[4000, 2000]"], False)]
)
def test_only_a_small_round_is_run_on_real_tensors(make_spec: MakeSpec, overrides: list[str], is_small: bool) -> None:
    module = importlib.import_module("heron_ray.simulation.profile")
    assert module.is_small(make_spec(*overrides)) == is_small


LONG = {
    "heron": ["method.zeroth_order.probes=8", "clients.local_steps=9", "method.upload_every=4", "method.upload=scalars"],
    "cse_fsl": ["clients.local_steps=11", "method.upload_every=3", "method.client_optimizer={kind: adam, lr: 0.1}"],
    "frozen_client": ["clients.local_steps=8", "method.upload_every=7"],
    "mu_splitfed": ["method.server_steps=9", "method.server_zeroth_order={probes: 8}", "clients.local_steps=8"],
}


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_a_long_round_is_the_line_through_short_ones_exactly(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    module = importlib.import_module("heron_ray.simulation.profile")
    spec = make_spec(*method_overrides(kind), *LONG.get(kind, ["clients.local_steps=8"]))
    extrapolated = profile(spec)
    monkeypatch.setattr(module, "LONGEST", 1000)
    assert extrapolated == profile(spec)


@pytest.mark.parametrize(
    "overrides", [["clients.local_steps=1000000", "method.zeroth_order.probes=100000"], ["model.front=[1000000, 1000000]"]]
)
def test_a_spec_without_measure_is_profiled_all_the_same(make_spec: MakeSpec, overrides: list[str]) -> None:
    assert profile(make_spec(*overrides)).client_macs_per_step > 10**9
