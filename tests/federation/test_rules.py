"""The laws of the aggregation rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from heron_ray.federation import make_rule
from heron_ray.federation.registry import RULES
from heron_ray.seeds import generator
from heron_ray.vectors import Float32Array
from tests.federation.cohorts import COHORTS, FAR, LIES, SECTIONS, VALUES, N, bundle, cohorts_on_a_line, join, parse


def of(*kinds: str) -> list[dict[str, object]]:
    return [section for section in SECTIONS if section["kind"] in kinds]


def but(*kinds: str) -> list[dict[str, object]]:
    return [section for section in SECTIONS if section["kind"] not in kinds]


ORDERING = of("median", "trimmed_mean", "krum")
CHOOSING = of("bulyan", "caf", "dnc", "mda", "monna", "smea")
MEANS = [*of("mean", "meamed", "geometric_median"), *ORDERING, *CHOOSING]
SHORTENING = ("centered_clipping", "clipped_clustering", "norm_bounding", "sign_guard")
MENDING = but("mean", "median", "trimmed_mean", "krum", "meamed")
SEEDS = st.integers(0, 2**32)


def test_every_registered_rule_is_among_those_tested() -> None:
    assert {section["kind"] for section in SECTIONS} == set(RULES)


@pytest.mark.parametrize("section", SECTIONS, ids=str)
@given(seed=SEEDS, byzantine=st.sampled_from([0, 2]), order=st.permutations(range(N)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_clients_does_not_matter(
    section: dict[str, object], seed: int, byzantine: int, order: list[int]
) -> None:
    # Without anybody far away, mda often has several subsets to choose from and takes the first in the order of clients.
    updates = bundle(seed, f=2 if section["kind"] == "mda" else byzantine)
    np.testing.assert_allclose(join(section, updates[order], clients=order), join(section, updates), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("section", [*ORDERING, *of("mean", "meamed")], ids=str)
@given(updates=cohorts_on_a_line(), order=st.permutations(range(N)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_clients_on_a_line_does_not_matter(
    section: dict[str, object], updates: Float32Array, order: list[int]
) -> None:
    np.testing.assert_allclose(join(section, updates[order]), join(section, updates), rtol=1e-6)


@pytest.mark.parametrize("section", of("median", "trimmed_mean", "meamed"), ids=str)
@given(updates=COHORTS, order=st.permutations(range(N)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_clients_changes_no_bit_of_a_rule_that_sorts(
    section: dict[str, object], updates: Float32Array, order: list[int]
) -> None:
    assert np.array_equal(join(section, updates[order]), join(section, updates))


@pytest.mark.parametrize("section", but(*SHORTENING, "geometric_median", "fltrust", "fools_gold"), ids=str)
@given(seed=SEEDS, shift=st.integers(-64, 64), scale=st.sampled_from([0.25, 2.0, 8.0]))
@settings(max_examples=10, deadline=None)
def test_moving_or_stretching_all_updates_moves_or_stretches_the_result_of_a_rule_without_a_place_of_its_own(
    section: dict[str, object], seed: int, shift: int, scale: float
) -> None:
    updates = bundle(seed, f=2)
    moved = (np.float32(scale) * updates + np.float32(shift)).astype(np.float32)
    np.testing.assert_allclose(join(section, moved), scale * join(section, updates) + shift, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("section", of("fools_gold", "sign_guard", "clipped_clustering"), ids=str)
@given(seed=SEEDS, scale=st.sampled_from([0.25, 2.0, 8.0]))
@settings(max_examples=10, deadline=None)
def test_a_rule_that_looks_at_directions_and_ratios_of_lengths_has_no_length_of_its_own(
    section: dict[str, object], seed: int, scale: float
) -> None:
    updates = bundle(seed, f=2)
    np.testing.assert_allclose(join(section, np.float32(scale) * updates), scale * join(section, updates), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("section", [*ORDERING, *of("mean", "meamed")], ids=str)
@given(updates=cohorts_on_a_line(), shift=st.integers(-64, 64), scale=st.sampled_from([0.25, 2.0, 8.0]))
@settings(max_examples=40, deadline=None)
def test_moving_or_stretching_all_updates_moves_or_stretches_the_result(
    section: dict[str, object], updates: Float32Array, shift: int, scale: float
) -> None:
    moved = (np.float32(scale) * updates + np.float32(shift)).astype(np.float32)
    np.testing.assert_allclose(join(section, moved), scale * join(section, updates) + shift, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("section", but("fltrust", "fools_gold", "centered_clipping"), ids=str)
@given(update=hnp.arrays(np.float32, st.integers(1, 6), elements=VALUES))
@settings(max_examples=20, deadline=None)
def test_clients_that_agree_get_their_way(section: dict[str, object], update: Float32Array) -> None:
    assert np.array_equal(join(section, np.stack([update] * N)), update)


@pytest.mark.parametrize("section", MEANS, ids=str)
@given(updates=COHORTS)
@settings(max_examples=10, deadline=None)
def test_each_coordinate_lies_between_the_smallest_and_the_largest(section: dict[str, object], updates: Float32Array) -> None:
    joined = join(section, updates)
    slack = 1e-4
    assert np.all(joined >= updates.min(axis=0) - slack)
    assert np.all(joined <= updates.max(axis=0) + slack)


@pytest.mark.parametrize("lie", LIES, ids=str)
@pytest.mark.parametrize("section", ORDERING, ids=str)
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


@pytest.mark.parametrize("lie", [FAR, -FAR, np.float32(1e30)], ids=str)
@pytest.mark.parametrize("section", CHOOSING, ids=str)
@given(updates=COHORTS, liars=st.permutations(range(1, N)))
@settings(max_examples=10, deadline=None)
def test_a_rule_that_chooses_leaves_out_f_byzantine_clients_that_are_far_away(
    section: dict[str, object], lie: np.float32, updates: Float32Array, liars: list[int]
) -> None:
    # Client 0 is honest: monna trusts it.
    liars = liars[: int(section["f"])]
    honest = np.delete(updates, liars, axis=0)
    updates = updates.copy()
    updates[liars] = lie
    joined = join(section, updates)
    assert np.all(joined >= honest.min(axis=0) - 1e-3)
    assert np.all(joined <= honest.max(axis=0) + 1e-3)


@pytest.mark.parametrize("lie", LIES, ids=str)
@given(updates=COHORTS, liars=st.permutations(range(N)).map(lambda order: order[:2]))
@settings(max_examples=20, deadline=None)
def test_f_byzantine_clients_pull_the_mean_around_the_median_at_most_one_honest_width_away(
    lie: np.float32, updates: Float32Array, liars: list[int]
) -> None:
    honest = np.delete(updates, liars, axis=0)
    updates = updates.copy()
    updates[liars] = lie
    joined = join({"kind": "meamed", "f": 2}, updates)
    width = np.ptp(honest, axis=0)
    assert np.all(joined >= honest.min(axis=0) - width - 1e-3)
    assert np.all(joined <= honest.max(axis=0) + width + 1e-3)


@given(
    seed=SEEDS,
    lies=hnp.arrays(np.float32, (3, 40), elements=st.floats(-(2.0**99), 2.0**99, width=32)),
    nu=st.sampled_from([0.1, 5.0]),
)
@settings(max_examples=40, deadline=None)
def test_a_minority_cannot_carry_the_geometric_median_beyond_its_bound(seed: int, lies: Float32Array, nu: float) -> None:
    honest = bundle(seed, n=4)
    joined = join({"kind": "geometric_median", "nu": nu}, np.concatenate([honest, lies]))
    assert np.linalg.norm(joined) <= (3**3 - 1) * max(nu, np.linalg.norm(honest, axis=1).max())


@given(updates=COHORTS, tau=st.sampled_from([0.5, 30.0]), steps=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_no_step_of_centered_clipping_is_longer_than_tau(updates: Float32Array, tau: float, steps: int) -> None:
    joined = join({"kind": "centered_clipping", "tau": tau, "iterations": steps}, updates)
    assert np.linalg.norm(joined) <= steps * tau * (1 + 1e-6)


@pytest.mark.parametrize("lie", LIES[3:], ids=str)
@pytest.mark.parametrize("section", MENDING, ids=str)
def test_an_update_that_is_not_finite_counts_as_zero(section: dict[str, object], lie: float) -> None:
    updates = bundle(0, f=2)
    mended = updates.copy()
    updates[2, 3], updates[4], mended[[2, 4]] = lie, lie, 0
    assert np.array_equal(join(section, updates), join(section, mended))


def test_clients_that_all_point_the_same_way_are_one_attacker_to_fools_gold() -> None:
    updates = np.arange(1, N + 1, dtype=np.float32)[:, None] * np.array([0.1, -0.7, 3.0], dtype=np.float32)
    assert np.array_equal(join({"kind": "fools_gold"}, updates), np.zeros(3))


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


@pytest.mark.parametrize("section", but("mean"), ids=str)
def test_claiming_many_samples_does_not_help_with_a_robust_rule(section: dict[str, object]) -> None:
    updates = np.arange(N * 3, dtype=np.float32).reshape(N, 3) ** 2
    assert np.array_equal(join(section, updates), join(section, updates, samples=[1] * (N - 1) + [10**6]))


@pytest.mark.parametrize("section", but("centered_clipping", "clipped_clustering", "fltrust", "fools_gold"), ids=str)
def test_a_rule_forgets_the_round_it_has_joined(section: dict[str, object]) -> None:
    rule = make_rule(parse(section))
    first, second = bundle(0), bundle(1)
    for updates in (first, second):
        for client, update in enumerate(updates):
            rule.add(update, 1, client)
        assert np.array_equal(rule.result(generator(0)), join(section, updates))
    assert rule.state() == {}


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_no_update_at_all_is_an_error(section: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no update"):
        make_rule(parse(section)).result()


def test_a_cohort_that_shrank_below_what_the_rule_can_bear_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"trimmed_mean with f=2 needs a cohort of at least 5 clients"):
        join({"kind": "trimmed_mean", "f": 2}, np.zeros((4, 2), dtype=np.float32))


@pytest.mark.parametrize("section", of("dnc", "sign_guard"), ids=str)
def test_a_rule_that_chooses_at_random_asks_for_a_generator(section: dict[str, object]) -> None:
    rule = make_rule(parse(section))
    for update in bundle(0):
        rule.add(update, 1)
    with pytest.raises(ValueError, match="generator"):
        rule.result()


@pytest.mark.parametrize("section", of("fools_gold", "monna"), ids=str)
def test_a_rule_that_knows_clients_asks_whose_each_update_is(section: dict[str, object]) -> None:
    rule = make_rule(parse(section))
    for update in bundle(0):
        rule.add(update, 1)
    with pytest.raises(ValueError, match=r"whose update|trusted client 0 sent no update"):
        rule.result()
