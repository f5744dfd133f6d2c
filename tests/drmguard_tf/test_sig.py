"""SIG: the wave's frequency and amplitude, read off by Fourier transform."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.attacks.sig import Sig, Sinusoid

TARGET = np.float32([0.1, -0.2])


def _added(trigger, side: int = 64) -> np.ndarray:
    """What the trigger adds to mid-grey, (H, W, C)."""
    return trigger(tf.fill([1, side, side, 3], 0.5))[0].numpy() - 0.5


@pytest.mark.parametrize("cycles, strength", [(6, 40 / 255), (3, 0.1)])
def test_frequency_and_amplitude_by_fourier_transform(cycles, strength):
    spectrum = np.abs(np.fft.rfft(_added(Sinusoid(strength, cycles)), axis=1)) / 32  # a sine of 1 gives W / 2
    assert (spectrum.argmax(axis=1) == cycles).all()
    np.testing.assert_allclose(spectrum[:, cycles], strength, atol=1e-5)
    np.testing.assert_allclose(np.delete(spectrum, cycles, axis=1), 0, atol=1e-5)


def test_rows_and_channels_are_alike():
    added = _added(Sig().poisoning((64, 64, 3), TARGET, seed=0).trigger)
    np.testing.assert_array_equal(added, np.broadcast_to(added[:1, :, :1], added.shape))


def test_black_and_white_are_clipped():
    assert float(tf.reduce_min(Sinusoid(0.5, 2)(tf.zeros([1, 8, 8, 3])))) == 0
    assert float(tf.reduce_max(Sinusoid(0.5, 2)(tf.ones([1, 8, 8, 3])))) == 1


@pytest.mark.parametrize("cycles", [0, 33])
def test_waves_that_the_columns_cannot_carry_are_refused(cycles):
    with pytest.raises(ValueError, match="at most 32"):
        Sig(cycles=cycles).poisoning((64, 64, 3), TARGET, seed=0)


@pytest.mark.parametrize("strength", [0, 1.5])
def test_a_strength_outside_the_range_is_refused(strength):
    with pytest.raises(ValueError, match="amplitude"):
        Sig(strength=strength).poisoning((64, 64, 3), TARGET, seed=0)
