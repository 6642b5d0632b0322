"""Every signature is provoked by a real small run, and healthy runs provoke none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from heron_ray.methods.heron import Heron
from heron_ray.methods.method import Client, ClientRound
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.diagnoses.diagnoses import SIGNATURES
from heron_ray.simulation.events import Diagnosis, RoundFinished
from heron_ray.simulation.fork import fork
from heron_ray.simulation.roles.scrutiny import SKETCH, Scrutineer
from heron_ray.spec import ExperimentSpec, apply_overrides, parse_override, parse_spec
from tests.conftest import MakeSpec
from tests.federation.runs import resumed, stopped_after

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
EDGE = "edge={population: {kind: mixture, devices: [{profile: phone}], links: [{profile: lte}]}}"


def shipped(name: str, *overrides: str) -> ExperimentSpec:
    mapping = yaml.safe_load((EXPERIMENTS / name).read_text(encoding="utf-8"))
    return parse_spec(apply_overrides(mapping, [parse_override(text) for text in overrides])[0])


def run(spec: ExperimentSpec, **options: Any) -> tuple[RunResult, list[Diagnosis]]:
    sink = ListSink()
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=sink, **options).run()
    return result, [event for event in sink.events if isinstance(event, Diagnosis)]


def found(spec: ExperimentSpec, name: str) -> Diagnosis:
    """The one diagnosis of that name; the result has the same ones as the events."""
    result, events = run(spec)
    assert result.diagnoses == [one.told() for one in events]
    assert json.loads(json.dumps(result.diagnoses)) == result.diagnoses
    (diagnosis,) = [one for one in events if one.name == name]
    return diagnosis


HEALTHY = {
    "heron": shipped("digits-heron.yaml", "rounds=150"),
    "cse_fsl": shipped("digits-cse_fsl.yaml", "rounds=100"),
    "frozen_client": shipped("digits-frozen_client.yaml", "rounds=100"),
    "sflv2": shipped("digits-cse_fsl.yaml", "rounds=100", "method.kind=sflv2"),
    "fedavg": shipped("digits-cse_fsl.yaml", "rounds=100", "method.kind=fedavg"),
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_run_is_left_in_peace(kind: str) -> None:
    result, events = run(HEALTHY[kind])
    assert events == result.diagnoses == []


class GraphHeron(Heron):
    """HERON whose head works on tensors that require gradients, as a carelessly written module would."""

    def client_round(self, client: Client) -> ClientRound:
        auxiliary = client.model.auxiliary

        def forward(_: object, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            with torch.enable_grad():
                return ((inputs[0].clone().requires_grad_() ** 2).sqrt().detach(),)

        handle = auxiliary.register_forward_pre_hook(forward)
        try:
            return (yield from super().client_round(client))
        finally:
            handle.remove()


def test_a_graph_in_a_zeroth_order_client_is_told_in_the_first_round(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(make_spec("partition={kind: iid}"))[1] == []
    monkeypatch.setitem(METHODS, "heron", GraphHeron)
    monkeypatch.setattr(GraphHeron, "stacks", False)
    diagnosis = found(make_spec("partition={kind: iid}"), "graph_in_client")
    assert diagnosis.round == 1
    # Per forward pass the power saves its input and the root its result: twice 16 samples of 16 floats, 3 steps of 3 passes.
    assert diagnosis.figures["saved_bytes"] == 2 * 16 * 16 * 4 * 3 * 3


def test_probes_that_drown_in_rounding_are_told_of(make_spec: MakeSpec) -> None:
    diagnosis = found(make_spec("method.zeroth_order.mu=1e-7"), "vanishing_probes")
    assert diagnosis.round == 3
    assert diagnosis.figures["probes"] == 6 * 3 * 2
    assert diagnosis.figures["root_mean_square"] < 4 * 2**-23 * diagnosis.figures["loss"]


def test_differences_that_are_no_difference_count_where_clients_know_no_loss(make_spec: MakeSpec) -> None:
    diagnosis = found(make_spec("method.kind=ho_sfl", "method.zeroth_order.mu=1e-9"), "vanishing_probes")
    assert diagnosis.figures["zeros"] >= 0.9 * diagnosis.figures["probes"]


def test_probes_that_leave_the_neighbourhood_are_told_of(make_spec: MakeSpec) -> None:
    diagnosis = found(
        make_spec("method.zeroth_order={mu: 10, probes: 2, direction: gaussian}", "method.client_optimizer.lr=1e-9"),
        "exploding_probes",
    )
    assert diagnosis.figures["root_mean_square"] >= diagnosis.figures["loss"]


STUCK = ("rounds=50", "evaluation.every=10", "partition={kind: iid}", "method.client_optimizer.lr=1e-6")
SPECTRUM = "evaluation.spectrum={every: 10, samples: 32, probes: 2, lanczos_steps: 4}"


@pytest.mark.parametrize(
    ("overrides", "cause"),
    [
        (["method.zeroth_order.mu=1e-7"], "in the noise floor of float32"),
        (["method.zeroth_order.mu=1e-7", "evaluation.estimator_quality=true"], "in the noise floor of float32"),
        (["method.zeroth_order={mu: 3, probes: 2, direction: gaussian}"], "is so large that probes see curvature"),
        (
            [
                "method.zeroth_order={mu: 3, probes: 2, direction: gaussian, difference: central}",
                "evaluation.estimator_quality=true",
            ],
            "is so large that probes see curvature",
        ),
        ([SPECTRUM, "clients.local_steps=20", "method.zeroth_order.probes=8"], "neither too small nor too large"),
        ([], "neither too small nor too large"),
    ],
    ids=["noise", "noise, judged", "large mu", "large mu, central", "low rank", "unknown"],
)
def test_slow_convergence_says_why(make_spec: MakeSpec, overrides: list[str], cause: str) -> None:
    diagnosis = found(make_spec(*STUCK, *overrides), "slow_convergence")
    assert diagnosis.round == 50
    assert cause in diagnosis.message


def test_a_high_effective_rank_is_told_of_where_one_probe_a_round_cannot_do(make_spec: MakeSpec) -> None:
    features = "data={kind: synthetic, samples: 600, features: 800}"  # as long in every direction
    one_probe = ("clients={count: 1, batch_size: 64, local_steps: 1}", "method.zeroth_order={mu: 1e-3, probes: 1}")
    # Five times that rate diverges, and at this one 1,500 rounds take the loss to a tenth: it is slow, not stuck.
    rate = "method.client_optimizer.lr=0.0006"
    spectrum = "evaluation.spectrum={every: 50, samples: 64, probes: 2, lanczos_steps: 8}"
    spec = make_spec(*STUCK, features, "model.front=[32]", *one_probe, rate, spectrum)
    diagnosis = found(spec, "slow_convergence")
    rank = diagnosis.figures["effective_rank"]
    assert diagnosis.figures["rounds_needed"] == pytest.approx(2.3 * (rank + 2))
    assert rank > 25
    assert f"the effective rank is {rank:.3g}" in diagnosis.message
    assert "Use more probes" in diagnosis.advice


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["model.front=[32, 1]"], "The cut lets too little through"),
        (["method.server_optimizer.lr=1e-6"], "the back model does"),
        (["model.front=[1]", "model.auxiliary={kind: mlp, widths: [64]}"], "The auxiliary head has"),
    ],
)
def test_clients_that_learn_alone_are_told_of(overrides: list[str], named: str) -> None:
    spec = shipped("digits-cse_fsl.yaml", "rounds=80", "evaluation.every=5", *overrides)
    diagnosis = found(spec, "uninformative_smashed_data")
    assert named in diagnosis.advice
    assert diagnosis.figures["client_loss"] < 0.95 * diagnosis.figures["client_loss_before"]


def test_clients_without_the_memory_for_it_are_absent_for_that_reason(make_spec: MakeSpec) -> None:
    devices = "[{profile: phone}, {profile: sensor, memory_bytes: 1000}]"
    edge = f"edge={{population: {{kind: mixture, devices: {devices}, links: [{{profile: lte}}]}}}}"
    diagnosis = found(make_spec(edge, "clients.count=20", "clients.per_round=4", "rounds=60"), "absent_clients")
    assert 40 < diagnosis.round < 60
    assert diagnosis.figures["memory"] == len(diagnosis.figures["clients"]) > 0
    assert set(diagnosis.figures) == {"rounds", "memory", "clients"}


def test_clients_that_are_never_there_and_never_in_time_are_absent_for_these_reasons(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "days.csv").write_text("1\n1\n0000000001\n")
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    devices = "[{profile: phone}, {profile: phone, flops_per_s: 1000}]"
    edge = f"edge={{population: {{kind: mixture, devices: {devices}, links: [{{profile: ethernet}}]}}, deadline_s: 5}}"
    spec = make_spec(edge, "edge.availability={kind: csv, path: days.csv}", "clients.count=30", "clients.per_round=20")
    diagnosis = found(spec, "absent_clients")
    assert diagnosis.round == 4  # the run's end
    assert diagnosis.figures["availability"] > 0
    assert diagnosis.figures["cut"] > 0


def test_at_the_end_of_a_short_run_it_is_sampling(make_spec: MakeSpec) -> None:
    diagnosis = found(make_spec("clients.count=40", "clients.per_round=3"), "absent_clients")
    assert diagnosis.figures["sampling"] >= 40 - 4 * 3
    assert "larger clients.per_round" in diagnosis.advice


LARGE = ("clients.batch_size=128", "clients.local_steps=10")
TWIN = ("method.kind=cse_fsl", "method.client_optimizer.lr=0.1")
KRUM = "aggregation={kind: krum, f: 2, m: 6}"


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        # Updates of few small batches point in all directions; these agree.
        (
            [*TWIN, "attack={kind: sign_flip, byzantine: 2, scale: 1}", *LARGE],
            "direction",
        ),
        ([*TWIN, "attack={kind: sign_flip, byzantine: 2, scale: 20}", "method.client_optimizer.lr=0.01"], "norm"),
        ([*TWIN, "attack={kind: gaussian, byzantine: 2, sigma: 0.005}", KRUM], "left_out"),
        (["attack={kind: zero, byzantine: 2}"], "norm"),
    ],
)
def test_attackers_stand_apart(make_spec: MakeSpec, overrides: list[str], why: str) -> None:
    spec = make_spec("clients.count=8", "rounds=12", "partition={kind: iid}", *overrides)
    sink = ListSink()
    with LocalExecutor() as executor:
        Simulation(spec, executor, sink=sink).run()
    (diagnosis,) = [event for event in sink.events if isinstance(event, Diagnosis) and event.name == "suspected_attackers"]
    told = diagnosis.figures["clients"]
    assert sorted(map(int, told)) == sink.events[0].byzantine  # type: ignore[attr-defined]  # the first event is Started
    assert all(why in reasons for reasons in told.values())


def test_clients_whose_uploads_are_refused_again_and_again_are_suspected(make_spec: MakeSpec) -> None:
    spec = make_spec(
        *("clients.count=8", "rounds=20", "partition={kind: iid}"),
        "attack={kind: norm_inflation, byzantine: 2, scale: 100}",
        "smashed_defence={kind: norm_filter}",
    )
    diagnosis = found(spec, "suspected_attackers")
    assert all("filtered" in reasons for reasons in diagnosis.figures["clients"].values())
    assert len(diagnosis.figures["clients"]) == 2


def test_a_front_that_was_trained_for_nothing_is_told_of(make_spec: MakeSpec) -> None:
    diagnosis = found(make_spec("rounds=20", "method.client_optimizer.lr=1e-6"), "no_better_than_frozen")
    assert diagnosis.round == 20
    assert diagnosis.figures["trained_accuracy"] == pytest.approx(diagnosis.figures["untrained_accuracy"], abs=0.01)
    assert diagnosis.figures["movement"] < 1e-3


@pytest.fixture(scope="module")
def troubled() -> ExperimentSpec:
    """A run with several troubles, told in different rounds."""
    return shipped(
        "digits-sign_flip-mean.yaml",
        *("rounds=24", "evaluation.every=5", "clients.count=12", "clients.per_round=10", "method.kind=heron", EDGE),
        *("method.zeroth_order={mu: 1.0e-7, probes: 2}", "attack={kind: zero, byzantine: 2}", "edge.dropout=0.1"),
        *("compute.checkpoint_every=4", "method.client_optimizer.lr=1e-6"),
    )


def names(events: list[Diagnosis] | list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(one["round"], one["name"]) if isinstance(one, dict) else (one.round, one.name) for one in events]


@pytest.mark.parametrize("rounds", [2, 6, 11])
def test_a_resumed_run_tells_each_once_and_the_same(troubled: ExperimentSpec, tmp_path: Path, rounds: int) -> None:
    whole, _ = run(troubled)
    assert {"vanishing_probes", "no_better_than_frozen"} <= {name for _, name in names(whole.diagnoses)}
    assert resumed(troubled, stopped_after(rounds, troubled, tmp_path)).diagnoses == whole.diagnoses


def test_a_longer_run_made_by_a_fork_has_the_diagnoses_of_the_longer_run(troubled: ExperimentSpec, tmp_path: Path) -> None:
    # The shorter run ends between two evaluations, and looks at its end; the longer one knows of neither.
    for rounds in (22, 20):
        short = troubled.model_copy(update={"rounds": rounds})
        checkpointer = Checkpointer(tmp_path / str(rounds))
        run(short, checkpointer=checkpointer)
        start = fork(checkpointer.load(checkpointer.paths()[0]), short, troubled)
        assert run(troubled, start_from=start)[0].diagnoses == run(troubled)[0].diagnoses


def test_a_fork_that_mends_the_matter_is_watched_anew(make_spec: MakeSpec, tmp_path: Path) -> None:
    parent, checkpointer = make_spec("method.zeroth_order.mu=1e-7"), Checkpointer(tmp_path)
    assert names(run(parent, checkpointer=checkpointer)[0].diagnoses) == [(3, "vanishing_probes")]
    child = make_spec("rounds=8")
    start = fork(checkpointer.load(checkpointer.paths()[0]), parent, child)
    assert run(child, start_from=start)[0].diagnoses == []


def test_a_checkpoint_from_before_there_were_diagnoses_can_be_gone_on_from(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec()
    checkpointer = stopped_after(2, spec, tmp_path)
    kept = checkpointer.load(checkpointer.paths()[0])
    progress = {name: value for name, value in kept.progress.items() if name != "diagnosed"}
    checkpointer.save(type(kept)(round=2, trajectory_hash=kept.trajectory_hash, vectors=kept.vectors, progress=progress))
    assert resumed(spec, checkpointer).trajectory_digest == run(spec)[0].trajectory_digest


def test_a_diagnosis_comes_after_its_round_and_changes_no_series(make_spec: MakeSpec) -> None:
    sink = ListSink()
    with LocalExecutor() as executor:
        Simulation(make_spec("method.zeroth_order.mu=1e-7"), executor, sink=sink).run()
    kinds = [(event.kind, getattr(event, "round", None)) for event in sink.events]
    assert kinds.index(("diagnosis", 3)) == kinds.index(("round_finished", 3)) + 1
    for event in sink.events:
        if isinstance(event, RoundFinished):
            assert set(event.metrics) <= {"client_loss", "server_loss", "bytes_up", "bytes_down", "messages"} | {
                f"{head}{split}_{what}"
                for head in ("", "auxiliary_")
                for split in ("validation", "test")
                for what in ("accuracy", "loss")
            }


def test_every_signature_is_documented() -> None:
    page = (EXPERIMENTS.parent / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert [one.name for one in SIGNATURES if f"| `{one.name}` |" not in page] == []


@pytest.mark.parametrize("size", [100, SKETCH, 5000])
def test_sketches_keep_norms_exactly_and_cosines_nearly(size: int) -> None:
    draw = np.random.default_rng(0)
    common = draw.normal(size=size)
    updates = (common + draw.normal(size=(8, size))).astype(np.float32)
    updates[3] *= -1
    scrutineer = Scrutineer(size)
    scrutineer.see([5, 6], updates[:2])
    scrutineer.see([*range(6)], updates[2:])
    report = scrutineer.report([1, 3])
    assert report.clients == (5, 6, 0, 1, 2, 3, 4, 5)
    assert report.left_out == (6, 1)
    assert report.norms == pytest.approx(np.linalg.norm(updates.astype(np.float64), axis=1), rel=1e-5)
    others = updates.sum(axis=0) - updates
    exact = (updates * others).sum(axis=1) / np.linalg.norm(updates, axis=1) / np.linalg.norm(others, axis=1)
    assert report.cosines == pytest.approx(exact, abs=1e-5 if size <= SKETCH else 4 / SKETCH**0.5)
    assert scrutineer.report([]).clients == ()


def test_what_is_not_finite_has_an_infinite_norm_and_harms_nobodys_cosine() -> None:
    updates = np.ones((3, 4), dtype=np.float32)
    updates[1, 2] = np.nan
    scrutineer = Scrutineer(4)
    scrutineer.see([0, 1, 2], updates)
    report = scrutineer.report([])
    assert report.norms == (2.0, float("inf"), 2.0)
    assert report.cosines == pytest.approx((1.0, 0.0, 1.0))
