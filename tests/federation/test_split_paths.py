"""Attacks on the paths that only split federated learning has, colluding ones and backdoors, in real runs."""

from pathlib import Path

import numpy as np
import pytest

from heron_ray.errors import DivergedError
from heron_ray.methods import make_method
from heron_ray.methods.method import Fate
from heron_ray.methods.registry import METHODS
from heron_ray.simulation import ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.events import RoundFinished
from heron_ray.simulation.plan import byzantine_clients
from heron_ray.spec import ExperimentSpec
from tests.conftest import MakeSpec, method_overrides
from tests.federation.runs import resumed, stopped_after

ALL = "byzantine: 6"
TWO = "byzantine: 2"


def run(spec: ExperimentSpec) -> tuple[RunResult, list[RoundFinished], np.ndarray]:
    sink = ListSink()
    with LocalExecutor() as executor:
        result = Simulation(spec, executor, sink=sink).run()
        vector = executor.federation_server.call("shared_parts")
    return result, [event for event in sink.events if isinstance(event, RoundFinished)], vector


@pytest.mark.parametrize("kind", METHODS)
def test_the_schema_knows_which_paths_a_method_has(make_spec: MakeSpec, kind: str) -> None:
    spec = make_spec(*method_overrides(kind)).method
    method = make_method(spec)
    assert spec.has_main_server == method.has_main_server
    assert spec.averages_auxiliary == ("auxiliary" in method.parts_to_be(Fate.AVERAGED))
    if spec.averages_auxiliary:
        assert method.shared_parts == method.client_parts


@pytest.mark.parametrize(
    "attack",
    [
        "{kind: sign_flip, path: smashed, %s}",
        "{kind: gaussian, path: smashed, %s}",
        "{kind: alie, path: smashed, %s}",
        "{kind: norm_inflation, %s}",
        "{kind: label_flip, path: smashed, %s}",
    ],
)
def test_an_attack_on_the_smashed_path_leaves_a_decoupled_client_model_alone(make_spec: MakeSpec, attack: str) -> None:
    honest, rounds, vector = run(make_spec())
    attacked, attacked_rounds, attacked_vector = run(make_spec(f"attack={attack % TWO}"))
    assert np.array_equal(vector, attacked_vector)
    assert [event.metrics["client_loss"] for event in rounds] == [event.metrics["client_loss"] for event in attacked_rounds]
    assert [event.metrics["bytes_up"] for event in rounds] == [event.metrics["bytes_up"] for event in attacked_rounds]
    assert attacked.test_loss != honest.test_loss
    assert attacked.auxiliary_accuracy == honest.auxiliary_accuracy


@pytest.mark.parametrize("kind", [kind for kind in METHODS if kind not in ("fedavg", "fedzo")])
def test_every_method_with_a_main_server_can_be_attacked_there(make_spec: MakeSpec, kind: str) -> None:
    base = [*method_overrides(kind), "rounds=2"]
    digests = {
        run(make_spec(*base, *more))[0].trajectory_digest
        for more in ([], [f"attack={{kind: sign_flip, path: smashed, {TWO}}}"])
        for _ in range(2)
    }
    assert len(digests) == 2


def test_on_the_auxiliary_path_the_front_model_is_that_of_an_honest_run(make_spec: MakeSpec) -> None:
    honest = run(make_spec("rounds=1"))[2]
    for kind in ("sign_flip", "gaussian", "ipm", "min_max", "free_rider"):
        attacked = run(make_spec("rounds=1", f"attack={{kind: {kind}, path: auxiliary, {TWO}}}"))[2]
        front = 64 * 32 + 32 + 32 * 16 + 16
        assert np.array_equal(attacked[:front], honest[:front])
        assert not np.array_equal(attacked[front:], honest[front:])


def test_a_forged_sign_of_all_scalars_is_a_step_uphill(make_spec: MakeSpec) -> None:
    scripts = ["method.upload=scalars", "rounds=1", "clients.local_steps=1"]
    honest, _, after = run(make_spec(*scripts))
    reversed_, _, uphill = run(make_spec(*scripts, f"attack={{kind: forged_scalar, {ALL}, factor: -2}}"))
    with LocalExecutor() as executor:
        Simulation(make_spec(*scripts), executor, should_stop=lambda: True).run()
        before = executor.federation_server.call("shared_parts")
    np.testing.assert_allclose(uphill - before, -2 * (after - before), rtol=1e-3, atol=1e-5)
    assert reversed_.costs.bytes_up == honest.costs.bytes_up


