"""The main server's defences: what they let through, what they remember, and what they save."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from heron_ray.federation import SmashedDefence, make_defence
from heron_ray.federation.defences.window import Window
from heron_ray.federation.registry import DEFENCES
from heron_ray.methods import make_method
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.simulation.messages import Message, Uploads
from heron_ray.simulation.roles import MainServer
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from heron_ray.spec.smashed_defence import SmashedDefenceSpec
from tests.conftest import MakeSpec, method_overrides
from tests.federation.runs import resumed, stopped_after

SECTIONS = {
    "norm_filter": "{kind: norm_filter, deviations: 1.5, window: 20, warmup: 5}",
    "loss_filter": "{kind: loss_filter, deviations: 1.5, window: 20, warmup: 5}",
    "pooled_updates": "{kind: pooled_updates, rule: {kind: median}}",
}
WITH_SERVER = [kind for kind in METHODS if kind not in ("fedavg", "fedzo")]


def defence(**section: object) -> SmashedDefence:
    return make_defence(TypeAdapter(SmashedDefenceSpec).validate_python(section))


def run(spec: ExperimentSpec) -> tuple[RunResult, list[RoundFinished]]:
    sink = ListSink()
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=sink).run()
    return result, [event for event in sink.events if isinstance(event, RoundFinished)]


def filtered(rounds: list[RoundFinished]) -> tuple[int, int]:
    names = ("uploads_filtered", "byzantine_uploads_filtered")
    return tuple(int(sum(event.metrics[name] for event in rounds)) for name in names)


def test_every_registered_defence_is_among_those_tested() -> None:
    assert set(SECTIONS) == set(DEFENCES)


def test_a_windows_distance_is_measured_in_robust_deviations_of_the_figures_before() -> None:
    window = Window(5, 3)
    assert [window.distance(figure) for figure in (1.0, 2.0, 4.0)] == [0.0, 0.0, 0.0]
    assert window.distance(6.0) == pytest.approx((6 - 2) / 1.4826)  # deviations from 2 are 1, 0, 2
    assert window.distance(float("nan")) == window.distance(float("inf")) == float("inf")
    assert window.state()["window"].tolist() == [1.0, 2.0, 4.0, 6.0]
    alike = Window(5, 3)
    assert [alike.distance(10.0) for _ in range(3)] == [0.0] * 3
    assert alike.distance(11.0) == pytest.approx(1 / 0.5)  # the spread is at least a twentieth of the median


def test_a_window_forgets_the_oldest_figure_and_goes_on_from_its_state() -> None:
    window, other = Window(4, 3), Window(4, 3)
    for figure in (9.0, 1.0, 2.0, 3.0, 4.0):
        window.distance(figure)
    assert window.state()["window"].tolist() == [1.0, 2.0, 3.0, 4.0]
    other.load(window.state())
    assert other.distance(8.0) == window.distance(8.0) == pytest.approx(5.5 / 1.4826)
    other.load({})
    assert other.state()["window"].tolist() == []


def test_the_norm_filter_refuses_longer_and_shorter_smashed_data_and_the_loss_filter_higher_losses() -> None:
    draw = np.random.default_rng(0)
    norm = defence(kind="norm_filter", deviations=4.0, warmup=5)
    z = draw.normal(size=(20, 8, 16)).astype(np.float32)

    def nobody_asks() -> float:
        raise AssertionError("the norm filter needs no loss")

    assert all(norm.admits(one, nobody_asks) for one in z)
    assert [norm.admits(factor * z[0], nobody_asks) for factor in (10, 0.1, -1, 1)] == [False, False, True, True]
    assert not norm.admits(np.full((8, 16), np.inf, dtype=np.float32), nobody_asks)
    loss = defence(kind="loss_filter", deviations=4.0, warmup=5)
    assert all(loss.admits(z[0], lambda figure=figure: figure) for figure in draw.uniform(0.9, 1.1, 20))
    assert [loss.admits(z[0], lambda figure=figure: figure) for figure in (5.0, 0.0, 1.0)] == [False, True, True]


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
@pytest.mark.parametrize("kind", WITH_SERVER)
def test_every_method_with_a_main_server_can_be_defended(make_spec: MakeSpec, kind: str, section: str) -> None:
    base = [*method_overrides(kind), "rounds=2"]
    undefended, _ = run(make_spec(*base))
    first, rounds = run(make_spec(*base, f"smashed_defence={section}"))
    assert first.trajectory_digest == run(make_spec(*base, f"smashed_defence={section}"))[0].trajectory_digest
    assert first.trajectory_digest != undefended.trajectory_digest
    assert (first.costs.bytes_up, first.costs.bytes_down) == (undefended.costs.bytes_up, undefended.costs.bytes_down)
    assert ("uploads_filtered" in rounds[0].metrics) is ("filter" in section)


@pytest.mark.parametrize("kind", WITH_SERVER)
def test_a_refused_upload_leaves_the_main_server_as_it_was_and_a_coupled_client_is_answered(
    make_spec: MakeSpec, kind: str
) -> None:
    optimizer = "method.server_optimizer={kind: adam, lr: 0.01}"
    setup = Setup.build(make_spec(*method_overrides(kind), optimizer, "smashed_defence={kind: norm_filter}"))
    server = MainServer(setup)

    def consume(z: np.ndarray) -> np.ndarray | None:
        kinds = {"mu_splitfed": {"smashed_above": z, "smashed_below": z}, "fedgkt": {"logits": z[:, :10].copy()}}
        also = kinds.get(kind, {})
        uploads = Uploads(round=1, clients=(0,), sizes=(4,), z=z, y=np.arange(4), also=also, attackers=(0,))
        return server.consume(Message(uploads=uploads, updates=None, scalars=()))

    z = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)
    consume(z)
    before = server.state()
    answer = consume(np.full_like(z, np.inf))
    after = server.state()
    assert set(before) == set(after)
    learned = {name for name in before if not np.array_equal(before[name], after[name])}
    assert learned == set()
    assert (answer is not None) is make_method(setup.spec.method).coupled
    (_, _, _, counts), _ = server.finish_round(1)
    assert counts == {"uploads_filtered": 1, "byzantine_uploads_filtered": 1}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_a_defended_run_that_was_stopped_goes_on_to_the_undisturbed_digest(
    make_spec: MakeSpec, tmp_path: Path, section: str
) -> None:
    spec = make_spec(f"smashed_defence={section}", "attack={kind: norm_inflation, byzantine: 2, scale: 3}", "rounds=5")
    checkpointer = stopped_after(2, spec, tmp_path)
    assert resumed(spec, checkpointer).trajectory_digest == run(spec)[0].trajectory_digest


def test_pooling_by_the_mean_is_what_local_loss_does_with_its_copies(make_spec: MakeSpec) -> None:
    pooled = run(make_spec("method.kind=cse_fsl", "smashed_defence={kind: pooled_updates, rule: {kind: mean}}"))[0]
    copies = run(make_spec("method.kind=local_loss"))[0]
    assert pooled.test_loss == pytest.approx(copies.test_loss, abs=1e-4)


def test_a_filter_counts_what_it_refused_and_how_much_of_it_was_byzantine(make_spec: MakeSpec) -> None:
    attack = "attack={kind: norm_inflation, byzantine: 2, scale: 20, start_round: 2}"
    _, rounds = run(make_spec("smashed_defence={kind: norm_filter, deviations: 8}", attack, "rounds=6"))
    sent = sum(int(event.metrics["byzantine_sampled"]) for event in rounds) * 3  # uploads of three local steps
    refused, byzantine = filtered(rounds)
    assert byzantine == sent > 0
    assert refused - byzantine < 0.1 * 6 * 6 * 3
    assert filtered(rounds[:1])[1] == 0


@pytest.mark.parametrize(
    ("attack", "section"),
    [
        ("{kind: norm_inflation, byzantine: 2, scale: 50}", "{kind: norm_filter}"),
        ("{kind: non_finite, byzantine: 2, path: smashed}", "{kind: loss_filter}"),
        ("{kind: norm_inflation, byzantine: 2, scale: 50}", "{kind: pooled_updates, rule: {kind: median}}"),
    ],
)
def test_a_defence_keeps_a_server_that_the_attack_would_have_ruined(make_spec: MakeSpec, attack: str, section: str) -> None:
    base = ["partition.kind=iid", "rounds=40", "evaluation.every=40", "method.kind=cse_fsl", "method.client_optimizer.lr=0.3"]
    defended = run(make_spec(*base, f"attack={attack}", f"smashed_defence={section}"))[0]
    assert defended.test_accuracy > 0.6
    if "non_finite" not in attack:
        assert run(make_spec(*base, f"attack={attack}"))[0].test_accuracy < 0.4
