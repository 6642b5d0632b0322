"""Attacked runs have the local executor's bits on Ray too, whatever the number of actors."""

from collections.abc import Iterator

import pytest
import ray

from heron_ray.actors.executor import RayExecutor
from heron_ray.federation.registry import ATTACKS
from heron_ray.simulation import LocalExecutor, Simulation
from tests.conftest import MakeSpec


@pytest.fixture(scope="module")
def executor() -> Iterator[RayExecutor]:
    """One Ray on two CPUs, and warm actors that serve run after run."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with RayExecutor() as executor:
        yield executor
    ray.shutdown()


RULES = {"gaussian": "{kind: trimmed_mean, f: 1}", "label_flip": "{kind: median}", "sign_flip": "{kind: krum, f: 1, m: 2}"}


@pytest.mark.parametrize("actors", [1, 3])
@pytest.mark.parametrize("kind", sorted(ATTACKS))
def test_attacked_digests_are_equal_on_every_executor(
    make_spec: MakeSpec, executor: RayExecutor, kind: str, actors: int
) -> None:
    attack = f"attack={{kind: {kind}, byzantine: 2, start_round: 2}}"
    spec = make_spec(attack, f"aggregation={RULES[kind]}", "clients.per_round=5", f"compute.actors={actors}")
    with LocalExecutor() as local:
        expected = Simulation(spec, local).run().trajectory_digest
    assert Simulation(spec, executor).run().trajectory_digest == expected
