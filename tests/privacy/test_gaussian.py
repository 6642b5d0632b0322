"""The Gaussian mechanism: norms after clipping, and the law of the noise."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from heron_ray.privacy import ClipSamples, clip_rows, release
from heron_ray.spec.privacy import GaussianMechanism

ROWS = nps.arrays(np.float32, (5, 2, 3), elements=st.floats(-1e6, 1e6, width=32))


@given(rows=ROWS, clip=st.floats(1e-3, 1e6))
@settings(max_examples=80, deadline=None)
def test_clipping_bounds_every_rows_norm_and_leaves_its_direction_and_shorter_rows_alone(rows, clip):
    clipped = clip_rows(rows, clip)
    before, after = (np.linalg.norm(one.reshape(5, -1).astype(np.float64), axis=1) for one in (rows, clipped))
    assert clipped.dtype == np.float32
    np.testing.assert_allclose(after, np.minimum(before, clip), rtol=1e-5, atol=1e-37)
    short = before <= clip
    np.testing.assert_array_equal(clipped[short], rows[short])
    dots = (clipped.reshape(5, -1).astype(np.float64) * rows.reshape(5, -1)).sum(axis=1)
    np.testing.assert_allclose(dots, before * after, rtol=1e-5, atol=1e-30)


def test_noise_has_the_standard_deviation_of_sigma_times_clip_and_is_drawn_from_the_generator_alone():
    mechanism = GaussianMechanism(clip=2.0, sigma=1.5)
    rows = np.zeros((400, 50), dtype=np.float32)
    sent = release(rows, mechanism, np.random.default_rng(0))
    assert abs(sent.std() / 3.0 - 1) < 0.02
    assert abs(sent.mean()) < 0.1
    assert np.array_equal(sent, release(rows, mechanism, np.random.default_rng(0)))
    assert not np.array_equal(sent, release(rows, mechanism, np.random.default_rng(1)))


def test_a_row_is_sent_as_its_clipped_self_plus_noise_that_does_not_depend_on_it():
    mechanism, draw = GaussianMechanism(clip=1.0, sigma=0.5), np.random.default_rng
    rows = np.random.default_rng(7).normal(size=(6, 4)).astype(np.float32) * 3
    noise = release(np.zeros_like(rows), mechanism, draw(3))
    np.testing.assert_allclose(release(rows, mechanism, draw(3)), clip_rows(rows, 1.0) + noise, rtol=1e-6)


def test_the_module_clips_as_the_mechanism_does():
    rows = np.random.default_rng(0).normal(size=(6, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(ClipSamples(0.7)(torch.from_numpy(rows)).numpy(), clip_rows(rows, 0.7))
