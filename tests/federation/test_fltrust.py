"""FLTrust: its formula, its laws, the server's own client, and what it does in real runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heron_ray.errors import DataError
from heron_ray.federation import make_rule
from heron_ray.simulation import LocalExecutor, RunResult, Simulation
from heron_ray.simulation.footprint import footprint
from heron_ray.simulation.roles import FederationServer
from heron_ray.simulation.setup import Setup
from heron_ray.simulation.trace import Recorder, models_known, traced
from heron_ray.spec import ExperimentSpec, load_spec
from tests.conftest import MakeSpec, method_overrides, require_refusal
from tests.federation.cohorts import LIES, bundle, parse
from tests.federation.runs import resumed, stopped_after

TRUST = "aggregation={kind: fltrust, samples: 40}"
FLIP = "attack={kind: sign_flip, byzantine: 2, scale: 5}"


def trusted(updates: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    rule = make_rule(parse({"kind": "fltrust"}))
    for client, update in enumerate(updates):
        rule.add(update, 1, client)
    rule.trust(reference)
    return rule.result(), rule.left_out


def run(spec: ExperimentSpec) -> RunResult:
    with LocalExecutor() as executor:
        return Simulation(spec, executor).run()


def test_it_is_the_formula_of_the_paper() -> None:
    updates, reference = bundle(3, n=9), bundle(4, n=1)[0]
    scores = np.array([max(0.0, u @ reference / np.linalg.norm(u) / np.linalg.norm(reference)) for u in updates])
    lengths = np.linalg.norm(updates, axis=1, keepdims=True)
    expected = (scores[:, None] * updates / lengths).sum(axis=0) * np.linalg.norm(reference) / scores.sum()
    joined, left_out = trusted(updates, reference)
    np.testing.assert_allclose(joined, expected, rtol=1e-5, atol=1e-6)
    assert left_out == tuple(np.flatnonzero(scores == 0))


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_it_never_turns_against_the_reference_nor_grows_longer(lie: np.float32) -> None:
    updates, reference = bundle(5), bundle(6, n=1)[0]
    updates[:5] = lie
    joined, _ = trusted(updates, reference)
    assert joined @ reference >= 0
    assert np.linalg.norm(joined) <= np.linalg.norm(reference) * (1 + 1e-5)


def test_where_nobody_points_as_the_server_does_nothing_moves() -> None:
    reference = np.ones(4, dtype=np.float32)
    joined, left_out = trusted(np.stack([-reference, 0 * reference]), reference)
    assert not joined.any()
    assert left_out == (0, 1)


def test_it_asks_for_a_reference_in_every_round() -> None:
    rule = make_rule(parse({"kind": "fltrust"}))
    rule.trust(np.ones(40, dtype=np.float32))
    for update in bundle(0):
        rule.add(update, 1)
    rule.result()
    for update in bundle(0):
        rule.add(update, 1)
    with pytest.raises(ValueError, match="give it one with trust"):
        rule.result()


def test_the_servers_own_client_is_nobody_of_the_population(make_spec: MakeSpec) -> None:
    setup = Setup.build(make_spec(TRUST))
    server = FederationServer(setup)
    assert server._root is not None
    broadcast = server.broadcast()
    first, second = (server._root.update(round, broadcast) for round in (1, 2))
    again = FederationServer(setup)._root
    assert again is not None
    assert np.array_equal(again.update(1, broadcast), first)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kind", ["cse_fsl", "fedavg", "heron", "fedzo"])
def test_every_method_with_a_round_of_its_own_has_a_reference(make_spec: MakeSpec, kind: str) -> None:
    attacked = [f"method.kind={kind}", FLIP]
    assert run(make_spec(*attacked, TRUST)).trajectory_digest != run(make_spec(*attacked)).trajectory_digest


def test_flipped_signs_lose_their_hold_on_first_order_clients() -> None:
    flipped = ["rounds=40", "evaluation.every=40", "attack={kind: sign_flip, byzantine: 2, scale: 2}"]
    path = Path(__file__).parents[2] / "experiments" / "digits-cse_fsl.yaml"
    undefended, defended = (run(load_spec(path, [*flipped, rule])[0]) for rule in ("aggregation={kind: mean}", TRUST))
    assert undefended.auxiliary_accuracy < 0.3
    assert defended.auxiliary_accuracy > 0.7


def test_a_run_that_was_stopped_goes_on_to_the_undisturbed_digest(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("rounds=6", "compute.checkpoint_every=1", FLIP, TRUST)
    assert resumed(spec, stopped_after(3, spec, tmp_path)).trajectory_digest == run(spec).trajectory_digest


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        ([TRUST, "method.kind=sflv2"], "aggregation.kind", "wait for the main server"),
        ([TRUST, *method_overrides("fsl_sage")], "aggregation.kind", "keep more from round to"),
        (["aggregation={kind: fltrust, before: [{kind: nnm, f: 1}]}"], "aggregation.before", "use no pre-aggregators"),
    ],
)
def test_what_has_no_round_of_its_own_at_the_server_is_refused(overrides: list[str], path: str, words: str) -> None:
    require_refusal(overrides, path, words)


def test_a_weight_of_late_updates_would_be_undone_and_is_refused() -> None:
    devices = "[{profile: phone}, {profile: microcontroller}]"
    population = f"{{kind: mixture, devices: {devices}, links: [{{profile: lte}}]}}"
    edge = f"edge={{population: {population}, buffer: {{size: 3}}}}"
    require_refusal([TRUST, edge], "edge.buffer.weight", "would undo the weight of a late one: use constant")


def test_the_servers_own_round_is_no_clients_time(make_spec: MakeSpec) -> None:
    recorder = Recorder("driver")
    with models_known(recorder), LocalExecutor() as executor, traced(recorder, executor.seams()):
        Simulation(make_spec("method.kind=cse_fsl", TRUST), executor).run()
    totals = recorder.result().totals
    assert ("federation_server", "reference") in totals


def test_memory_is_counted_for_the_servers_own_client(make_spec: MakeSpec) -> None:
    plain, trusting = (footprint(make_spec(rule), distributed=True) for rule in ("aggregation.kind=median", TRUST))
    assert trusting.memory_bytes >= plain.memory_bytes + plain.client_peak_bytes


def test_more_clean_samples_than_there_are_is_an_error(make_spec: MakeSpec) -> None:
    with pytest.raises(DataError, match=r"aggregation\.samples=100000 clean samples cannot be drawn.*"):
        run(make_spec("aggregation={kind: fltrust, samples: 100000}"))
