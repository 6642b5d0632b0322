from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.simulation.plan import plan_round
from heron_ray.simulation.roles.batches import Batches
from tests.conftest import MakeSpec, spec_from


def test_chunks_cover_the_cohort_in_order_whatever_the_hosts(make_spec: MakeSpec) -> None:
    spec = make_spec("clients.count=50", "clients.per_round=17")
    cohorts = set()
    for hosts in (1, 2, 4, 30):
        plan = plan_round(spec, 5, hosts)
        assert tuple(client for chunk in plan.chunks for client in chunk.clients) == plan.cohort
        assert all(chunk.clients for chunk in plan.chunks)
        assert {chunk.host for chunk in plan.chunks} <= set(range(hosts))
        cohorts.add(plan.cohort)
    assert len(cohorts) == 1
    assert len(set(plan.cohort)) == 17


def test_cohorts_differ_from_round_to_round_and_reach_everyone(make_spec: MakeSpec) -> None:
    spec = make_spec("clients.count=20", "clients.per_round=4")
    seen = [client for round in range(1, 101) for client in plan_round(spec, round, 1).cohort]
    counts = np.bincount(seen, minlength=20)
    assert counts.min() > 5
    assert counts.max() < 40


@given(size=st.integers(1, 40), batch=st.integers(1, 50), step=st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_a_batch_depends_on_its_step_alone_and_repeats_no_sample(size: int, batch: int, step: int) -> None:
    shard = np.arange(100, 100 + size)

    def batches() -> Batches:
        return Batches(shard, batch, seed=1, round=2, client=3)

    walked = batches()
    for earlier in range(step):
        walked.indices(earlier)
    indices = batches().indices(step)
    assert np.array_equal(indices, walked.indices(step))
    assert len(set(indices.tolist())) == len(indices) == min(batch, size)
    assert set(indices.tolist()) <= set(shard.tolist())


def test_an_epoch_uses_every_sample_once() -> None:
    batches = Batches(np.arange(12), 4, seed=0, round=1, client=0)
    first = np.concatenate([batches.indices(step) for step in range(3)])
    second = np.concatenate([batches.indices(step) for step in range(3, 6)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert not np.array_equal(first, second)


def test_blocks_are_the_same_whatever_the_hosts_and_of_one_batch_size(make_spec: MakeSpec) -> None:
    spec = make_spec("clients.count=500", "clients.per_round=170")

    def batch_size(client: int) -> int:
        return 16 if client % 7 else 11

    plans = [plan_round(spec, 3, hosts, block=20, batch_size=batch_size) for hosts in (1, 2, 5, 64)]
    blocks = [tuple(block for chunk in plan.chunks for block in chunk.blocks) for plan in plans]
    assert len(set(blocks)) == 1
    assert tuple(client for block in blocks[0] for client in block) == plans[0].cohort
    assert all(len({batch_size(client) for client in block}) == 1 for block in blocks[0])
    assert 2 < max(map(len, blocks[0])) <= 20


@pytest.mark.parametrize(("cohort", "blocks"), [(1, 1), (2, 2), (10, 2), (20, 2), (21, 4), (80, 4), (81, 8)])
def test_hosts_have_blocks_to_share(make_spec: MakeSpec, cohort: int, blocks: int) -> None:
    plan = plan_round(make_spec("clients.count=100", f"clients.per_round={cohort}"), 1, 2, block=20)
    assert sum(len(chunk.blocks) for chunk in plan.chunks) == blocks
    assert len(plan.chunks) == min(blocks, 4)


@given(sizes=st.lists(st.integers(1, 32), min_size=1, max_size=60), hosts=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_chunks_have_nearly_equal_work(sizes: list[int], hosts: int) -> None:
    spec = spec_from(f"clients.count={len(sizes)}")
    plan = plan_round(spec, 1, hosts, batch_size=lambda client: sizes[client])
    work = [sum(sizes[client] for client in chunk.clients) for chunk in plan.chunks]
    assert Counter(chunk.host for chunk in plan.chunks).most_common()[0][1] <= 2
    assert len(work) == min(len(sizes), 2 * hosts)
    assert max(work) <= sum(sizes) / len(work) + max(sizes)


def test_ten_alike_clients_are_five_for_each_of_two_hosts(make_spec: MakeSpec) -> None:
    plan = plan_round(make_spec("clients.count=10"), 1, 2)
    counts = Counter(chunk.host for chunk in plan.chunks for _ in chunk.clients)
    assert counts == {0: 5, 1: 5}
