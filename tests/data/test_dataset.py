from __future__ import annotations

import typing
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from heron_ray.data import Dataset, Split, load_dataset
from heron_ray.data.registry import LOADERS
from heron_ray.errors import DataError, ExhaustedMemoryError
from heron_ray.spec.data import DataSpec, DigitsData, SyntheticData

DIGITS = DigitsData(kind="digits")


def synthetic(**fields: float) -> SyntheticData:
    return SyntheticData.model_validate({"kind": "synthetic", **fields})


def split(samples: int = 4, features: int = 3, label: int = 0) -> Split:
    return Split(x=torch.zeros(samples, features), y=torch.full((samples,), label))


def dataset(**changes: object) -> Dataset:
    parts = {"train": split(), "validation": split(), "test": split(), "classes": 2, "input_shape": (3,)}
    return Dataset(**{**parts, **changes})


def test_every_kind_in_the_spec_has_a_loader_and_no_loader_lacks_a_kind() -> None:
    union = typing.get_args(DataSpec)[0]
    kinds = {typing.get_args(section.model_fields["kind"].annotation)[0] for section in typing.get_args(union)}
    assert set(LOADERS) == kinds


def test_digits_are_split_1077_360_360_with_every_class_in_every_split() -> None:
    digits = load_dataset(DIGITS, 0)
    assert {name: len(part) for name, part in digits.splits().items()} == {"train": 1077, "validation": 360, "test": 360}
    assert (digits.classes, digits.input_shape) == (10, (64,))
    for part in digits.splits().values():
        assert part.y.unique().tolist() == list(range(10))
        assert (part.x.min().item(), part.x.max().item()) == (0.0, 1.0)


def test_the_splits_of_the_digits_are_the_original_images_each_once() -> None:
    from sklearn.datasets import load_digits

    def rows(x: np.ndarray, y: np.ndarray) -> list[tuple[float, ...]]:
        return sorted(map(tuple, np.column_stack([x, y]).tolist()))

    images, labels = load_digits(return_X_y=True)
    parts = load_dataset(DIGITS, 0).splits().values()
    x, y = (torch.cat([getattr(part, name) for part in parts]).numpy() for name in "xy")
    assert rows(x * 16, y) == rows(images, labels)


def test_the_split_of_the_digits_does_not_depend_on_the_seed() -> None:
    assert load_dataset(DIGITS, 0).fingerprint() == load_dataset(DIGITS, 1).fingerprint()


def test_the_fingerprint_of_the_digits_is_fixed() -> None:
    digits = load_dataset(DIGITS, 0)
    assert digits.fingerprint() == "3ddec7cc9fc8b0e0c451cca527d7a6957efc0b2695e040576f0f0aa6b393dc3f"


@pytest.mark.parametrize(("samples", "held_out"), [(100, 100), (5000, 500), (200_000, 10_000)])
def test_synthetic_data_have_the_sizes_asked_for(samples: int, held_out: int) -> None:
    data = load_dataset(synthetic(samples=samples, features=3, classes=4), 0)
    assert [len(part) for part in data.splits().values()] == [samples, held_out, held_out]
    assert (data.train.x.shape[1:], data.classes, data.input_shape) == ((3,), 4, (3,))


def test_synthetic_data_follow_their_seed_alone() -> None:
    spec, torch_state = synthetic(samples=200, features=3), torch.get_rng_state()
    prints = [load_dataset(spec, seed).fingerprint() for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_synthetic_clusters_share_centres_over_the_splits_and_have_the_spread_asked_for() -> None:
    data = load_dataset(synthetic(samples=20_000, features=16, classes=5, spread=0.5), 0)

    def centres(part: Split) -> Tensor:
        return torch.stack([part.x[part.y == label].mean(0) for label in range(5)])

    assert torch.allclose(centres(data.train), centres(data.test), atol=0.15)
    assert all(torch.dist(a, b) > 1 for a, b in combinations(centres(data.train), 2))
    assert (data.train.x - centres(data.train)[data.train.y]).std().item() == pytest.approx(0.5, rel=0.02)


def test_synthetic_data_larger_than_any_memory_name_their_size_and_the_way_out() -> None:
    with pytest.raises(ExhaustedMemoryError, match=r"need 372603.6 GiB \(lower data.samples or data.features\)"):
        load_dataset(synthetic(samples=100_000_000, features=1_000_000), 0)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, dtype=torch.int64), "must be float32"),
        (torch.zeros(2, 3), torch.zeros(2), "labels int64"),
        (torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), "do not fit"),
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), "n of at least 1"),
    ],
)
def test_samples_and_labels_that_do_not_fit_are_refused(x: Tensor, y: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Split(x=x, y=y)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": split(features=4)}, r"test samples have shape \(4,\), not \(3,\)"),
        ({"validation": split(label=2)}, "validation labels span 2 to 2, but there are 2 classes"),
        ({"train": split(label=-1)}, "train labels span -1 to -1"),
    ],
)
def test_a_split_that_does_not_fit_the_data_set_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset(**changes)


def test_the_fingerprint_changes_with_any_value_split_or_class_count() -> None:
    one = split()
    one.x[0, 0] = 1
    variants = [dataset(), dataset(train=one), dataset(test=one), dataset(classes=3), dataset(train=split(label=1))]
    assert dataset().fingerprint() == variants[0].fingerprint()
    assert len({variant.fingerprint() for variant in variants}) == len(variants)


def test_a_long_tail_of_digits_thins_the_training_samples_alone_and_keeps_the_first_ones() -> None:
    whole, thinned = load_dataset(DIGITS, 0), load_dataset(DigitsData(kind="digits", imbalance=20.0), 0)
    before, after = (np.bincount(one.train.y.numpy(), minlength=10) for one in (whole, thinned))
    assert after.tolist() == [int(np.ceil(count * 20 ** (-digit / 9))) for digit, count in enumerate(before)]
    for digit in range(10):
        rows = whole.train.x[whole.train.y == digit][: after[digit]]
        assert torch.equal(thinned.train.x[thinned.train.y == digit], rows)
    assert torch.equal(whole.validation.x, thinned.validation.x)
    assert torch.equal(whole.test.y, thinned.test.y)
    assert "imbalance" not in DIGITS.model_dump()
