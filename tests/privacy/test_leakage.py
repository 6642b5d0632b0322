"""Leakage: distance correlation and image quality against formulas and other packages, and an attack that knows when to win."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_ray.errors import SpecError
from heron_ray.measure.distance_correlation import distance_correlation
from heron_ray.measure.image_quality import psnr, ssim
from heron_ray.measure.inversion import learn_to_invert
from heron_ray.simulation.leakage import invert
from tests.conftest import MakeSpec, require_refusal
from tests.federation.runs import resumed, stopped_after
from tests.privacy.runs import run

# dcor 0.7: u_distance_correlation_sqr of dependent_pair(seed).
DCOR = [0.43643399017101925, 0.5996677522384721, 0.48536770896356063, 0.32529585126308047]
# scikit-image 0.26: structural_similarity with data_range=1, windows of 7 pixels or the largest odd side that fits.
SKIMAGE = {(8, 8): 0.8586765307158488, (32, 32): 0.8095120356337111, (5, 6): 0.7660721637343473}


def dependent_pair(seed):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(40, 5))
    return x, np.tanh(x[:, :3] @ draw.normal(size=(3, 4))) + 0.3 * seed * draw.normal(size=(40, 4))


@pytest.mark.parametrize("seed", range(4))
def test_distance_correlation_is_that_of_another_package(seed):
    x, z = map(torch.from_numpy, dependent_pair(seed))
    assert distance_correlation(x, z) == pytest.approx(DCOR[seed], rel=1e-9)


@given(seed=st.integers(0, 10_000), n=st.integers(4, 12))
@settings(max_examples=25, deadline=None)
def test_distance_correlation_is_its_formula_written_out(seed, n):
    draw = np.random.default_rng(seed)
    x, z = draw.normal(size=(n, 3)), draw.normal(size=(n, 2))

    def centred(rows):
        a = [[math.dist(one, other) for other in rows] for one in rows]
        sums, total = [sum(row) for row in a], sum(map(sum, a))
        return [
            [0.0 if i == j else a[i][j] - sums[i] / (n - 2) - sums[j] / (n - 2) + total / ((n - 1) * (n - 2)) for j in range(n)]
            for i in range(n)
        ]

    def product(one, other):
        return sum(one[i][j] * other[i][j] for i, j in itertools.product(range(n), repeat=2))

    a, b = centred(x), centred(z)
    expected = product(a, b) / math.sqrt(product(a, a) * product(b, b))
    assert distance_correlation(torch.from_numpy(x), torch.from_numpy(z)) == pytest.approx(expected, abs=1e-9)


def test_distance_correlation_is_one_of_a_turned_and_scaled_copy_near_zero_of_independent_noise_and_zero_of_constants():
    draw = np.random.default_rng(0)
    x = torch.from_numpy(draw.normal(size=(200, 64)))
    turned = torch.from_numpy(np.linalg.qr(draw.normal(size=(64, 64)))[0]) * 3
    assert distance_correlation(x, x @ turned + 5) == pytest.approx(1)
    assert abs(distance_correlation(x, torch.from_numpy(draw.normal(size=(200, 500))))) < 0.05
    assert distance_correlation(x, torch.ones(200, 3)) == 0.0


def test_ssim_is_that_of_another_package_and_one_of_equal_images():
    draw = np.random.default_rng(0)
    for shape, expected in SKIMAGE.items():
        image = draw.random(shape)
        other = np.clip(image + 0.2 * draw.normal(size=shape), 0, 1)
        x, y = (torch.from_numpy(one)[None, None] for one in (image, other))
        assert ssim(x, y, 1.0).item() == pytest.approx(expected, rel=1e-9)
        assert ssim(x, x, 1.0).item() == pytest.approx(1)
        both = ssim(torch.cat([x, x], dim=1), torch.cat([y, x], dim=1), 1.0).item()
        assert both == pytest.approx((expected + 1) / 2)


def test_psnr_is_twenty_decibels_for_an_error_of_a_tenth_of_the_range():
    assert psnr(0.2**2, 2.0) == pytest.approx(20)
    assert psnr(0.0, 1.0) == math.inf


def attack(noise, shape=(6,), epochs=60):
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(160, *shape, generator=draw)
    y = torch.randint(0, 3, (160,), generator=draw)
    z = x * 2 - 1

    def release(rows, number):
        return rows + noise * torch.randn(rows.shape, generator=torch.Generator().manual_seed(1000 + number))

    return learn_to_invert(z, x, y, classes=3, release=release, epochs=epochs, seed=5)


@pytest.mark.parametrize("shape", [(6,), (1, 4, 4)])
def test_the_attack_inverts_what_can_be_inverted_and_guesses_the_mean_under_heavy_noise(shape):
    open_, closed = attack(0.0, shape), attack(100.0, shape)
    assert open_.held_out_mse < 0.03
    assert closed.held_out_mse == pytest.approx(1 / 12, rel=0.2)  # the variance of numbers from 0 to 1
    again = attack(0.0, shape)
    for one, other in zip(open_.decoder.parameters(), again.decoder.parameters(), strict=True):
        assert torch.equal(one, other)


LEAKAGE = "evaluation.leakage={every: 2, samples: 100}"
PRIVACY = "privacy.smashed={clip: 2.0, sigma: 20.0}"


def test_leakage_is_a_series_that_changes_no_other_figure_and_falls_with_noise(make_spec: MakeSpec, tmp_path) -> None:
    clear, rounds = run(make_spec(LEAKAGE))
    told = [event.metrics.get("leakage_distance_correlation") for event in rounds]
    assert [value is None for value in told] == [True, False, True, False]
    assert clear.test_loss == run(make_spec())[0].test_loss
    _, noised = run(make_spec(LEAKAGE, PRIVACY))
    assert abs(noised[-1].metrics["leakage_distance_correlation"]) < 0.1 < told[-1]
    spec = make_spec(LEAKAGE, PRIVACY)
    assert resumed(spec, stopped_after(2, spec, tmp_path)).trajectory_digest == run(spec)[0].trajectory_digest


def test_methods_whose_clients_have_fronts_of_their_own_are_looked_at_client_by_client(make_spec: MakeSpec) -> None:
    _, rounds = run(make_spec("method.kind=fedgkt", LEAKAGE))
    assert 0 < rounds[-1].metrics["leakage_distance_correlation"] < 1


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        ([LEAKAGE, "method.kind=fedavg"], "evaluation.leakage", "no smashed data"),
        (["evaluation.leakage={every: 3}"], "evaluation.leakage.every", "no multiple"),
        (["evaluation.leakage={samples: 3}"], "evaluation.leakage.samples", "greater than"),
    ],
)
def test_leakage_that_cannot_be_seen_is_refused(overrides: list[str], path: str, words: str) -> None:
    require_refusal(overrides, path, words)


def test_an_inversion_does_better_than_the_class_mean_without_noise_and_no_better_with_much(make_spec: MakeSpec) -> None:
    clear = invert(make_spec(), None, epochs=60, victims=200).figures
    noised = invert(make_spec(PRIVACY), None, epochs=60, victims=200).figures
    assert clear["mse"] < 0.8 * clear["class_mean_mse"] < noised["mse"]
    assert clear["ssim"] > noised["ssim"]
    assert clear["psnr_db"] == pytest.approx(10 * math.log10(1 / clear["mse"]))
    assert noised["class_mean_mse"] == clear["class_mean_mse"]
    with pytest.raises(SpecError, match="no main server"):
        invert(make_spec("method.kind=fedavg"), None)
