"""Epsilon: against other accountants' figures, against the integral it stands for, and as a law."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from heron_ray.privacy import gaussian_epsilon, renyi_epsilon, sampled_renyi
from heron_ray.privacy.accountant import ORDERS

# dp-accounting 0.6.0: noise multiplier, releases, delta; epsilon of its PLDAccountant and of its RdpAccountant.
COMPOSED = [
    (1, 1, 1e-5, 4.3771781000249295, 4.728507067217623),
    (2, 10, 1e-5, 7.511275904062699, 8.079406222420491),
    (5, 200, 1e-6, 16.86044039951254, 17.86144010371158),
    (1, 30, 1e-5, 37.62245693247315, 39.83175401905626),
    (0.7, 3, 1e-3, 10.06387267829615, 11.116718375940543),
]
# The same package's RdpAccountant, one member replaced: noise multiplier, subset, all, releases, delta, epsilon.
SAMPLED = [
    (1, 10, 1000, 100, 1e-5, 1.482525669114427),
    (2, 50, 1000, 600, 1e-5, 6.648486393458052),
    (4, 20, 100, 200, 1e-5, 7.365426344131971),
    (1, 5, 10, 10, 1e-5, 16.363777957209127),
    (0.5, 1, 1000, 50, 1e-6, 4.746716494368746),
]


@pytest.mark.parametrize(("sigma", "releases", "delta", "exact", "renyi"), COMPOSED)
def test_composed_gaussians_have_the_epsilon_that_another_accountant_finds(sigma, releases, delta, exact, renyi):
    mu = math.sqrt(releases) / sigma
    assert gaussian_epsilon(mu, delta) == pytest.approx(exact, rel=1e-4)
    assert gaussian_epsilon(mu, delta) <= renyi
    assert renyi_epsilon(ORDERS * mu * mu / 2, delta) == pytest.approx(renyi, rel=0.05)


@pytest.mark.parametrize(("sigma", "subset", "everyone", "releases", "delta", "epsilon"), SAMPLED)
def test_sampling_without_replacement_costs_no_less_than_another_accountant_finds(
    sigma, subset, everyone, releases, delta, epsilon
):
    found = renyi_epsilon(releases * sampled_renyi(1 / sigma, subset / everyone), delta)
    assert epsilon * (1 - 1e-9) <= found <= epsilon * 1.35


@pytest.mark.parametrize(("mu", "delta"), [(0.3, 1e-5), (1.0, 1e-5), (2.5, 1e-3), (6.0, 1e-8)])
def test_delta_is_the_integral_of_what_one_density_has_beyond_e_to_the_epsilon_of_the_other(mu, delta):
    epsilon = gaussian_epsilon(mu, delta)
    begin = epsilon / mu + mu / 2  # from here on N(mu, 1) is the larger
    excess, _ = quad(lambda x: norm.pdf(x, mu) - math.exp(epsilon) * norm.pdf(x), begin, begin + 12, epsabs=1e-14)
    assert excess == pytest.approx(delta, rel=1e-4)


@given(mu=st.floats(1e-3, 1e3), more=st.floats(1.01, 3), delta=st.floats(1e-12, 0.5))
@settings(max_examples=60, deadline=None)
def test_more_noise_and_a_larger_delta_never_cost_more(mu, more, delta):
    epsilon = gaussian_epsilon(mu, delta)
    assert 0 <= epsilon <= gaussian_epsilon(mu * more, delta)
    assert gaussian_epsilon(mu, min(0.9, delta * more)) <= epsilon
    assert epsilon <= renyi_epsilon(ORDERS * mu * mu / 2, delta) + 1e-9


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("mu", [0.1, 1.0, 20.0])
def test_sampling_never_costs_more_than_no_sampling(mu, share):
    sampled = sampled_renyi(mu, share)
    assert np.all(sampled >= 0)
    assert np.all(sampled <= ORDERS * mu * mu / 2)


def test_no_release_costs_nothing_or_by_divergences_next_to_nothing():
    assert gaussian_epsilon(0.0, 1e-5) == 0.0
    assert renyi_epsilon(np.zeros_like(ORDERS), 1e-5) < 0.02
    assert np.all(sampled_renyi(0.0, 0.1) == 0)
