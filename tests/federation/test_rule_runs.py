"""Rules that keep something between rounds or choose at random, in real runs: same digest after a stop, also in forks."""

from pathlib import Path

import numpy as np
import pytest

from heron_ray.simulation import Checkpointer, LocalExecutor, RunResult, Simulation
from heron_ray.simulation.fork import fork
from heron_ray.spec import ExperimentSpec
from tests.conftest import MakeSpec
from tests.federation.runs import resumed, stopped_after

PARTIAL = ["rounds=6", "clients.per_round=4", "attack={kind: gaussian, byzantine: 1}", "compute.checkpoint_every=1"]
RULES = [
    "{kind: centered_clipping, tau: 0.05}",
    "{kind: clipped_clustering}",
    "{kind: fools_gold}",
    "{kind: dnc, f: 1, sub_dim: 50}",
    "{kind: sign_guard}",
    "{kind: mean, before: [{kind: bucketing, s: 2}, {kind: static_clipping, c: 0.5}]}",
    "{kind: centered_clipping, before: [{kind: nnm, f: 1}]}",
]


def run(spec: ExperimentSpec) -> RunResult:
    with LocalExecutor() as executor:
        return Simulation(spec, executor).run()


@pytest.mark.parametrize("rule", RULES)
def test_a_run_that_was_stopped_goes_on_to_the_undisturbed_digest(make_spec: MakeSpec, tmp_path: Path, rule: str) -> None:
    spec = make_spec(*PARTIAL, f"aggregation={rule}")
    checkpointer = stopped_after(3, spec, tmp_path)
    assert resumed(spec, checkpointer).trajectory_digest == run(spec).trajectory_digest


@pytest.mark.parametrize(
    ("rule", "names"),
    [("centered_clipping", {"centre"}), ("clipped_clustering", {"norms"}), ("fools_gold", {f"history.{i}" for i in range(6)})],
)
def test_what_a_rule_keeps_is_in_the_checkpoint(make_spec: MakeSpec, tmp_path: Path, rule: str, names: set[str]) -> None:
    checkpointer = stopped_after(3, make_spec("rounds=6", "compute.checkpoint_every=1", f"aggregation.kind={rule}"), tmp_path)
    vectors = checkpointer.load(checkpointer.paths()[0]).vectors
    prefix = f"federation/rule.{rule}."
    assert {name.removeprefix(prefix) for name in vectors if name.startswith(prefix)} == names
    assert all(np.any(vectors[prefix + name]) for name in names)


def test_a_fork_may_change_the_rule_and_starts_its_state_afresh(make_spec: MakeSpec, tmp_path: Path) -> None:
    parent = make_spec("rounds=6", "compute.checkpoint_every=1", "aggregation.kind=fools_gold")
    child = make_spec("rounds=6", "compute.checkpoint_every=1", "aggregation={kind: centered_clipping, tau: 0.05}")
    checkpointer = stopped_after(3, parent, tmp_path / "parent")
    start = fork(checkpointer.load(checkpointer.paths()[0]), parent, child)
    with LocalExecutor() as executor:
        Simulation(child, executor, start_from=start, checkpointer=Checkpointer(tmp_path / "child")).run()
    names = Checkpointer(tmp_path / "child").load(Checkpointer(tmp_path / "child").paths()[0]).vectors
    assert [name for name in names if "rule." in name] == ["federation/rule.centered_clipping.centre"]


def test_buckets_depend_on_the_seed(make_spec: MakeSpec) -> None:
    bucketed = "aggregation={kind: median, before: [{kind: bucketing, s: 2}]}"
    digests = {run(make_spec("rounds=1", bucketed, f"seed={seed}")).trajectory_digest for seed in (0, 0, 1)}
    assert len(digests) == 2
