"""What a population costs: nothing but the two arrays that say who holds what."""

from __future__ import annotations

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

from heron_ray.actors.actors import pack_setup, unpack_setup
from heron_ray.simulation import ListSink, LocalExecutor, Simulation
from heron_ray.simulation.events import Started
from heron_ray.simulation.plan import plan_round
from heron_ray.simulation.setup import Setup
from heron_ray.spec import ExperimentSpec
from tests.conftest import MakeSpec

LARGE = ["data={kind: synthetic, samples: 20000, features: 2}", "model={kind: mlp, front: [4], auxiliary: {kind: linear}}"]


def large(make_spec: MakeSpec, clients: int, *overrides: str) -> ExperimentSpec:
    population = ["partition={kind: iid}", "clients.per_round=10", f"clients.count={clients}"]
    return make_spec(*LARGE, *population, *overrides)


def buffers(packed: Any) -> list[pickle.PickleBuffer]:
    """What Ray keeps beside the pickled objects, to be read in place."""
    found: list[pickle.PickleBuffer] = []
    pickle.dumps(packed, protocol=5, buffer_callback=found.append)
    return found


def test_a_packed_population_is_two_arrays_read_in_place(make_spec: MakeSpec) -> None:
    few, many = (pack_setup(Setup.build(large(make_spec, clients))) for clients in (10, 20_000))
    assert len(buffers(many)) == len(buffers(few)) == 8
    assert len(pickle.dumps(many["shards"], protocol=5, buffer_callback=lambda _: None)) < 500
    opened = unpack_setup(pickle.loads(pickle.dumps(many, protocol=5, buffer_callback=(kept := []).append), buffers=kept))
    assert np.shares_memory(opened.shards.held, many["shards"]["held"])
    assert np.shares_memory(opened.shards[19_999], many["shards"]["held"])
    assert len(opened.shards) == 20_000


def test_shards_that_may_only_be_read_serve_a_round(make_spec: MakeSpec) -> None:
    spec = large(make_spec, 5000, "rounds=1")

    class ReadOnly(LocalExecutor):
        def open(self, setup: Setup) -> None:
            packed = pack_setup(setup)
            for array in packed["shards"].values():
                array.flags.writeable = False
            super().open(unpack_setup(packed))

    digests = set()
    for executor in (LocalExecutor(), ReadOnly()):
        with executor:
            digests.add(Simulation(spec, executor).run().trajectory_digest)
    assert len(digests) == 1


@pytest.mark.parametrize("clients", [20_000, 10_000_000])
def test_a_round_is_planned_without_a_list_of_the_population(make_spec: MakeSpec, clients: int) -> None:
    spec = large(make_spec, clients)
    tracemalloc.start()
    plan = plan_round(spec, 3, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(set(plan.cohort)) == 10
    assert max(plan.cohort) >= clients // 10
    assert peak < clients


def test_the_roles_of_a_large_population_hold_no_more_than_those_of_a_small_one(make_spec: MakeSpec) -> None:
    held = []
    for clients in (10, 20_000):
        setup = Setup.build(large(make_spec, clients))
        tracemalloc.start()
        with LocalExecutor() as executor:
            executor.open(setup)
            held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert held[1] < held[0] + 20_000


def test_a_run_on_a_large_population_says_who_holds_what(make_spec: MakeSpec) -> None:
    sink = ListSink()
    with LocalExecutor() as executor:
        Simulation(large(make_spec, 20_000, "rounds=2"), executor, sink=sink).run()
    started = next(event for event in sink.events if isinstance(event, Started))
    assert started.partition["clients"] == started.partition["samples"] == 20_000
    assert started.partition["sizes"] == {"min": 1, "median": 1.0, "max": 1}
    assert len(started.partition["per_client"]) == 1000
