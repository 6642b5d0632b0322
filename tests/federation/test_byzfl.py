"""Agreement with the `byzfl` package on random inputs, and where the two differ on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import byzfl
import numpy as np
import pytest
from numpy.typing import NDArray

from heron_ray.federation.registry import PRE_AGGREGATORS
from heron_ray.seeds import generator
from heron_ray.vectors import Float32Array
from tests.federation.cohorts import bundle, join, parse

Exact = NDArray[np.float64]
Their = Callable[[Exact], Exact]
N = 11

SAME: list[tuple[dict[str, Any], Their]] = [
    ({"kind": "mean"}, byzfl.Average()),
    ({"kind": "median"}, byzfl.Median()),
    ({"kind": "trimmed_mean", "f": 3}, byzfl.TrMean(3)),
    ({"kind": "geometric_median"}, byzfl.GeometricMedian(nu=0.1, T=3)),
    ({"kind": "geometric_median", "nu": 2.0, "iterations": 8}, byzfl.GeometricMedian(nu=2.0, T=8)),
    ({"kind": "centered_clipping", "tau": 4.0, "iterations": 3}, byzfl.CenteredClipping(L=3, tau=4.0)),
    ({"kind": "mda", "f": 0}, byzfl.MDA(0)),
    ({"kind": "mda", "f": 2}, byzfl.MDA(2)),
    ({"kind": "mda", "f": 4}, byzfl.MDA(4)),
    ({"kind": "monna", "f": 3, "trusted": 4}, byzfl.MoNNA(3, 4)),
    ({"kind": "meamed", "f": 0}, byzfl.Meamed(0)),
    ({"kind": "meamed", "f": 3}, byzfl.Meamed(3)),
    # Its Krum counts n - f - 1 neighbours, the paper's n - f - 2: with one f less ours is the same.
    ({"kind": "krum", "f": 2}, byzfl.Krum(3)),
    ({"kind": "krum", "f": 2, "m": N - 3}, byzfl.MultiKrum(3)),
]
SAME_BEFORE: list[tuple[dict[str, Any], Their]] = [
    ({"kind": "nnm", "f": 3}, byzfl.NNM(3)),
    ({"kind": "static_clipping", "c": 30.0}, byzfl.Clipping(30.0)),
    ({"kind": "arc", "f": 3}, byzfl.ARC(3)),
]
inputs = pytest.mark.parametrize("updates", [bundle(seed, n=N, f=f) for seed in range(4) for f in (0, 3)])


def apply(step: dict[str, Any], updates: Float32Array, draw: np.random.Generator | None = None) -> Exact:
    section = parse({"kind": "mean", "before": [step]}).before[0]
    return np.stack(PRE_AGGREGATORS[section.kind](section).apply(list(updates), draw))


def of_one_coordinate(seed: int, f: int) -> Float32Array:
    """Updates [N, 1], the last f of them away."""
    places = generator(seed).standard_normal(N)
    places[N - f :] += 6
    return places[:, None].astype(np.float32)


@pytest.mark.parametrize(("section", "their"), SAME, ids=lambda value: str(value) if isinstance(value, dict) else "")
@inputs
def test_a_rule_agrees(section: dict[str, Any], their: Their, updates: Float32Array) -> None:
    if isinstance(their, byzfl.CenteredClipping):
        their.m = None  # it keeps its centre between calls
    np.testing.assert_allclose(join(section, updates), their(updates.astype(np.float64)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("step", "their"), SAME_BEFORE, ids=lambda value: str(value) if isinstance(value, dict) else "")
@inputs
def test_a_pre_aggregator_agrees(step: dict[str, Any], their: Their, updates: Float32Array) -> None:
    np.testing.assert_allclose(apply(step, updates), their(updates.astype(np.float64)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("s", [1, 2, 3, N])
def test_bucketing_agrees_once_the_order_is_the_same(s: int) -> None:
    updates = bundle(0, n=N)
    ours, state = generator(5).permutation(N), np.random.get_state()
    try:
        np.random.seed(3)
        theirs = np.random.permutation(N)
        np.random.seed(3)
        expected = byzfl.Bucketing(s)(updates.astype(np.float64)[ours[np.argsort(theirs)]])
    finally:
        np.random.set_state(state)
    found = apply({"kind": "bucketing", "s": s}, updates, generator(5))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("f", [1, 3])
def test_smea_agrees_where_one_step_of_the_power_method_is_exact(seed: int, f: int) -> None:
    # Its eigenvalue is that of one step from a random start: right with one coordinate only.
    updates = of_one_coordinate(seed, f)
    expected = byzfl.SMEA(f)(updates.astype(np.float64))
    np.testing.assert_allclose(join({"kind": "smea", "f": f}, updates), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_caf_agrees_where_one_step_of_the_power_method_is_exact_and_clients_left_out_do_not_matter(seed: int) -> None:
    # Mirrored at zero, updates lose weight in pairs, however fast.
    updates = of_one_coordinate(seed, 0)
    mirrored = np.concatenate([updates, -updates])
    expected = byzfl.CAF(2)(mirrored.astype(np.float64))
    np.testing.assert_allclose(join({"kind": "caf", "f": 2}, mirrored), expected, rtol=1e-5, atol=1e-5)


def test_where_byzfl_is_not_to_be_followed() -> None:
    updates = bundle(0, n=N).astype(np.float64)
    assert byzfl.CAF(0)(updates) is None  # ours is the mean
    broken = updates.copy()
    broken[0, 0] = np.nan
    assert np.isnan(byzfl.GeometricMedian()(broken)).any()  # it leaves out infinities only
    given = updates.copy()
    byzfl.Clipping(1.0)(given)
    assert not np.array_equal(given, updates)  # it changes its input
