"""The study's landscapes have the effective rank they claim, and its slope is that of a power law."""

import math

import pytest

from benchmarks.effective_rank import SEEDS, Problem, eigenvalues, measure, slope


@pytest.mark.parametrize(("size", "kappa"), [(64, 8.0), (64, 64.0), (4096, 16.0)])
def test_eigenvalues_begin_with_one_and_sum_to_kappa(size: int, kappa: float) -> None:
    values = eigenvalues(size, kappa)
    assert float(values.max()) == 1
    assert float(values.double().sum()) == pytest.approx(kappa, rel=1e-4)


def test_a_flat_landscape_takes_about_as_many_steps_as_it_has_directions() -> None:
    row = measure(Problem(study="flat", size=12, kappa=12, varies=12))
    assert len(row["steps"]) == SEEDS
    assert row["kappa_at_start"] == row["kappa_at_end"] == pytest.approx(12)
    assert 0.5 < row["median"] / (math.log(10) * 14) < 2


def test_the_slope_is_the_exponent_and_its_interval_holds_it() -> None:
    rows = [{"varies": x, "steps": [round(1e4 * x**0.5 * noise) for noise in (0.9, 1, 1.1)]} for x in (1, 10, 100)]
    fit = slope(rows)
    assert fit["slope"] == pytest.approx(0.5, abs=0.01)
    assert fit["low"] < 0.5 < fit["high"]
