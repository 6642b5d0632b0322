"""Rules and pre-aggregators beside their formulas, written out plainly."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.cluster import MeanShift, estimate_bandwidth

from heron_ray.federation import make_rule
from heron_ray.federation.blocks import norms, products, squared_distances
from heron_ray.federation.mda import closest_together
from heron_ray.federation.mean_shift import largest_cluster
from heron_ray.seeds import generator
from heron_ray.vectors import Float32Array
from tests.federation.cohorts import bundle, join, parse

Matrix = NDArray[np.float64]
seeds = pytest.mark.parametrize("seed", range(5))


def close(joined: Float32Array, expected: Matrix) -> None:
    np.testing.assert_allclose(joined, expected, rtol=1e-5, atol=1e-5)


def differences(updates: Float32Array) -> Matrix:
    exact = updates.astype(np.float64)
    return np.array([np.square(exact - one).sum(axis=1) for one in exact])


@seeds
@pytest.mark.parametrize("length", [3, 9000])
def test_distances_by_products_are_those_by_differences(seed: int, length: int) -> None:
    updates = bundle(seed, n=150, length=length, f=10)
    np.testing.assert_allclose(squared_distances(updates), differences(updates), rtol=1e-10, atol=1e-9)


def test_a_huge_update_changes_no_bit_of_the_distances_between_others() -> None:
    updates = bundle(0, n=20, length=500)
    alone = squared_distances(updates)
    updates[7], updates[8, 3], updates[9, 4] = 1e30, np.nan, np.inf
    others = [i for i in range(20) if i not in (7, 8, 9)]
    found = squared_distances(updates)
    assert np.array_equal(found[np.ix_(others, others)], alone[np.ix_(others, others)])
    assert np.isinf(found[8, others]).all()
    assert np.isinf(found[9, 8])


def test_products_are_the_same_bits_wherever_the_updates_lie_in_memory() -> None:
    updates = bundle(0, n=137, length=9001)
    expected = products(updates)
    for offset in (1, 3, 7):
        store = np.empty(updates.size + offset, dtype=np.float32)
        moved = store[offset:].reshape(updates.shape)
        moved[:] = updates
        assert np.array_equal(products(list(moved)), expected)


@seeds
@pytest.mark.parametrize(("n", "f"), [(3, 0), (7, 1), (13, 2), (15, 3)])
def test_bulyan(seed: int, n: int, f: int) -> None:
    updates = bundle(seed, n=n, f=f)
    left, chosen = list(range(n)), []
    while len(chosen) < n - 2 * f:
        nearest = max(1, len(left) - f - 2)
        distances = differences(updates[left])
        scores = [(np.sort(np.delete(row, place))[:nearest].sum(), row.sum()) for place, row in enumerate(distances)]
        chosen.append(left.pop(min(range(len(left)), key=scores.__getitem__)))
    among = updates[chosen].astype(np.float64)
    order = np.argsort(np.abs(among - np.median(among, axis=0)), axis=0)[: n - 4 * f]
    close(join({"kind": "bulyan", "f": f}, updates), np.take_along_axis(among, order, axis=0).mean(axis=0))


@seeds
@pytest.mark.parametrize(("n", "f"), [(5, 0), (6, 1), (9, 4), (12, 3)])
def test_mda_finds_the_subset_that_listing_all_would_find(seed: int, n: int, f: int) -> None:
    distances = differences(bundle(seed, n=n, length=3))
    diameters = {kept: distances[np.ix_(kept, kept)].max() for kept in itertools.combinations(range(n), n - f)}
    least = min(diameters.values())
    assert closest_together(distances, f) == list(next(kept for kept, found in diameters.items() if found == least))


def test_mda_leaves_out_twenty_of_three_hundred() -> None:
    updates = bundle(0, n=300, f=20)
    close(join({"kind": "mda", "f": 20}, updates), updates[:280].astype(np.float64).mean(axis=0))


@seeds
@pytest.mark.parametrize("f", [0, 1, 3])
def test_smea(seed: int, f: int) -> None:
    updates = bundle(seed, n=8, length=5, f=f, away=2.0).astype(np.float64)

    def spread(kept: tuple[int, ...]) -> float:
        members = updates[list(kept)]
        return float(np.linalg.eigvalsh(np.cov(members.T))[-1])

    best = min(itertools.combinations(range(8), 8 - f), key=spread)
    close(join({"kind": "smea", "f": f}, updates.astype(np.float32)), updates[list(best)].mean(axis=0))


@seeds
@pytest.mark.parametrize("f", [0, 2, 4])
@pytest.mark.parametrize("away", [1.0, 50.0, 1e6])
def test_caf(seed: int, f: int, away: float) -> None:
    updates = bundle(seed, n=11, length=6, f=f, away=away).astype(np.float64)
    weights, least, best = np.ones(11), np.inf, None
    while best is None or weights.sum() > 11 - 2 * f:
        centre = weights @ updates / weights.sum()
        apart = updates - centre
        values, vectors = np.linalg.eigh((weights[:, None] * apart).T @ apart / weights.sum())
        if values[-1] < least:
            least, best = values[-1], centre
        along = np.square(apart @ vectors[:, -1])
        weights = np.where(weights > 0, weights * np.maximum(1 - along / along[weights > 0].max(), 0), 0)
    np.testing.assert_allclose(join({"kind": "caf", "f": f}, updates.astype(np.float32)), best, rtol=1e-4, atol=1e-4)


def test_caf_ends_though_a_client_that_it_has_left_out_stands_out_in_every_direction() -> None:
    updates = bundle(0, n=11)
    updates[10] = 1e18
    joined = join({"kind": "caf", "f": 4}, updates)
    assert np.all(joined >= updates[:10].min(axis=0))
    assert np.all(joined <= updates[:10].max(axis=0))


@seeds
def test_dnc(seed: int) -> None:
    updates = bundle(seed, n=9, length=60, f=2, away=3.0)
    draw, kept = generator(seed), set(range(9))
    for _ in range(3):
        seen = np.sort(draw.choice(60, size=25, replace=False))
        rows = updates[:, seen].astype(np.float64)
        rows -= rows.mean(axis=0)
        scores = np.square(rows @ np.linalg.svd(rows)[2][0])
        kept &= set(np.argsort(scores)[:7].tolist())
    close(join({"kind": "dnc", "f": 2, "sub_dim": 25, "iterations": 3}, updates, seed=seed), updates[sorted(kept)].mean(axis=0))


def test_dnc_joins_those_that_stood_out_least_where_everybody_did() -> None:
    updates = bundle(3, n=3, length=200)
    joined = join({"kind": "dnc", "f": 1, "sub_dim": 2, "iterations": 60}, updates)
    assert np.isfinite(joined).all()


@seeds
def test_centered_clipping_starts_each_round_from_the_last_result(seed: int) -> None:
    section = {"kind": "centered_clipping", "tau": 2.0, "iterations": 2}
    rule, centre = make_rule(parse(section)), np.zeros(40)
    for round in range(3):
        updates = bundle(seed + round)
        for update in updates:
            rule.add(update, 1)
        for _ in range(2):
            apart = updates - centre
            centre = centre + (apart * np.minimum(1, 2.0 / np.linalg.norm(apart, axis=1))[:, None]).mean(axis=0)
        close(rule.result(), centre)


@seeds
def test_norm_bounding(seed: int) -> None:
    updates = bundle(seed, f=2).astype(np.float64)
    lengths = np.linalg.norm(updates, axis=1)
    bound = float(np.median(lengths))
    expected = (updates * np.minimum(1, bound / lengths)[:, None]).mean(axis=0)
    close(join({"kind": "norm_bounding", "max_norm": bound}, updates.astype(np.float32)), expected)


@seeds
@pytest.mark.parametrize("n", [4, 9, 40])
def test_the_largest_cluster_is_that_of_scikit_learns_mean_shift(seed: int, n: int) -> None:
    draw = generator(seed)
    points = draw.dirichlet([5.0, 1.0, 4.0], size=n)
    points[: n // 3] = draw.dirichlet([1.0, 1.0, 9.0], size=n // 3)
    bandwidth = estimate_bandwidth(points, quantile=0.5)
    labels = MeanShift(bandwidth=bandwidth).fit(points).labels_
    assert np.array_equal(largest_cluster(points), labels == np.bincount(labels).argmax())


def test_sign_guard_leaves_out_who_is_too_long_or_too_short_or_has_other_signs() -> None:
    draw = generator(1)
    updates = (draw.standard_normal((12, 400)) + 1.0).astype(np.float32)
    updates[0] *= 10
    updates[1] *= 0.01
    updates[2] *= -1
    honest = updates[3:].astype(np.float64)
    median = np.median(norms(updates))
    expected = (honest * np.minimum(1, median / np.linalg.norm(honest, axis=1))[:, None]).mean(axis=0)
    close(join({"kind": "sign_guard", "coordinates": 1.0}, updates), expected)


def test_clipped_clustering_follows_the_larger_of_two_directions_and_remembers_lengths() -> None:
    draw = generator(0)
    rule, seen = make_rule(parse({"kind": "clipped_clustering", "memory": 2})), np.zeros(0)
    for round in range(4):
        updates = (draw.standard_normal((7, 50)) * 0.2 + 1).astype(np.float32) * np.float32(2.0**round)
        updates[5:] *= -3
        seen = np.concatenate([seen, norms(updates)])[-14:]
        honest, median = updates[:5].astype(np.float64), np.median(seen)
        for update in updates:
            rule.add(update, 1)
        close(rule.result(), (honest * np.minimum(1, median / norms(honest))[:, None]).mean(axis=0))


def fools_gold_weights(histories: Float32Array) -> Matrix:
    n = len(histories)
    exact = histories.astype(np.float64)
    cosines = np.zeros((n, n))
    for i, j in itertools.permutations(range(n), 2):
        cosines[i, j] = exact[i] @ exact[j] / (np.linalg.norm(exact[i]) * np.linalg.norm(exact[j]))
    most = cosines.max(axis=1)
    for i, j in itertools.permutations(range(n), 2):
        if most[j] > most[i]:
            cosines[i, j] *= most[i] / most[j]
    weights = np.clip(1 - cosines.max(axis=1), 0, 1)
    weights /= weights.max()
    weights[weights > 0.99] = 0.99
    return np.array([0.0 if one == 0 else min(max(np.log(one / (1 - one)) + 0.5, 0), 1) for one in weights])


def test_fools_gold_weighs_by_all_rounds_though_a_client_was_absent() -> None:
    draw = generator(2)
    rule, histories = make_rule(parse({"kind": "fools_gold"})), np.zeros((8, 30), dtype=np.float32)
    sybil = draw.standard_normal(30)
    for cohort in ([0, 1, 2, 5, 6, 7], [3, 1, 4, 6, 7], [7, 6, 5, 4, 3, 2, 1, 0]):
        updates = draw.standard_normal((8, 30)).astype(np.float32)
        updates[5:] = (sybil + 0.1 * draw.standard_normal((3, 30))).astype(np.float32)
        histories[cohort] += updates[cohort]
        weights = fools_gold_weights(histories[cohort])
        for client in cohort:
            rule.add(updates[client], 1, client)
        close(rule.result(), weights @ updates[cohort].astype(np.float64) / weights.sum())
    assert weights[:3].max() < 0.1 < weights[4:].min()


@pytest.mark.parametrize("kind", ["centered_clipping", "clipped_clustering", "fools_gold"])
def test_a_rule_continues_from_its_state_as_if_nothing_had_happened(kind: str) -> None:
    section: dict[str, Any] = {"kind": kind}
    through, broken = make_rule(parse(section)), make_rule(parse(section))
    for round in range(4):
        updates = bundle(round, f=2) * np.float32(round + 1)
        for rule in (through, broken):
            for client, update in enumerate(updates):
                rule.add(update, 1, client)
        assert np.array_equal(through.result(generator(round)), broken.result(generator(round)))
        state, broken = broken.state(), make_rule(parse(section))
        assert state
        broken.load(state)


def test_the_threads_inside_an_operation_may_change_no_more_than_rounding() -> None:
    updates = bundle(0, n=40, length=3000)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(products(updates))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)
