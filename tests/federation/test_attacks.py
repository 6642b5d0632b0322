"""What each attack makes of an update or of labels."""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from heron_ray.federation import Attack, make_attack
from heron_ray.federation.registry import ATTACKS
from heron_ray.seeds import generator
from heron_ray.spec.attack import AttackSpec

SECTIONS = [
    {"kind": "sign_flip", "scale": 2.5},
    {"kind": "gaussian", "sigma": 3.0},
    {"kind": "label_flip"},
]


def attack(section: dict[str, object]) -> Attack:
    return make_attack(TypeAdapter(AttackSpec).validate_python({"byzantine": 1, **section}))


def update(size: int = 5) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(size, dtype=np.float32)


def test_every_registered_attack_is_among_those_tested() -> None:
    assert {section["kind"] for section in SECTIONS} == set(ATTACKS)


def test_a_flipped_update_points_the_other_way_and_is_stretched_by_the_scale() -> None:
    flipped = attack({"kind": "sign_flip", "scale": 2.5}).on_update(update(), generator(0))
    np.testing.assert_array_equal(flipped, -2.5 * update())
    assert flipped.dtype == np.float32


def test_gaussian_noise_has_the_given_spread_and_nothing_of_the_update() -> None:
    noise = attack({"kind": "gaussian", "sigma": 3.0})
    first = noise.on_update(update(20_000), generator(1))
    assert np.array_equal(first, noise.on_update(np.zeros(20_000, dtype=np.float32), generator(1)))
    assert not np.array_equal(first, noise.on_update(update(20_000), generator(2)))
    assert first.dtype == np.float32
    assert abs(first.mean()) < 0.1
    assert abs(first.std() - 3.0) < 0.1


def test_flipped_labels_are_counted_from_the_other_end_and_flipping_twice_restores_them() -> None:
    flip = attack({"kind": "label_flip"})
    y = torch.tensor([0, 3, 9])
    assert flip.on_labels(y, classes=10).tolist() == [9, 6, 0]
    assert flip.on_labels(flip.on_labels(y, classes=10), classes=10).tolist() == y.tolist()
    assert y.tolist() == [0, 3, 9]


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_an_attack_leaves_alone_what_it_does_not_act_on_and_never_changes_its_input(section: dict[str, object]) -> None:
    acting, before = attack(section), update()
    given = before.copy()
    sent = acting.on_update(given, generator(0))
    labels = acting.on_labels(torch.tensor([0, 3]), classes=10).tolist()
    assert np.array_equal(given, before)
    on_data = section["kind"] == "label_flip"
    assert np.array_equal(sent, before) is on_data
    assert (labels == [0, 3]) is not on_data