@pytest.mark.parametrize("seeds", ["wrong", "replayed"])
def test_forged_seeds_change_the_update_and_not_its_bytes(make_spec: MakeSpec, seeds: str) -> None:
    scripts = ["method.upload=scalars", "rounds=2"]
    honest, attacked = (
        run(make_spec(*scripts, *more)) for more in ([], [f"attack={{kind: forged_seed, seeds: {seeds}, {ALL}}}"])
    )
    assert not np.array_equal(honest[2], attacked[2])
    assert attacked[0].costs.bytes_up == honest[0].costs.bytes_up


def test_scalars_that_all_clients_share_can_be_forged_and_joined_by_a_robust_rule(make_spec: MakeSpec) -> None:
    base = [*method_overrides("ho_sfl"), "rounds=3"]
    forged = f"attack={{kind: forged_scalar, {TWO}, factor: -1000}}"
    honest, mean, median = (run(make_spec(*base, *more))[2] for more in ([], [forged], [forged, "aggregation={kind: median}"]))
    assert np.abs(median - honest).max() < 0.1 * np.abs(mean - honest).max()


@pytest.mark.parametrize("kind", ["random", "ipm", "alie", "mimic", "min_max", "min_sum", "fang_krum", "fang_trimmed_mean"])
def test_colluding_attackers_are_repeatable_in_every_cohort(make_spec: MakeSpec, kind: str) -> None:
    spec = make_spec(f"attack={{kind: {kind}, share: 0.5, start_round: 2}}", "clients.per_round=3", "rounds=6")
    assert len(byzantine_clients(spec)) == 3
    first, second = (run(spec)[0].trajectory_digest for _ in range(2))
    assert first == second
    nobody = make_spec(f"attack={{kind: {kind}, byzantine: 0}}", "clients.per_round=3", "rounds=6")
    assert run(nobody)[0].trajectory_digest != first


def test_zero_updates_from_everybody_leave_the_client_model_as_it_was(make_spec: MakeSpec) -> None:
    spec = make_spec("attack={kind: zero, byzantine: 6}", "rounds=1")
    with LocalExecutor() as executor:
        Simulation(spec, executor, should_stop=lambda: True).run()
        before = executor.federation_server.call("shared_parts")
    assert np.array_equal(run(spec)[2], before)


def test_one_infinite_update_ends_a_run_under_the_mean_and_not_under_the_median(make_spec: MakeSpec) -> None:
    attack = "attack={kind: non_finite, byzantine: 1}"
    with pytest.raises(DivergedError, match=r"client parameters.*robust aggregation"):
        run(make_spec(attack))
    assert np.isfinite(run(make_spec(attack, "aggregation={kind: median}"))[2]).all()


def test_an_optimal_attack_asks_the_rule_that_the_spec_configures(make_spec: MakeSpec) -> None:
    attack = f"attack={{kind: ipm, optimal: true, {TWO}}}"
    searched, given = (
        run(make_spec(attack, *more, "rounds=1"))[2]
        for more in (["aggregation={kind: median}"], ["attack.optimal=false", "aggregation={kind: median}"])
    )
    honest = run(make_spec("rounds=1"))[2]
    assert np.linalg.norm(searched - honest) >= 0.99 * np.linalg.norm(given - honest)
    assert not np.array_equal(searched, given)


@pytest.mark.parametrize("attack", ["{kind: free_rider, %s, sigma: 0.01}", "{kind: gaussian, path: smashed, %s}"])
def test_an_attacked_run_that_was_stopped_goes_on_to_the_undisturbed_digest(
    make_spec: MakeSpec, tmp_path: Path, attack: str
) -> None:
    spec = make_spec(f"attack={attack % TWO}")
    checkpointer = stopped_after(2, spec, tmp_path)
    assert resumed(spec, checkpointer).trajectory_digest == run(spec)[0].trajectory_digest


def test_a_backdoor_that_all_clients_teach_is_learned_and_has_its_own_series(make_spec: MakeSpec) -> None:
    base = ["method.kind=cse_fsl", "method.client_optimizer.lr=0.3", "rounds=40", "evaluation.every=40", "partition.kind=iid"]
    rounds = run(make_spec(*base, f"attack={{kind: backdoor, {ALL}, target: 3, patch: 4, value: 1}}"))[1]
    assert rounds[-1].metrics["backdoor_accuracy"] > 0.8
    assert rounds[-1].metrics["auxiliary_backdoor_accuracy"] > 0.8
    assert "backdoor_accuracy" not in rounds[0].metrics
    nobody = run(make_spec(*base, "attack={kind: backdoor, byzantine: 0, target: 3, patch: 4, value: 1}"))[1]
    assert nobody[-1].metrics["backdoor_accuracy"] < 0.5
