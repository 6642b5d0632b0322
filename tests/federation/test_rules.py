"""The laws of the aggregation rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter

from heron_ray.federation import make_rule
from heron_ray.federation.registry import RULES
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.vectors import Float32Array

N = 7
FAR = np.float32(1e6)

VALUES = st.floats(-100, 100, width=32, allow_subnormal=False)
COHORTS = hnp.arrays(np.float32, st.tuples(st.just(N), st.integers(1, 6)), elements=VALUES)

SECTIONS = [
    {"kind": "mean"},
    {"kind": "median"},
    {"kind": "trimmed_mean", "f": 2},
    {"kind": "krum", "f": 2},
    {"kind": "krum", "f": 2, "m": 3},
]
ROBUST = [
    {"kind": "median"},
    {"kind": "trimmed_mean", "f": 2},
    {"kind": "krum", "f": 2},
    {"kind": "krum", "f": 2, "m": 3},
]


def join(section: dict[str, object], updates: Float32Array, samples: list[int] | None = None) -> Float32Array:
    rule = make_rule(TypeAdapter(AggregationSpec).validate_python(section))
    for number, update in enumerate(updates):
        rule.add(update, 1 if samples is None else samples[number])
    return rule.result()


@st.composite
def cohorts_on_a_line(draw: st.DrawFn) -> Float32Array:
    """Updates [N, P] whose distances all differ clearly, in any order."""
    line = np.cumsum(2.0 ** np.arange(N)).astype(np.float32)
    direction = draw(hnp.arrays(np.float32, st.integers(1, 6), elements=st.sampled_from([-1.0, 0.5, 1.0])))
    order = draw(st.permutations(range(N)))
    return line[order][:, None] * direction


def test_every_registered_rule_is_among_those_tested() -> None:
    assert {section["kind"] for section in SECTIONS} == set(RULES)


@pytest.mark.parametrize("section", SECTIONS, ids=str)
@given(updates=cohorts_on_a_line(), order=st.permutations(range(N)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_clients_does_not_matter(section: dict[str, object], updates: Float32Array, order: list[int]) -> None:
    np.testing.assert_allclose(join(section, updates[order]), join(section, updates), rtol=1e-6)


@pytest.mark.parametrize("kind", ["median", "trimmed_mean"])
@given(updates=COHORTS, order=st.permutations(range(N)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_clients_changes_no_bit_of_a_rule_that_sorts(
    kind: str, updates: Float32Array, order: list[int]
) -> None:
    section = {"kind": kind, "f": 2} if kind == "trimmed_mean" else {"kind": kind}
    assert np.array_equal(join(section, updates[order]), join(section, updates))


@pytest.mark.parametrize("section", SECTIONS, ids=str)
@given(updates=cohorts_on_a_line(), shift=st.integers(-64, 64), scale=st.sampled_from([0.25, 2.0, 8.0]))
@settings(max_examples=40, deadline=None)
def test_moving_or_stretching_all_updates_moves_or_stretches_the_result(
    section: dict[str, object], updates: Float32Array, shift: int, scale: float
) -> None:
    moved = (np.float32(scale) * updates + np.float32(shift)).astype(np.float32)
    np.testing.assert_allclose(join(section, moved), scale * join(section, updates) + shift, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("section", SECTIONS, ids=str)
@given(update=hnp.arrays(np.float32, st.integers(1, 6), elements=VALUES))
@settings(max_examples=20, deadline=None)
def test_clients_that_agree_get_their_way(section: dict[str, object], update: Float32Array) -> None:
    assert np.array_equal(join(section, np.stack([update] * N)), update)


@pytest.mark.parametrize("section", SECTIONS, ids=str)
@given(updates=COHORTS)
@settings(max_examples=40, deadline=None)
def test_each_coordinate_lies_between_the_smallest_and_the_largest(section: dict[str, object], updates: Float32Array) -> None:
    joined = join(section, updates)
    slack = 1e-4
    assert np.all(joined >= updates.min(axis=0) - slack)
    assert np.all(joined <= updates.max(axis=0) + slack)


@pytest.mark.parametrize("lie", [FAR, -FAR, np.inf, -np.inf, np.nan], ids=str)
@pytest.mark.parametrize("section", ROBUST, ids=str)
@given(updates=COHORTS, liars=st.permutations(range(N)).map(lambda order: order[:2]))
@settings(max_examples=20, deadline=None)
def test_f_byzantine_clients_cannot_pull_a_robust_rule_past_the_honest_ones(
    section: dict[str, object], lie: np.float32, updates: Float32Array, liars: list[int]
) -> None:
    honest = np.delete(updates, liars, axis=0)
    updates = updates.copy()
    updates[liars] = lie
    joined = join(section, updates)
    slack = 1e-4
    assert np.all(joined >= honest.min(axis=0) - slack)
    assert np.all(joined <= honest.max(axis=0) + slack)


def test_one_byzantine_client_pulls_the_mean_anywhere() -> None:
    updates = np.zeros((N, 2), dtype=np.float32)
    updates[3] = FAR
    assert join({"kind": "mean"}, updates).min() > FAR / 10


@given(updates=COHORTS)
@settings(max_examples=40, deadline=None)
def test_a_trimmed_mean_that_trims_nothing_is_the_mean(updates: Float32Array) -> None:
    trimmed = join({"kind": "trimmed_mean", "f": 0}, updates)
    np.testing.assert_allclose(trimmed, join({"kind": "mean"}, updates), rtol=1e-5, atol=1e-5)


@given(updates=COHORTS)
@settings(max_examples=40, deadline=None)
def test_a_trimmed_mean_that_leaves_one_value_is_the_median(updates: Float32Array) -> None:
    assert np.array_equal(join({"kind": "trimmed_mean", "f": 3}, updates), join({"kind": "median"}, updates))


@given(updates=COHORTS)
@settings(max_examples=40, deadline=None)
def test_multi_krum_that_chooses_everyone_is_the_mean(updates: Float32Array) -> None:
    chosen = join({"kind": "krum", "f": 0, "m": N}, updates)
    np.testing.assert_allclose(chosen, join({"kind": "mean"}, updates), rtol=1e-5, atol=1e-5)


@given(updates=COHORTS, f=st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_krum_is_one_of_the_updates(updates: Float32Array, f: int) -> None:
    joined = join({"kind": "krum", "f": f}, updates)
    assert any(np.array_equal(joined, update) for update in updates)


def test_krum_follows_its_formula_on_a_case_worked_by_hand() -> None:
    updates = np.array([[0.0], [1.0], [3.0], [6.0], [50.0]], dtype=np.float32)
    # f = 1: sums over the 2 nearest are 1 + 9, 1 + 4, 4 + 9, 9 + 25 and 44^2 + 47^2.
    assert join({"kind": "krum", "f": 1}, updates).tolist() == [1.0]
    assert join({"kind": "krum", "f": 1, "m": 2}, updates).tolist() == [0.5]


def test_krum_compares_all_coordinates_of_long_updates() -> None:
    draw = np.random.default_rng(0)
    updates = draw.standard_normal((N, 20_000)).astype(np.float32)
    updates[:4, -1] = 500.0
    distances = ((updates[:, None].astype(np.float64) - updates[None].astype(np.float64)) ** 2).sum(axis=2)
    scores = np.sort(distances, axis=1)[:, 1 : N - 1].sum(axis=1)
    assert np.array_equal(join({"kind": "krum", "f": 0}, updates), updates[np.argmin(scores)])


def test_the_median_of_an_even_cohort_is_the_mean_of_the_two_in_the_middle() -> None:
    updates = np.array([[9.0, -1.0], [1.0, 0.0], [2.0, 7.0], [4.0, 2.0]], dtype=np.float32)
    assert join({"kind": "median"}, updates).tolist() == [3.0, 1.0]


@pytest.mark.parametrize("section", ROBUST, ids=str)
def test_claiming_many_samples_does_not_help_with_a_robust_rule(section: dict[str, object]) -> None:
    updates = np.arange(N * 3, dtype=np.float32).reshape(N, 3) ** 2
    assert np.array_equal(join(section, updates), join(section, updates, samples=[1] * (N - 1) + [10**6]))


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_a_rule_forgets_the_round_it_has_joined(section: dict[str, object]) -> None:
    rule = make_rule(TypeAdapter(AggregationSpec).validate_python(section))
    draw = np.random.default_rng(0)
    first, second = draw.standard_normal((2, N, 4), dtype=np.float32)
    for updates in (first, second):
        for update in updates:
            rule.add(update, 1)
        assert np.array_equal(rule.result(), join(section, updates))


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_no_update_at_all_is_an_error(section: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no update"):
        make_rule(TypeAdapter(AggregationSpec).validate_python(section)).result()


def test_a_cohort_that_shrank_below_what_the_rule_can_bear_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"trimmed_mean with f=2 needs a cohort of at least 5 clients"):
        join({"kind": "trimmed_mean", "f": 2}, np.zeros((4, 2), dtype=np.float32))
