"""Attacks and rules in real runs: the spec that describes them, the plan, the record, and what they do to training."""

from pathlib import Path

import pytest

from heron_ray.errors import DivergedError
from heron_ray.simulation import Checkpointer, ListSink, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.events import RoundFinished, Started
from heron_ray.simulation.plan import byzantine_clients, plan_round
from heron_ray.spec import ExperimentSpec
from tests.conftest import MakeSpec, method_overrides, require_refusal

FLIP = "attack={kind: sign_flip, byzantine: 2, scale: 2}"


def run(spec: ExperimentSpec) -> tuple[RunResult, ListSink]:
    sink = ListSink()
    with LocalExecutor() as executor:
        return Simulation(spec, executor, sink=sink).run(), sink


def digest(spec: ExperimentSpec) -> str:
    return run(spec)[0].trajectory_digest


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        (["aggregation={kind: trimmed_mean, f: 3}"], "aggregation.f", "at least 7 clients .* not 6"),
        (["aggregation={kind: krum, f: 2}"], "aggregation.f", "at least 7 clients .* not 6"),
        (["aggregation={kind: krum, f: 1}", "clients.per_round=4"], "aggregation.f", "at least 5 clients .* not 4"),
        (["aggregation={kind: krum, f: 0}", "clients.count=2"], "aggregation.f", "at least 3 clients"),
        (["aggregation={kind: krum, f: 1, m: 6}"], "aggregation.m", "at most n - f = 5"),
        (["aggregation={kind: trimmed_mean}"], "aggregation.f", "required"),
        (["aggregation={kind: trimmed_mean, f: -1}"], "aggregation.f", "greater than or equal to 0"),
        (["aggregation.kind=medain"], "aggregation.kind", "mean, median, trimmed_mean, krum.*did you mean 'median'"),
        (["attack={kind: sign_flip, byzantine: 7}"], "attack.byzantine", "clients.count=6"),
        (["attack={kind: sign_flip}"], "attack.byzantine", "required"),
        (["attack={kind: gaussian, byzantine: 1, start_round: 5}"], "attack.start_round", "rounds=4"),
        (["attack={kind: gaussian, byzantine: 1, scale: 2}"], "attack.scale", "sigma"),
        (["attack={kind: signflip, byzantine: 1}"], "attack.kind", "did you mean 'sign_flip'"),
        (["attack={kind: zero, byzantine: 1, share: 0.5}"], "attack.share", "byzantine says already"),
        (["attack={kind: zero, share: 1.5}"], "attack.share", "less than or equal to 1"),
        ([FLIP, "method.kind=fedavg", "attack.path=smashed"], "attack.path", "fedavg has none: attack another path"),
        (["attack={kind: norm_inflation, byzantine: 1}", "method.kind=fedzo"], "attack.kind", "fedzo has none"),
        ([FLIP, "method.kind=sflv2", "attack.path=auxiliary"], "attack.path", "sflv2's clients upload no auxiliary head"),
        ([FLIP, "method.upload=scalars"], "attack.kind", "heron's clients upload none here"),
        (["attack={kind: forged_scalar, byzantine: 1}"], "attack.kind", "use heron with upload=scalars, ho_sfl"),
        (
            ["attack={kind: forged_seed, byzantine: 1}", *method_overrides("ho_sfl")],
            "attack.kind",
            "ho_sfl's clients upload none here: use heron with upload=scalars",
        ),
        (["attack={kind: alie, byzantine: 1, path: smashed, optimal: true}"], "attack.optimal", "joins no smashed data"),
        (["attack={kind: alie, byzantine: 1, path: smashed, tau: null}"], "attack.tau", "give a number"),
        (["attack={kind: backdoor, byzantine: 1, target: 10}"], "attack.target", "use 0 to 9"),
        (["attack={kind: backdoor, byzantine: 1, patch: 65}"], "attack.patch", "use at most 64"),
        (["smashed_defence={kind: norm_filter}", "method.kind=fedavg"], "smashed_defence.kind", "no main server to defend"),
        (["smashed_defence={kind: norm_filter, warmup: 30, window: 20}"], "smashed_defence.warmup", "use at most 20"),
        (
            ["smashed_defence={kind: pooled_updates, rule: {kind: krum, f: 2}}"],
            "smashed_defence.rule.f",
            "at least 7 clients .* not 6",
        ),
        (["smashed_defence={kind: norm_filtr}"], "smashed_defence.kind", "did you mean 'norm_filter'"),
        ([FLIP, "method.kind=frozen_client"], "attack.kind", "frozen_client's clients upload none.*label_flip"),
    ],
)
def test_what_cannot_work_is_refused_by_path_with_the_way_out(overrides: list[str], path: str, words: str) -> None:
    require_refusal(overrides, path, words)


def test_the_largest_f_a_cohort_can_bear_is_accepted(make_spec: MakeSpec) -> None:
    assert make_spec("aggregation={kind: trimmed_mean, f: 2}").aggregation.fault(5) is None
    assert make_spec("aggregation={kind: krum, f: 1, m: 5}").aggregation.fault(6) is None


def test_byzantine_clients_are_drawn_once_and_listed_in_the_record(make_spec: MakeSpec) -> None:
    spec = make_spec(FLIP)
    drawn = byzantine_clients(spec)
    assert len(set(drawn)) == 2
    assert set(drawn) <= set(range(6))
    (started,) = [event for event in run(spec)[1].events if isinstance(event, Started)]
    assert started.byzantine == list(drawn)
    others = {byzantine_clients(make_spec(FLIP, f"seed={seed}")) for seed in range(10)}
    assert len(others) > 1


