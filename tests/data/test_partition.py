from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.data import load_dataset, partition, partition_report
from heron_ray.data.partition import Indices
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
    shards = partition(dirichlet(alpha, "per_client"), labels, clients, 0)[: clients // 4]
    shares = np.array([np.bincount(labels[shard], minlength=classes) for shard in shards]) / 100
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


def test_the_report_says_who_holds_what() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2], dtype=np.int64)
    shards = [np.array([0, 1, 2]), np.array([3, 6]), np.array([4, 5, 7])]
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
