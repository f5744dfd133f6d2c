"""DHBE's losses and steps agree with PyTorch's, from equal weights and equal noise."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dhbe_tf import losses
from dhbe_tf.dhbe import DHBE, Erasure
from dhbe_tf.domain import declared
from dhbe_tf.models import resnet, stem_32
from runs import bench_dhbe

torch = pytest.importorskip("torch")
from benchmarks import dhbe_torch  # noqa: E402  # needs torch

WIDTHS, BLOCKS = (8, 16), (1, 1)
OPTIONS = DHBE(batch=8, latent=16, sample_width=8, trigger_width=8, weight=0.5, learning_rate=0.02)
TOP, LEFT = 3, 20
STEPS = 2  # the second one starts from what the optimizers made of the first
RELATIVE = 1e-4


@pytest.fixture(scope="module")
def both():
    """An erasing in TensorFlow and its twin, both with statistics that no layer has by default, and their noise."""
    tf.keras.utils.set_random_seed(0)
    shape, mean, std = (32, 32, 3), bench_dhbe.MEAN, bench_dhbe.STD
    model = resnet(WIDTHS, BLOCKS, stem_32, "resnet")(shape, 10, mean, std)
    random = np.random.default_rng(0)
    model.set_weights([w + random.uniform(0, 0.1, w.shape).astype(np.float32) for w in model.get_weights()])
    erasure = Erasure(OPTIONS, model=model, domain=declared(mean, std), seed=0)
    twin = bench_dhbe.torch_state(erasure, WIDTHS, BLOCKS)
    noise = random.normal(size=(2, OPTIONS.batch, OPTIONS.latent)).astype(np.float32)
    return erasure, twin, noise


def _run(erasure: Erasure, step: str, noise: np.ndarray) -> np.ndarray:
    """What a step returns, twice, with the noise and the place that are given instead of random ones."""
    drawn, places = [noise[0], noise[1]], [TOP, LEFT]
    if step == "sample_step":
        drawn = drawn[:1]
    erasure._noise = lambda count: tf.constant(drawn.pop(0))  # while the step is traced, once
    erasure._places = lambda side, third: tf.fill([OPTIONS.batch], places.pop(0))
    return np.array([np.array(getattr(erasure, step)()) for _ in range(STEPS)])


def _near(mine, theirs) -> None:
    assert np.linalg.norm(mine - theirs) <= RELATIVE * np.linalg.norm(theirs)


@pytest.mark.parametrize("step", ["student_step", "sample_step", "trigger_step"])
def test_losses_agree_before_and_after_an_optimizer_step(both, step):
    erasure, twin, noise = both
    draws = dhbe_torch.Draws(*(torch.from_numpy(z) for z in noise), TOP, LEFT)
    theirs = np.array([getattr(twin, step)(draws) for _ in range(STEPS)])
    mine = _run(erasure, step, noise)
    np.testing.assert_allclose(mine, theirs, rtol=RELATIVE)
    assert not np.allclose(mine[0], mine[1], rtol=10 * RELATIVE)  # the optimizer did something
    if step == "student_step":
        convolutions, norms, ((kernel, bias),) = bench_dhbe.weights(erasure.student)
        _near(kernel.T, twin.student.head.weight.detach().numpy())
        _near(bias, twin.student.head.bias.detach().numpy())
        for (weight, _), module in zip(convolutions, (m for m in twin.student.modules() if hasattr(m, "stride"))):
            _near(weight.transpose(3, 2, 0, 1), module.weight.detach().numpy())
        gammas = [m.weight.detach().numpy() for m in twin.student.modules() if hasattr(m, "running_mean")]
        for (gamma, *_), theirs_gamma in zip(norms, gammas):
            _near(gamma, theirs_gamma)


def test_the_smoothness_prior_agrees():
    samples = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype(np.float32)
    theirs = dhbe_torch.roughness(torch.from_numpy(samples.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(losses.roughness(tf.constant(samples)), theirs.item(), rtol=RELATIVE)


def test_weights_of_another_shape_are_refused(both):
    erasure, *_ = both
    with pytest.raises(ValueError, match="cannot take"):
        bench_dhbe.torch_state(erasure, (8, 8), BLOCKS)
