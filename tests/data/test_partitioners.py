"""Every partitioner against its law. `test_partition.py` has what iid and dirichlet promised first, and the report."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from heron_ray.data.partition import Indices, Shards, partition
from heron_ray.data.partition.pools import apportion
from heron_ray.errors import DataError
from heron_ray.spec.partition import PartitionSpec

KINDS: dict[str, dict[str, Any]] = {
    "iid": {},
    "dirichlet": {"alpha": 1.0, "law": "balanced", "minimum": 1},
    "shards": {"per_client": 2},
    "pathological": {"classes": 2},
    "label_quantity": {"classes": 2},
    "quantity": {"sizes": {"kind": "log_normal"}, "minimum": 1},
    "gamma_similarity": {"gamma": 0.5},
    "extreme": {},
    "natural": {},
    "mixed": {
        "parts": [
            {"share": 0.5, "partition": {"kind": "iid"}},
            {"share": 0.5, "partition": {"kind": "shards", "per_client": 1}},
        ]
    },
    "feature": {"transform": {"kind": "noise"}},
}
FLOWER: dict[str, Any] = {
    "linear": [66, 133, 200, 266, 335],
    "square": [18, 72, 163, 290, 457],
    "exponential": [11, 31, 86, 234, 638],
    "pathological_sizes": {33: 20, 34: 10, 0: 70},
    "label_quantity_holders_std": 2.443,
    "natural": [77, 77, 77, 77, 77, 77, 76, 77, 77, 77, 77, 77, 77],
    "balanced_size_std": 41.77,
    "balanced_share_std": 23.55,
    "per_class_size_std": 68.46,
    "per_class_share_std": 21.50,
}
"""What flwr-datasets 0.6.1 gives in the settings of the tests, on 1,000 samples of 10 classes: Linear-, Square- and
ExponentialPartitioner; PathologicalPartitioner, deterministic (10 clients) and first-deterministic (40); NaturalIdPartitioner;
DirichletPartitioner with and without self_balancing. Deviations are over 200 seeds."""

SIZES = ["log_normal", "linear", "square", "exponential", "dirichlet"]


def section(kind: str, **fields: Any) -> PartitionSpec:
    return TypeAdapter(PartitionSpec).validate_json(json.dumps({"kind": kind, **(fields or KINDS[kind])}))


def labelled(samples: int, classes: int = 10) -> Indices:
    return np.random.default_rng(0).permutation(np.arange(samples) % classes)


def table(shards: Shards, labels: Indices, classes: int = 10) -> Indices:
    """Samples of each class that each client holds, [N, C]."""
    return np.array([np.bincount(labels[shard], minlength=classes) for shard in shards])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(labels=st.lists(st.integers(0, 6), min_size=1, max_size=120), clients=st.integers(1, 12), seed=st.integers(0, 2**63 - 1))
def test_every_sample_has_exactly_one_client_and_every_client_a_sample(
    kind: str, labels: list[int], clients: int, seed: int
) -> None:
    held = np.array(labels)
    makers = np.unique(held, return_inverse=True)[1]
    try:
        shards = partition(section(kind), held, clients, seed, makers)
    except DataError as error:
        assert "client" in error.message or "classes each" in error.message  # noqa: PT017 - either the law or an error, for any input
        return
    assert sorted(np.concatenate(shards)) == list(range(len(labels)))
    assert len(shards) == clients
    assert shards.sizes.min() >= 1
    again = partition(section(kind), held, clients, seed, makers)
    assert np.array_equal(again.held, shards.held)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"natural"}))
def test_another_seed_deals_otherwise(kind: str) -> None:
    labels = labelled(600)
    first, other = (partition(section(kind), labels, 20, seed) for seed in (0, 1))
    assert not (np.array_equal(first.held, other.held) and np.array_equal(first.bounds, other.bounds))


def test_balanced_dirichlet_keeps_sizes_closer_together_and_still_skews_labels() -> None:
    labels = labelled(1000)
    laws = {law: section("dirichlet", alpha=0.5, law=law, minimum=1) for law in ("per_class", "balanced")}
    tables = {
        law: np.array([table(partition(spec, labels, 5, seed), labels) for seed in range(200)]) for law, spec in laws.items()
    }
    for law, counts in tables.items():
        assert counts.sum(axis=2).std() == pytest.approx(FLOWER[f"{law}_size_std"], rel=0.1)
        assert counts.std() == pytest.approx(FLOWER[f"{law}_share_std"], rel=0.1)


def test_a_client_that_holds_its_even_share_gets_none_of_the_classes_that_follow() -> None:
    labels = labelled(5000)
    for seed in range(20):
        counts = table(partition(section("dirichlet", alpha=0.3, law="balanced", minimum=1), labels, 5, seed), labels)
        before = np.cumsum(counts, axis=1) - counts
        assert not counts[before >= len(labels) / 5].any()


@pytest.mark.parametrize("per_client", [1, 2, 5])
def test_shards_are_runs_of_the_sorted_labels(per_client: int) -> None:
    labels = labelled(1000)
    shards = partition(section("shards", per_client=per_client), labels, 10, 0)
    assert set(shards.sizes) == {100}
    # Shards of 100, 50 or 20 samples do not straddle classes of 100.
    assert (table(shards, labels) > 0).sum(axis=1).max() <= per_client
    assert (table(shards, labels) % (100 // per_client) == 0).all()


def test_shards_of_two_are_dealt_at_random() -> None:
    labels = labelled(1000)
    found = np.concatenate(
        [(table(partition(section("shards", per_client=2), labels, 10, seed), labels) > 0).sum(axis=1) for seed in range(100)]
    )
    # Two of the 20 half classes at random: both of the same class with probability 1 / 19.
    assert found.mean() == pytest.approx(2 - 1 / 19, abs=0.02)
    assert set(found) == {1, 2}


def test_more_shards_than_samples_are_refused() -> None:
    with pytest.raises(DataError, match=r"30 training samples cannot be cut .*clients.count=10 .*per_client=4.*lower"):
        partition(section("shards", per_client=4), labelled(30), 10, 0)


@pytest.mark.parametrize("classes", [1, 2, 3, 9, 10])
def test_pathological_clients_hold_exactly_their_classes_which_have_equally_many_clients(classes: int) -> None:
    labels = labelled(2000)
    held = table(partition(section("pathological", classes=classes), labels, 23, 3), labels) > 0
    assert set(held.sum(axis=1)) == {classes}
    clients = held.sum(axis=0)
    assert clients.max() - clients.min() <= 1


def test_pathological_shares_of_equally_held_classes_are_those_of_flower() -> None:
    labels = labelled(1000)
    counts = table(partition(section("pathological", classes=3), labels, 10, 0), labels)
    assert dict(zip(*np.unique(counts, return_counts=True), strict=True)) == FLOWER["pathological_sizes"]


def test_every_label_quantity_client_holds_a_class_in_turn_and_others_at_random() -> None:
    labels = labelled(4000)
    tables = np.array([table(partition(section("label_quantity", classes=3), labels, 40, seed), labels) for seed in range(100)])
    assert ((tables > 0).sum(axis=2) == 3).all()
    assert (tables[:, np.arange(40), np.arange(40) % 10] > 0).all()
    # Beside its 4 clients in turn a class has each of the other 36 with probability 2/9.
    holders = (tables > 0).sum(axis=1)
    assert holders.mean() == 12
    assert holders.std() == pytest.approx(np.sqrt(36 * 2 / 9 * 7 / 9), rel=0.06)
    assert holders.std() == pytest.approx(FLOWER["label_quantity_holders_std"], rel=0.08)
    for counts in tables[:5]:
        for column in counts.T:
            assert np.ptp(column[column > 0]) <= 1


@pytest.mark.parametrize(
    ("kind", "clients", "fields", "words"),
    [
        ("pathological", 3, {"classes": 2}, "3 clients with 2 classes each cannot hold 10 classes"),
        ("pathological", 30, {"classes": 11}, "11 classes each, but the data have 10"),
        ("label_quantity", 5, {"classes": 2}, "a client for each of 10 classes, not 5"),
        ("pathological", 90, {"classes": 10}, "90 clients cannot share the 10 training samples of class number 0"),
    ],
)
def test_classes_that_cannot_be_dealt_are_refused(kind: str, clients: int, fields: dict[str, int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        partition(section(kind, **fields), labelled(100), clients, 0)


@pytest.mark.parametrize("law", ["linear", "square", "exponential"])
def test_sizes_follow_their_law_as_flowers_do(law: str) -> None:
    shards = partition(section("quantity", sizes={"kind": law}, minimum=1), labelled(1000), 5, 0)
    places = np.arange(1, 6)
    weights = {"linear": places, "square": places**2, "exponential": np.exp(places)}[law]
    exact = 1000 * weights / weights.sum()
    assert np.abs(shards.sizes - np.maximum(exact, 1)).max() < 1
    # Flower rounds down, gives at least one, and leaves the rest to the last client.
    assert np.abs(shards.sizes[:-1] - FLOWER[law][:-1]).max() <= 1


def test_log_normal_sizes_have_the_logarithm_they_should() -> None:
    spec = section("quantity", sizes={"kind": "log_normal", "sigma": 0.7}, minimum=1)
    sizes = partition(spec, labelled(2_000_000), 5000, 0).sizes
    assert np.log(sizes).std() == pytest.approx(0.7, rel=0.05)


def test_dirichlet_sizes_have_the_variance_they_should() -> None:
    """Var of a symmetric Dir(alpha) share among N clients is (N - 1) / (N^2 (N alpha + 1))."""
    spec = section("quantity", sizes={"kind": "dirichlet", "alpha": 0.5}, minimum=1)
    shares = np.array([partition(spec, labelled(20_000), 5, seed).sizes / 20_000 for seed in range(300)])
    assert shares.var() == pytest.approx(4 / (25 * 3.5), rel=0.1)


@pytest.mark.parametrize("law", SIZES)
def test_quantity_skew_leaves_labels_alone_and_keeps_the_minimum(law: str) -> None:
    labels = labelled(20_000)
    shards = partition(section("quantity", sizes={"kind": law}, minimum=7), labels, 12, 1)
    assert shards.sizes.min() >= 7
    counts = table(shards, labels)
    large = counts[counts.sum(axis=1) > 500]
    shares = large / large.sum(axis=1, keepdims=True)
    # Each share is a mean of n draws of probability 1/10.
    assert (np.abs(shares - 0.1) < 5 * np.sqrt(0.09 / large.sum(axis=1, keepdims=True))).all()


def test_a_minimum_beyond_the_samples_is_refused() -> None:
    with pytest.raises(DataError, match=r"100 training samples .* clients.count=12 clients partition.minimum=9"):
        partition(section("quantity", sizes={"kind": "linear"}, minimum=9), labelled(100), 12, 0)


@given(
    weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda weights: sum(weights) > 0),
    minimum=st.integers(0, 5),
    more=st.integers(0, 1000),
)
def test_apportioned_numbers_add_up_keep_the_minimum_and_the_order(weights: list[float], minimum: int, more: int) -> None:
    total = len(weights) * minimum + more
    counts = apportion(np.array(weights), total, minimum)
    assert counts.sum() == total
    assert counts.min() >= minimum
    by_weight = counts[np.argsort(weights, kind="stable")]
    assert all(later >= earlier - 1 for earlier, later in pairwise(by_weight))


@pytest.mark.parametrize("gamma", [0.0, 0.33, 1.0])
def test_gamma_is_the_share_that_is_iid(gamma: float) -> None:
    labels = labelled(10_000)
    shards = partition(section("gamma_similarity", gamma=gamma), labels, 10, 0)
    assert set(shards.sizes) == {1000}
    counts = table(shards, labels)
    # With as many clients as classes client i holds what is left of class i, and the IID part holds a tenth of every class.
    assert np.diag(counts).mean() == pytest.approx(1000 * (1 - gamma) + 100 * gamma, abs=25)
    others = counts[~np.eye(10, dtype=bool)]
    assert others.mean() == pytest.approx(100 * gamma, abs=3)


def test_without_similarity_the_clients_hold_what_byzfl_calls_extreme() -> None:
    labels = labelled(1003, 7)
    counts = table(partition(section("gamma_similarity", gamma=0.0), labels, 5, 0), labels, 7)
    expected = [np.bincount(piece, minlength=7) for piece in np.array_split(np.sort(labels), 5)]
    assert counts.tolist() == np.array(expected).tolist()


@pytest.mark.parametrize(("clients", "most"), [(25, 1), (10, 1), (4, 3), (1, 10)])
def test_extreme_clients_hold_one_label_as_far_as_it_goes(clients: int, most: int) -> None:
    labels = np.repeat(np.arange(10), np.arange(20, 120, 10))
    counts = table(partition(section("extreme"), labels, clients, 0), labels)
    held = (counts > 0).sum(axis=1)
    assert held.max() == most
    assert most - held.min() <= 1
    if clients == 25:
        holders = (counts > 0).sum(axis=0)
        assert np.abs(holders - 25 * counts.sum(axis=0) / counts.sum()).max() < 1


def test_natural_clients_hold_what_one_maker_made() -> None:
    makers = np.arange(1000) * 7 % 13
    shards = partition(section("natural"), labelled(1000), 13, 0, makers)
    assert [set(makers[shard]) for shard in shards] == [{maker} for maker in range(13)]
    assert shards.sizes.tolist() == FLOWER["natural"]
    fewer = partition(section("natural"), labelled(1000), 5, 0, makers)
    assert [len(set(makers[shard])) for shard in fewer] == [3, 3, 3, 2, 2]


def test_natural_needs_makers_and_no_more_clients_than_there_are() -> None:
    with pytest.raises(DataError, match=r"who made each sample.*client_column"):
        partition(section("natural"), labelled(20), 2, 0)
    with pytest.raises(DataError, match=r"clients.count=5, but the training samples were made by 3.*to 3 or less"):
        partition(section("natural"), labelled(20), 5, 0, np.arange(20) % 3)


def test_mixed_groups_keep_their_own_laws_and_the_same_samples_per_client() -> None:
    labels = labelled(10_000)
    parts = [
        {"share": 0.3, "partition": {"kind": "iid"}},
        {"share": 0.7, "partition": {"kind": "pathological", "classes": 2}},
    ]
    counts = table(partition(section("mixed", parts=parts), labels, 20, 0), labels)
    held = (counts > 0).sum(axis=1)
    assert held.tolist() == [10] * 6 + [2] * 14
    assert counts[:6].sum() == 3000
    assert counts[6:].sum() == 7000


def test_a_group_that_cannot_be_divided_is_named() -> None:
    parts = [{"share": 0.5, "partition": {"kind": "iid"}}, {"share": 0.5, "partition": {"kind": "shards", "per_client": 50}}]
    with pytest.raises(DataError, match=r"partition.parts.1: .*shards"):
        partition(section("mixed", parts=parts), labelled(100), 4, 0)


def test_feature_skew_deals_as_its_base_does() -> None:
    labels = labelled(1000)
    base = {"kind": "dirichlet", "alpha": 0.5, "minimum": 1}
    skewed, plain = section("feature", transform={"kind": "colour"}, base=base), section(**base)
    assert np.array_equal(partition(skewed, labels, 10, 4).held, partition(plain, labels, 10, 4).held)
