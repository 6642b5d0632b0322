import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.simulation.plan import plan_round
from heron_ray.simulation.roles.batches import Batches
from tests.conftest import MakeSpec


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