def test_without_an_attack_nobody_is_byzantine_and_no_series_speaks_of_it(make_spec: MakeSpec) -> None:
    _, sink = run(make_spec("rounds=1"))
    started, round_finished = sink.events[:2]
    assert isinstance(started, Started)
    assert started.byzantine == []
    assert isinstance(round_finished, RoundFinished)
    assert "byzantine_sampled" not in round_finished.metrics


def test_each_round_counts_the_byzantine_clients_it_sampled_from_the_first_round_of_the_attack(make_spec: MakeSpec) -> None:
    spec = make_spec("attack={kind: gaussian, byzantine: 3, start_round: 3}", "clients.per_round=4", "rounds=6")
    byzantine = set(byzantine_clients(spec))
    rounds = [event for event in run(spec)[1].events if isinstance(event, RoundFinished)]
    expected = [0, 0, *(len(byzantine & set(plan_round(spec, round, 1).cohort)) for round in range(3, 7))]
    assert [event.metrics["byzantine_sampled"] for event in rounds] == expected
    assert max(expected) > 0


@pytest.mark.parametrize("hosts", [1, 3])
def test_the_plan_does_not_let_the_number_of_hosts_choose_the_attackers(make_spec: MakeSpec, hosts: int) -> None:
    plan = plan_round(make_spec(FLIP), 1, hosts)
    assert sorted(client for chunk in plan.chunks for client in chunk.attackers) == list(plan.attackers)
    assert all(set(chunk.attackers) <= set(chunk.clients) for chunk in plan.chunks)
    assert list(plan.attackers) == list(byzantine_clients(make_spec(FLIP)))


@pytest.mark.parametrize("kind", ["sign_flip", "gaussian", "label_flip"])
def test_an_attack_changes_the_run_and_is_repeatable(make_spec: MakeSpec, kind: str) -> None:
    attacked = make_spec(f"attack={{kind: {kind}, byzantine: 2}}")
    assert digest(attacked) == digest(attacked)
    assert digest(attacked) != digest(make_spec("attack={kind: label_flip, byzantine: 0}"))


def client_losses(spec: ExperimentSpec) -> list[float]:
    return [event.metrics["client_loss"] for event in run(spec)[1].events if isinstance(event, RoundFinished)]


def test_rounds_before_the_attack_are_those_of_an_honest_run(make_spec: MakeSpec) -> None:
    honest = client_losses(make_spec())
    attacked = client_losses(make_spec("attack={kind: sign_flip, byzantine: 3, scale: 5, start_round: 3}"))
    # The attack of round 3 shows in the loss that clients meet at the start of round 4.
    assert attacked[:3] == honest[:3]
    assert attacked[3] != honest[3]


def test_an_attack_by_nobody_is_no_attack(make_spec: MakeSpec) -> None:
    nobody = make_spec("attack={kind: sign_flip, byzantine: 0}")
    assert client_losses(nobody) == client_losses(make_spec())


def test_an_attacked_run_that_was_stopped_goes_on_to_the_undisturbed_digest(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("attack={kind: gaussian, byzantine: 2}", "aggregation.kind=median", "clients.per_round=4")
    asked = iter([False, False, True])
    with LocalExecutor() as executor:
        Simulation(spec, executor, checkpointer=Checkpointer(tmp_path), should_stop=lambda: next(asked)).run()
        sink = ListSink()
        resumed = Simulation(spec, executor, checkpointer=Checkpointer(tmp_path), resume=True, sink=sink).run()
    started = sink.events[0]
    assert isinstance(started, Started)
    assert (started.after_round, started.byzantine) == (2, list(byzantine_clients(spec)))
    assert resumed.trajectory_digest == digest(spec)


def test_a_run_that_an_attack_blew_up_names_the_robust_rules_as_a_way_out(make_spec: MakeSpec) -> None:
    spec = make_spec("rounds=50", "method.client_optimizer.lr=10", "attack={kind: gaussian, byzantine: 6, sigma: 1000000}")
    with pytest.raises(DivergedError, match="robust aggregation"):
        run(spec)


@pytest.mark.parametrize("kind", ["sflv2", "frozen_client"])
def test_flipped_labels_reach_the_main_server_of_methods_without_auxiliary_head(make_spec: MakeSpec, kind: str) -> None:
    honest, attacked = (
        run(make_spec(f"method.kind={kind}", "rounds=30", "method.server_optimizer.lr=0.3", *more))[0]
        for more in ([], ["attack={kind: label_flip, byzantine: 6}"])
    )
    assert attacked.test_accuracy < honest.test_accuracy / 2


@pytest.mark.parametrize(
    "rule", ["{kind: median}", "{kind: trimmed_mean, f: 2}", "{kind: krum, f: 2}", "{kind: krum, f: 2, m: 5}"]
)
def test_a_robust_rule_keeps_what_a_sign_flip_takes_from_the_mean(make_spec: MakeSpec, rule: str) -> None:
    base = [
        "clients.count=8", "partition.kind=iid", "rounds=30", "method.kind=cse_fsl", "method.client_optimizer.lr=0.3",
        "evaluation.every=30", "attack={kind: sign_flip, byzantine: 2, scale: 3}",
    ]  # fmt: skip
    mean = run(make_spec(*base))[0].auxiliary_accuracy
    robust = run(make_spec(*base, f"aggregation={rule}"))[0].auxiliary_accuracy
    assert mean < 0.25
    assert robust > 0.45
