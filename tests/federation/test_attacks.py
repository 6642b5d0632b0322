"""What each attack makes of updates, smashed data, labels, samples and scalars."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from heron_ray.federation import AggregationRule, Attack, Cohort, make_attack, make_rule
from heron_ray.federation.attacks.alie import z_max
from heron_ray.federation.attacks.hidden_shift import squared_distances
from heron_ray.federation.registry import ATTACKS
from heron_ray.seeds import generator
from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.spec.attack import AttackSpec

ALONE = [
    {"kind": "sign_flip", "scale": 2.5},
    {"kind": "gaussian", "sigma": 3.0},
    {"kind": "zero"},
    {"kind": "non_finite"},
    {"kind": "norm_inflation"},
    {"kind": "label_flip"},
    {"kind": "backdoor"},
    {"kind": "forged_scalar"},
    {"kind": "forged_seed"},
]
TOGETHER = [
    {"kind": "random"},
    {"kind": "ipm"},
    {"kind": "alie"},
    {"kind": "mimic"},
    {"kind": "min_max"},
    {"kind": "min_sum"},
    {"kind": "fang_krum"},
    {"kind": "fang_trimmed_mean"},
    {"kind": "model_replacement"},
    {"kind": "free_rider"},
]
CHANGES_UPDATE = {"sign_flip", "gaussian", "zero", "non_finite"}
CHANGES_SMASHED = {"sign_flip", "gaussian", "non_finite", "norm_inflation"}
H, F, P = 8, 3, 40


def attack(**section: object) -> Attack:
    return make_attack(TypeAdapter(AttackSpec).validate_python({"byzantine": 1, **section}))


def rule(**section: object) -> AggregationRule:
    return make_rule(TypeAdapter(AggregationSpec).validate_python(section))


def update(size: int = 5) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(size, dtype=np.float32)


def rows(count: int = H, *, seed: int = 0, centre: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).normal(centre, 1.0, (count, P)).astype(np.float32)


def cohort(honest: np.ndarray, *, f: int = F, joined_by: dict[str, object] | None = None) -> Cohort:
    def pooled(forged: np.ndarray) -> np.ndarray:
        asked = rule(**(joined_by or {"kind": "mean"}))
        for sent in [*honest, *[forged] * f]:
            asked.add(sent, 1)
        return asked.result()

    own, last = rows(f, seed=1), rows(1, seed=2)[0]
    return Cohort(honest=honest, own=own, last=last, pooled=pooled, draw=generator(0))


@pytest.fixture(scope="module")
def byzfl() -> Iterator[ModuleType]:
    """ByzFL's attacks without the package's `__init__`, which imports plotting as well."""
    found = importlib.util.find_spec("byzfl")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("byzfl is not installed")
    package = ModuleType("byzfl")
    package.__path__ = list(found.submodule_search_locations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "byzfl", package)
        yield importlib.import_module("byzfl.attacks.attacks")
        for name in [name for name in sys.modules if name.startswith("byzfl.")]:
            del sys.modules[name]


def test_every_registered_attack_is_among_those_tested() -> None:
    assert {section["kind"] for section in [*ALONE, *TOGETHER]} == set(ATTACKS)
    assert {section["kind"] for section in TOGETHER} == {kind for kind in ATTACKS if attack(kind=kind).needs_cohort}


def test_a_flipped_update_points_the_other_way_and_is_stretched_by_the_scale() -> None:
    flipped = attack(kind="sign_flip", scale=2.5).on_update(update(), generator(0))
    np.testing.assert_array_equal(flipped, -2.5 * update())
    assert flipped.dtype == np.float32


def test_gaussian_noise_has_the_given_spread_and_nothing_of_the_update() -> None:
    noise = attack(kind="gaussian", sigma=3.0)
    first = noise.on_update(update(20_000), generator(1))
    assert np.array_equal(first, noise.on_update(np.zeros(20_000, dtype=np.float32), generator(1)))
    assert not np.array_equal(first, noise.on_update(update(20_000), generator(2)))
    assert first.dtype == np.float32
    assert abs(first.mean()) < 0.1
    assert abs(first.std() - 3.0) < 0.1


def test_flipped_labels_are_counted_from_the_other_end_and_flipping_twice_restores_them() -> None:
    flip = attack(kind="label_flip")
    x, y = torch.zeros(3, 2), torch.tensor([0, 3, 9])
    flipped = flip.on_batch(x, y, classes=10)[1]
    assert flipped.tolist() == [9, 6, 0]
    assert flip.on_batch(x, flipped, classes=10)[1].tolist() == y.tolist()
    assert flip.on_upload(x.numpy(), y.numpy(), generator(0), classes=10)[1].tolist() == [9, 6, 0]


@pytest.mark.parametrize("section", ALONE, ids=str)
def test_an_attack_leaves_alone_what_it_does_not_act_on_and_never_changes_its_input(section: dict[str, object]) -> None:
    acting, before, kind = attack(**section), update(), section["kind"]
    x, z, y = torch.rand(4, 6), rows(4), torch.tensor([0, 3, 9, 1])
    given, given_x, given_z, given_y = before.copy(), x.clone(), z.copy(), y.clone()
    sent = acting.on_update(given, generator(0))
    batch = acting.on_batch(given_x, given_y, classes=10)
    smashed, labels = acting.on_upload(given_z, given_y.numpy(), generator(0), classes=10)
    seeds, scalars = acting.on_scalars([1, 2, 3, 4], before[:4], 2, generator(0))
    assert np.array_equal(given, before)
    assert torch.equal(given_x, x)
    assert torch.equal(given_y, y)
    assert np.array_equal(given_z, z)
    assert np.array_equal(sent, before) is (kind not in CHANGES_UPDATE)
    assert np.array_equal(smashed, z) is (kind not in CHANGES_SMASHED)
    assert (torch.equal(batch[0], x), torch.equal(batch[1], y)) == (
        kind != "backdoor",
        kind not in {"backdoor", "label_flip"},
    )
    assert np.array_equal(labels, y) is (kind != "label_flip")
    assert (list(seeds) == [1, 2, 3, 4]) is (kind != "forged_seed")
    assert np.array_equal(scalars, before[:4]) is (kind != "forged_scalar")
    assert smashed.dtype == scalars.dtype == sent.dtype == np.float32


@pytest.mark.parametrize("section", TOGETHER, ids=str)
def test_colluding_attackers_give_one_update_or_one_each_and_change_nothing_they_know(section: dict[str, object]) -> None:
    known = cohort(rows())
    honest, own, last = known.honest.copy(), known.own.copy(), known.last.copy()
    forged = attack(**section).on_cohort(known)
    assert forged.dtype == np.float32
    assert forged.shape in {(P,), (F, P)}
    assert np.isfinite(forged).all()
    assert np.array_equal(known.honest, honest)
    assert np.array_equal(known.own, own)
    assert np.array_equal(known.last, last)


def test_smashed_data_are_reversed_inflated_or_noisy() -> None:
    z, y = rows(6), np.arange(6)

    def sent(**section: object) -> np.ndarray:
        return attack(**section).on_upload(z, y, generator(3), classes=10)[0]

    np.testing.assert_array_equal(sent(kind="sign_flip", path="smashed", scale=2.0), -2 * z)
    np.testing.assert_array_equal(sent(kind="norm_inflation", scale=7.0), 7 * z)
    assert abs((sent(kind="gaussian", path="smashed", sigma=0.5) - z).std() - 0.5) < 0.1
    assert np.isnan(sent(kind="non_finite", value="nan", path="smashed")).all()


def test_colluding_smashed_data_sit_tau_deviations_off_the_batch_mean_and_are_all_alike() -> None:
    z = rows(6)
    sent, labels = attack(kind="alie", path="smashed", tau=-2.0).on_upload(z, np.arange(6), generator(0), classes=10)
    np.testing.assert_allclose(sent, np.tile(z.mean(axis=0) - 2 * z.std(axis=0, ddof=1), (6, 1)), rtol=1e-5, atol=1e-6)
    assert labels.tolist() == list(range(6))
    single = attack(kind="alie", path="smashed").on_upload(z[:1], np.arange(1), generator(0), classes=10)[0]
    np.testing.assert_array_equal(single, z[:1])


def test_a_trigger_is_a_square_in_the_corner_of_an_image_and_the_end_of_a_vector() -> None:
    stamp = attack(kind="backdoor", target=7, patch=2, value=9.0, poisoned=0.5)
    images, labels = stamp.on_batch(torch.zeros(3, 1, 5, 5), torch.tensor([1, 2, 3]), classes=10)
    assert labels.tolist() == [7, 7, 3]
    assert images.sum(dim=(1, 2, 3)).tolist() == [36.0, 36.0, 0.0]
    assert (images[0, 0, 3:, 3:] == 9).all()
    vectors, _ = stamp.on_batch(torch.zeros(2, 6), torch.tensor([1, 2]), classes=10)
    assert vectors.tolist() == [[0, 0, 0, 0, 9, 9], [0] * 6]
    np.testing.assert_array_equal(attack(kind="backdoor", scale=4.0).on_update(update(), generator(0)), 4 * update())


def test_a_forged_scalar_is_multiplied_and_seeds_are_replaced_or_repeated() -> None:
    scalars = np.array([1, 2, 3, 4, 5, 6], dtype=np.float32)
    seeds, forged = attack(kind="forged_scalar", factor=-3.0).on_scalars(range(6), scalars, 2, generator(0))
    assert (list(seeds), forged.tolist()) == ([0, 1, 2, 3, 4, 5], [-3, -6, -9, -12, -15, -18])
    seeds, kept = attack(kind="forged_seed", seeds="wrong").on_scalars(range(6), scalars, 2, generator(0))
    assert kept.tolist() == scalars.tolist()
    assert len(set(seeds)) == 6
    assert not set(seeds) & set(range(6))
    seeds, repeated = attack(kind="forged_seed", seeds="replayed").on_scalars(range(6), scalars, 2, generator(0))
    assert (list(seeds), repeated.tolist()) == ([0, 1] * 3, [1, 2] * 3)


@pytest.mark.parametrize("seed", [0, 1])
def test_attacks_on_updates_agree_with_byzfl(byzfl: ModuleType, seed: int) -> None:
    honest = rows(seed=seed)
    theirs = honest.astype(np.float64)
    pairs = [
        (attack(kind="ipm"), byzfl.InnerProductManipulation()),
        (attack(kind="ipm", tau=0.7), byzfl.InnerProductManipulation(0.7)),
        (attack(kind="alie"), byzfl.ALittleIsEnough()),
        (attack(kind="alie", tau=-0.3), byzfl.ALittleIsEnough(-0.3)),
        (attack(kind="mimic", client=2), byzfl.Mimic(2)),
    ]
    for ours, reference in pairs:
        np.testing.assert_allclose(ours.on_cohort(cohort(honest)), reference(theirs), rtol=1e-5, atol=1e-5)
    alone = attack(kind="non_finite").on_update(honest[0], generator(0))
    np.testing.assert_array_equal(alone, byzfl.Inf()(theirs))
    # Of its sign flip, which reverses the honest mean, ours reverses a client's own update.
    flipped = attack(kind="sign_flip").on_update(honest.mean(axis=0), generator(0))
    np.testing.assert_allclose(flipped, byzfl.SignFlipping()(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("joined_by", [{"kind": "mean"}, {"kind": "median"}, {"kind": "trimmed_mean", "f": F}], ids=str)
def test_optimal_attacks_agree_with_byzfl_on_every_rule_they_ask(byzfl: ModuleType, joined_by: dict[str, object]) -> None:
    honest, aggregators = rows(), importlib.import_module("byzfl.aggregators.aggregators")
    reference = {
        "mean": aggregators.Average(),
        "median": aggregators.Median(),
        "trimmed_mean": aggregators.TrMean(F),
    }[str(joined_by["kind"])]
    for kind, name in (("ipm", "Optimal_InnerProductManipulation"), ("alie", "Optimal_ALittleIsEnough")):
        theirs = getattr(byzfl, name)(agg=reference, pre_agg_list=[], f=F)(honest.astype(np.float64))
        ours = attack(kind=kind, optimal=True).on_cohort(cohort(honest, joined_by=joined_by))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_z_max_of_a_little_is_enough_is_the_papers() -> None:
    assert z_max(50, 12) == pytest.approx(0.3360, abs=1e-3)  # Phi^-1(24 / 38)
    assert z_max(10, 2) == 0.0
    honest = rows(38)
    forged = attack(kind="alie", tau=None).on_cohort(cohort(honest, f=12))
    np.testing.assert_allclose(forged, honest.mean(0) + z_max(50, 12) * honest.std(0, ddof=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("deviation", ["std", "unit", "sign"])
def test_min_max_and_min_sum_go_up_to_their_bound_and_no_further(deviation: str) -> None:
    honest = rows(6)
    gaps = squared_distances(honest)
    mean = honest.mean(axis=0, dtype=np.float64)

    def reached(kind: str, stretch: float) -> np.ndarray:
        forged = attack(kind=kind, deviation=deviation).on_cohort(cohort(honest)).astype(np.float64)
        return np.square(mean + stretch * (forged - mean) - honest).sum(axis=1)

    assert reached("min_max", 1.0).max() == pytest.approx(gaps.max(), rel=1e-4)
    assert reached("min_sum", 1.0).sum() == pytest.approx(gaps.sum(axis=1).max(), rel=1e-4)
    assert reached("min_max", 1.05).max() > gaps.max()
    assert reached("min_sum", 1.05).sum() > gaps.sum(axis=1).max()


def test_krum_falls_for_the_fang_attack_and_is_led_against_the_honest_direction() -> None:
    honest = rows(8, centre=0.3)
    forged = attack(kind="fang_krum").on_cohort(cohort(honest, f=3))
    krum = rule(kind="krum", f=3)
    for sent in [*honest, forged, forged, forged]:
        krum.add(sent, 1)
    np.testing.assert_array_equal(krum.result(), forged)
    np.testing.assert_array_equal(np.sign(forged), -np.sign(honest.mean(axis=0)))
    assert len(np.unique(np.abs(forged))) == 1


def test_fang_values_lie_just_outside_the_honest_ones_on_the_wrong_side() -> None:
    honest = np.array([[1, 1, -3, -2], [2, -1, -1, 3], [3, 2, -2, -9]], dtype=np.float32)
    forged = attack(kind="fang_trimmed_mean", b=2.0).on_cohort(
        Cohort(honest=honest, own=honest[:2], last=honest[0], pooled=lambda sent: sent, draw=generator(0))
    )
    low, high = np.array([0.5, -2, -1, 3]), np.array([1, -1, -0.5, 6])
    assert forged.shape == (2, 4)
    assert (forged >= low).all()
    assert (forged <= high).all()
    assert not np.array_equal(forged[0], forged[1])


def test_a_random_update_has_honest_length_and_a_direction_of_its_own() -> None:
    known = cohort(rows())
    forged = attack(kind="random", scale=2.0).on_cohort(known)
    expected = 2 * np.linalg.norm(known.honest, axis=1).mean()
    np.testing.assert_allclose(np.linalg.norm(forged, axis=1), np.full(F, expected), rtol=1e-5)
    assert not np.array_equal(forged[0], forged[1])


def test_replacement_stretches_own_updates_by_the_cohort_and_a_free_rider_repeats_the_last_change() -> None:
    known = cohort(rows())
    np.testing.assert_allclose(attack(kind="model_replacement").on_cohort(known), (H + F) * known.own, rtol=1e-6)
    np.testing.assert_allclose(attack(kind="model_replacement", scale=3.0).on_cohort(known), 3 * known.own, rtol=1e-6)
    np.testing.assert_array_equal(attack(kind="free_rider").on_cohort(known), np.tile(known.last, (F, 1)))
    noisy = attack(kind="free_rider", sigma=0.1).on_cohort(known) - known.last
    assert 0.05 < noisy.std() < 0.15
    assert not np.array_equal(noisy[0], noisy[1])
