"""Spans add up, what is timed is put back afterwards, and a floor is made of the passes that methods really make."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import nn

from heron_ray.methods.registry import METHODS
from heron_ray.models import SplitModel
from heron_ray.simulation import LocalExecutor, Simulation
from heron_ray.simulation.setup import Setup
from heron_ray.simulation.trace import SEAMS, Floor, Recorder, Seam, models_known, traced
from heron_ray.zo import ZerothOrderEstimator
from tests.conftest import MakeSpec, method_overrides


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A clock that stands still unless it is told to go on."""
    passed = [0]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: sum(passed))
    return passed.append


def test_a_part_counts_its_own_time_only(ticks: Callable[[int], None]) -> None:
    recorder = Recorder("driver")
    with recorder.span("other", role="client"):
        ticks(1)
        with recorder.span("optimizer"):
            ticks(20)
            with recorder.span("axpy"):
                ticks(300)
        with recorder.span("optimizer"):
            ticks(4000)
    assert recorder.result().totals == {("client", "other"): 1, ("client", "optimizer"): 4020, ("client", "axpy"): 300}
    assert sorted(recorder.result().events) == [
        (("client", "axpy"), 21, 300),
        (("client", "optimizer"), 1, 320),
        (("client", "optimizer"), 321, 4000),
        (("client", "other"), 0, 4321),
    ]


def test_where_no_role_is_at_work_nothing_is_timed(ticks: Callable[[int], None]) -> None:
    recorder = Recorder("driver")
    with recorder.span("forward"):
        ticks(1)
    assert recorder.result().totals == {}


def test_a_role_within_a_role_has_its_own_time_and_a_whole_part_is_not_taken_apart(ticks: Callable[[int], None]) -> None:
    recorder = Recorder("driver")
    with recorder.span("other", role="driver"):
        with recorder.span("other", role="main_server"), recorder.span("forward"):
            ticks(1)
        with recorder.span("evaluation", whole=True), recorder.span("evaluation", role="main_server", whole=True):
            ticks(10)
        ticks(100)
    expected = {("main_server", "forward"): 1, ("main_server", "other"): 0}
    expected |= {("driver", "evaluation"): 10, ("driver", "other"): 100}
    assert recorder.result().totals == expected


def test_forward_passes_of_probes_are_told_from_others(ticks: Callable[[int], None]) -> None:
    recorder, layer = Recorder("driver"), nn.Identity()
    layer.register_forward_pre_hook(lambda *_: ticks(7))
    with recorder.hooked(layer), recorder.span("other", role="client"):
        layer(torch.zeros(1))
        with recorder.span("axpy", probes=True):
            layer(torch.zeros(1))
            layer(torch.zeros(1))
    layer(torch.zeros(1))
    calls = Counter(part for part, _, _ in recorder.result().events)
    assert (calls["client", "forward"], calls["client", "probes"]) == (1, 2)


def test_a_call_that_raises_is_closed_all_the_same(ticks: Callable[[int], None]) -> None:
    def fail() -> None:
        ticks(5)
        raise ValueError("too long")

    class Failing(nn.Module):
        def forward(self) -> None:
            fail()

    recorder, module = Recorder("driver"), Failing()
    failing = recorder.timed(fail, Seam(None, "fail", "optimizer"))
    with recorder.hooked(module), recorder.span("other", role="client"):
        for call in (failing, module):
            with pytest.raises(ValueError, match="too long"):
                call()
        ticks(1)
    totals = {("client", "optimizer"): 5, ("client", "forward"): 5, ("client", "other"): 1}
    assert recorder.result().totals == totals


def test_other_threads_are_left_alone(ticks: Callable[[int], None]) -> None:
    recorder = Recorder("driver")
    work = recorder.timed(lambda: ticks(3), Seam(None, "work", "forward", role="client"))
    thread = threading.Thread(target=work)
    with recorder.span("other", role="client"):
        thread.start()
        thread.join()
    assert recorder.result().totals == {("client", "other"): 3}


def test_totals_stay_exact_where_events_are_left_out(ticks: Callable[[int], None]) -> None:
    recorder = Recorder("driver", limit=2)
    for _ in range(5):
        with recorder.span("other", role="client"):
            ticks(1)
    result = recorder.result()
    assert (len(result.events), result.left_out, result.totals) == (2, 3, {("client", "other"): 5})


def test_everything_is_put_back() -> None:
    def present() -> list[object]:
        replaced = [vars(seam.owner)[seam.name] for seam in SEAMS]
        return [*replaced, ZerothOrderEstimator.gradient, Setup.build_model]

    before, recorder, layer = present(), Recorder("driver"), nn.Identity()
    recorder.modules.append(layer)
    with models_known(recorder), traced(recorder):
        assert all(new is not old for new, old in zip(present(), before, strict=True))
        assert layer._forward_hooks
    assert present() == before
    assert not layer._forward_hooks
    assert not layer._forward_pre_hooks


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> list[SplitModel]:
    """The models that roles build: the client host's comes first, then the main server's."""
    built: list[SplitModel] = []
    build = Setup.build_model

    def build_model(setup: Setup) -> SplitModel:
        built.append(build(setup))
        return built[-1]

    monkeypatch.setattr(Setup, "build_model", build_model)
    return built


CASES = [
    *map(method_overrides, METHODS),
    ["method.zeroth_order.difference=central"],
    ["method.upload_every=2"],
    ["method.kind=frozen_client", "method.upload_every=2"],
]


@pytest.mark.parametrize("overrides", CASES, ids=" ".join)
def test_a_floor_is_made_of_the_passes_that_a_round_makes(
    make_spec: MakeSpec, models: list[SplitModel], monkeypatch: pytest.MonkeyPatch, overrides: list[str]
) -> None:
    monkeypatch.setattr("heron_ray.simulation.setup.BLOCK", 1)  # a block makes one pass for all its clients
    spec = make_spec("rounds=1", *overrides)
    setup, made = Setup.build(spec), Counter[str]()

    def count(name: str, *, trains: bool) -> Callable[..., None]:
        def hook(module: nn.Module, *_: object) -> None:
            made[name] += module.training or not trains

        return hook

    class CountingExecutor(LocalExecutor):
        def open(self, setup: Setup) -> None:
            super().open(setup)
            models[0].front.register_forward_hook(count("client", trains=False))
            models[1].back.register_forward_hook(count("server", trains=True))

    with CountingExecutor() as executor:
        Simulation(spec, executor).run()
    floor, needed = Floor(setup), Counter[str]()
    for name, passes in floor.passes().items():
        needed[name.split("_")[0]] += passes * spec.clients.cohort
    assert needed == Counter({"client": made["client"], "server": made["server"]})
    assert floor.measure(1) > 0
