from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.data import load_dataset, partition, partition_report
from heron_ray.data.partition import Indices, Shards
from heron_ray.errors import DataError
from heron_ray.spec.data import DigitsData
from heron_ray.spec.partition import DirichletPartition, IidPartition, PartitionSpec

IID = IidPartition(kind="iid")


def dirichlet(alpha: float, law: str = "per_class", minimum: int = 1) -> DirichletPartition:
    return DirichletPartition.model_validate({"kind": "dirichlet", "alpha": alpha, "law": law, "minimum": minimum})


SPECS = pytest.mark.parametrize("spec", [IID, dirichlet(0.5), dirichlet(0.5, "per_client")], ids=["iid", "class", "client"])


def balanced(samples: int, classes: int = 10) -> Indices:
    return np.arange(samples, dtype=np.int64) % classes


def skew(spec: PartitionSpec, labels: Indices, clients: int, seed: int) -> float:
    shards = partition(spec, labels, clients, seed)
    return float(partition_report(shards, labels, 10)["mean_total_variation"])


@settings(max_examples=150, deadline=None)
@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=80),
    clients=st.integers(1, 12),
    alpha=st.sampled_from([1e-6, 1e-3, 0.1, 1.0, 100.0, 1e6]),
    law=st.sampled_from(["iid", "per_class", "per_client"]),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_sample_is_held_at_most_once_and_every_law_keeps_its_promise(
    labels: list[int], clients: int, alpha: float, law: str, seed: int
) -> None:
    labels_n = np.array(labels, dtype=np.int64)
    spec = IID if law == "iid" else dirichlet(alpha, law)
    try:
        shards = partition(spec, labels_n, clients, seed)
    except DataError:
        assert clients > len(labels) or law == "per_class"
        return
    assert clients <= len(labels)
    held = np.concatenate(shards)
    sizes = {len(shard) for shard in shards}
    assert len(shards) == clients
    assert min(sizes) >= 1
    assert len(np.unique(held)) == len(held)
    assert held.min() >= 0
    assert held.max() < len(labels)
    assert all(shard.dtype == np.int64 and np.all(np.diff(shard) > 0) for shard in shards)
    if law == "per_client":
        assert sizes == {len(labels) // clients}
    else:
        assert len(held) == len(labels)
    if law == "iid":
        assert max(sizes) - min(sizes) <= 1


@SPECS
def test_the_same_seed_gives_the_same_shards_and_another_seed_others(spec: PartitionSpec) -> None:
    first, again, other = (partition(spec, balanced(500), 10, seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@SPECS
def test_no_global_random_state_is_read_or_moved(spec: PartitionSpec) -> None:
    legacy, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    first = partition(spec, balanced(500), 10, 0)
    assert np.array_equal(np.random.get_state()[1], legacy)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.random.seed(123)
    again = partition(spec, balanced(500), 10, 0)
    np.random.set_state(("MT19937", legacy, 624, 0, 0.0))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("law", ["per_class", "per_client"])
def test_skew_falls_as_alpha_rises(law: str) -> None:
    labels = balanced(2000)
    alphas = (0.1, 0.5, 2.0, 100.0)
    mean_skews = [np.mean([skew(dirichlet(alpha, law), labels, 10, seed) for seed in range(5)]) for alpha in alphas]
    assert all(lower < higher for higher, lower in pairwise(mean_skews))


@pytest.mark.parametrize("law", ["per_class", "per_client"])
def test_a_large_alpha_is_as_even_as_an_iid_split(law: str) -> None:
    labels = balanced(10_000)
    assert skew(dirichlet(1e6, law), labels, 10, 0) <= 1.5 * skew(IID, labels, 10, 0)


def test_per_class_shares_follow_the_dirichlet_law() -> None:
    """Var of a symmetric Dir(alpha) share among N clients is (N - 1) / (N^2 (N alpha + 1))."""
    alpha, clients = 0.5, 4
    labels = balanced(200_000, classes=200)
    shards = partition(dirichlet(alpha), labels, clients, 0)
    shares = np.array([np.bincount(labels[shard], minlength=200) for shard in shards]) / 1000
    expected = (clients - 1) / (clients**2 * (clients * alpha + 1))
    assert shares.mean() == pytest.approx(1 / clients)
    assert shares.var() == pytest.approx(expected, rel=0.15)


def test_per_client_laws_follow_the_dirichlet_law_while_no_class_runs_out() -> None:
    """As above, plus the variance of drawing n samples by that law: E[p (1 - p)] / n."""
    alpha, classes, clients = 0.5, 4, 400
    labels = balanced(40_000, classes)
    shards = partition(dirichlet(alpha, "per_client"), labels, clients, 0)
    shares = np.array([np.bincount(labels[shards[client]], minlength=classes) for client in range(clients // 4)]) / 100
    law = (classes - 1) / (classes**2 * (classes * alpha + 1))
    drawing = (1 / classes - law - 1 / classes**2) / 100
    assert shares.var() == pytest.approx(law + drawing, rel=0.2)


@SPECS
def test_which_samples_of_a_class_a_client_holds_does_not_follow_their_order(spec: PartitionSpec) -> None:
    first, second = partition(spec, np.zeros(100, dtype=np.int64), 2, 0)
    assert first.min() < second.max()
    assert second.min() < first.max()


def test_per_client_falls_back_on_the_classes_that_are_left() -> None:
    labels = np.array([0] * 5 + [1] * 95, dtype=np.int64)
    shards = partition(dirichlet(1e-6, "per_client"), labels, 10, 3)
    assert sorted(np.concatenate(shards)) == list(range(100))


def test_the_minimum_is_met() -> None:
    labels = load_dataset(DigitsData(kind="digits"), 0).train.y.numpy()
    unbounded = [min(map(len, partition(dirichlet(0.1), labels, 10, seed))) for seed in range(20)]
    bounded = [min(map(len, partition(dirichlet(0.1, minimum=20), labels, 10, seed))) for seed in range(20)]
    assert min(unbounded) < 20 <= min(bounded)


@pytest.mark.parametrize(("minimum", "alpha"), [(20, 0.001), (51, 1.5)])
def test_a_minimum_that_cannot_be_met_names_the_settings_and_the_way_out(minimum: int, alpha: float) -> None:
    with pytest.raises(DataError) as caught:
        partition(dirichlet(alpha, minimum=minimum), balanced(500), 10, 0)
    for name in ("clients.count=10", f"partition.minimum={minimum}", f"partition.alpha={alpha}", "raise partition.alpha"):
        assert name in str(caught.value)


@SPECS
@pytest.mark.parametrize("clients", [0, 11])
def test_clients_that_cannot_all_hold_a_sample_are_refused(spec: PartitionSpec, clients: int) -> None:
    with pytest.raises(DataError, match=rf"clients.count={clients} clients cannot share 10 training samples .*lower"):
        partition(spec, balanced(10), clients, 0)


def test_a_search_without_hope_ends_after_one_draw() -> None:
    with pytest.raises(DataError, match=r"clients.count=1000 .*; draw 1, the last, left \d{2,3} of them short .*per_client"):
        partition(dirichlet(0.5, minimum=2), balanced(2000), 1000, 0)


def test_a_search_with_little_hope_goes_on() -> None:
    with pytest.raises(DataError, match=r"draw 500, the last, left [1-5] of them short"):
        partition(dirichlet(0.5, minimum=166), balanced(1000), 6, 0)


def reference(spec: PartitionSpec, labels: Indices, clients: int, seed: int) -> list[Indices]:
    """The laws as first written: one array per client, the shares of all classes at once, no early end of the search."""
    draw = np.random.Generator(np.random.SFC64(seed))
    if isinstance(spec, IidPartition):
        return [np.sort(shard) for shard in np.array_split(draw.permutation(len(labels)), clients)]
    pools = [draw.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    totals = np.array([len(pool) for pool in pools])
    if spec.law == "per_class":
        for _ in range(500):
            ends = np.minimum(np.cumsum(draw.dirichlet(np.full(clients, spec.alpha), size=len(pools)), axis=1), 1.0)
            ends[:, -1] = 1.0
            cuts = np.rint(ends * totals[:, None]).astype(np.int64)
            if np.diff(cuts, axis=1, prepend=0).sum(axis=0).min() >= spec.minimum:
                pieces = [np.split(pool, cuts[c, :-1]) for c, pool in enumerate(pools)]
                return [np.sort(np.concatenate([piece[client] for piece in pieces])) for client in range(clients)]
        raise DataError("no draw is left")
    shards = []
    for _ in range(clients):
        law, taken = draw.dirichlet(np.full(len(pools), spec.alpha)), np.zeros_like(totals)
        while (missing := len(labels) // clients - int(taken.sum())) > 0:
            law = np.where(taken < totals, law, 0.0)
            law = law if law.sum() > 0 else (totals - taken).astype(np.float64)
            law = law / law.sum()
            taken = np.minimum(taken + draw.multinomial(missing, law), totals)
        totals = totals - taken
        pieces = [pool[total : total + count] for pool, total, count in zip(pools, totals, taken, strict=True)]
        shards.append(np.sort(np.concatenate(pieces)))
    return shards


@settings(max_examples=150, deadline=None)
@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=200),
    clients=st.integers(1, 12),
    alpha=st.sampled_from([1e-6, 1e-3, 0.1, 0.5, 2.0, 1e6]),
    law=st.sampled_from(["iid", "per_class", "per_client"]),
    seed=st.integers(0, 2**63 - 1),
)
def test_who_holds_what_is_part_of_every_recorded_trajectory(
    labels: list[int], clients: int, alpha: float, law: str, seed: int
) -> None:
    spec, labels_n = IID if law == "iid" else dirichlet(alpha, law), np.array(labels, dtype=np.int64)
    try:
        shards = partition(spec, labels_n, min(clients, len(labels)), seed)
    except DataError:
        with pytest.raises(DataError):
            reference(spec, labels_n, min(clients, len(labels)), seed)
        return
    expected = reference(spec, labels_n, min(clients, len(labels)), seed)
    assert shards.sizes.tolist() == [len(shard) for shard in expected]
    assert all(np.array_equal(shard, other) for shard, other in zip(shards, expected, strict=True))


@pytest.mark.parametrize(
    ("spec", "samples", "clients"),
    [(IID, 20_011, 997), (dirichlet(0.5, minimum=3), 100_000, 500), (dirichlet(0.5, "per_client"), 20_011, 997)],
    ids=["iid", "class", "client"],
)
def test_many_clients_hold_what_they_always_held(spec: PartitionSpec, samples: int, clients: int) -> None:
    shards, expected = (law(spec, balanced(samples), clients, 3) for law in (partition, reference))
    assert all(np.array_equal(shard, other) for shard, other in zip(shards, expected, strict=True))


def test_shards_are_views_and_there_is_none_for_a_number_that_no_client_has() -> None:
    shards = Shards.of(np.array([2, 0, 3, 2, 0, 1]), clients=3)
    assert [shard.tolist() for shard in shards] == [[1, 4], [5], [0, 3]]
    assert np.shares_memory(shards[2], shards.held)
    for client in (-1, 3):
        with pytest.raises(IndexError, match=f"no client {client} among 3"):
            shards[client]


@pytest.mark.parametrize("spec", [IID, dirichlet(100.0, minimum=1)], ids=["iid", "class"])
def test_a_partition_keeps_two_flat_arrays_and_no_object_per_client(spec: PartitionSpec) -> None:
    samples, clients = 400_000, 20_000
    labels = balanced(samples)
    tracemalloc.start()
    shards = partition(spec, labels, clients, 0)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(shards) == clients
    assert kept < 8 * (samples + clients) + 50_000
    assert peak < 8 * (5 * samples + 10 * clients)


def test_the_report_says_who_holds_what() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2], dtype=np.int64)
    shards = Shards.of(np.array([0, 0, 0, 1, 2, 2, 1, 2]), clients=3)
    law = np.array([3, 3, 2]) / 8
    distances = [0.5 * np.abs(np.array(p) - law).sum() for p in ([1, 0, 0], [0, 0.5, 0.5], [0, 2 / 3, 1 / 3])]
    report = partition_report(shards, labels, classes=3)
    assert report.pop("mean_total_variation") == pytest.approx(np.mean(distances))
    assert report.pop("mean_classes") == pytest.approx(5 / 3)
    assert report == {
        "clients": 3,
        "samples": 8,
        "sizes": {"min": 2, "median": 3.0, "max": 3},
        "per_client": [[3, 0, 0], [0, 1, 1], [0, 2, 1]],
        "note": None,
    }


@pytest.mark.parametrize(("classes", "rows"), [(10, 1000), (1000, 100), (1_000_000, 1)])
def test_a_report_on_many_clients_stays_small_and_says_so(classes: int, rows: int) -> None:
    labels = balanced(1001)
    shards = partition(IID, labels, 1001, 0) if classes < 1_000_000 else partition(IID, labels, 2, 0)
    report = partition_report(shards, labels, classes)
    assert len(report["per_client"]) == rows
    assert report["note"] == f"per_client holds the first {rows} of {len(shards)} clients"


@SPECS
def test_a_report_is_plain_json(spec: PartitionSpec) -> None:
    report = partition_report(partition(spec, balanced(100), 5, 0), balanced(100), 10)
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@SPECS
def test_a_report_counts_client_by_client(spec: PartitionSpec) -> None:
    labels, classes = np.minimum(balanced(3000, 12) ** 2, 50), 51
    shards = partition(spec, labels, 30, 5)
    table = np.array([np.bincount(labels[shard], minlength=classes) for shard in shards])
    distances = 0.5 * np.abs(table / table.sum(axis=1, keepdims=True) - table.sum(axis=0) / table.sum()).sum(axis=1)
    report = partition_report(shards, labels, classes)
    assert report["per_client"] == table.tolist()
    sizes = table.sum(axis=1)
    assert report["sizes"] == {"min": sizes.min(), "median": np.median(sizes), "max": sizes.max()}
    assert report["mean_classes"] == pytest.approx((table > 0).sum(axis=1).mean(), rel=1e-12)
    assert report["mean_total_variation"] == pytest.approx(distances.mean(), rel=1e-12)


def test_a_report_on_many_clients_and_classes_holds_no_table_of_all() -> None:
    samples, clients, classes = 40_000, 20_000, 10_000
    labels = balanced(samples, classes)
    shards = partition(IID, labels, clients, 0)
    tracemalloc.start()
    partition_report(shards, labels, classes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < clients * classes / 10
