"""DHBE's iteration beside the same iteration in PyTorch, in the same process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from dhbe_tf.dhbe import DHBE, Erasure
from dhbe_tf.domain import declared
from dhbe_tf.models import build

layers = tf.keras.layers

# widths and blocks of the architectures that both sides have
NETWORKS = {
    "resnet18": ((64, 128, 256, 512), (2, 2, 2, 2)),
    "narrow-resnet18": ((16, 32, 64, 128), (2, 2, 2, 2)),
}
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)  # CIFAR-10
SIDE, CLASSES = 32, 10


def run(*, architecture: str, batch: int, rounds: int, seed: int) -> dict[str, Any]:
    """Seconds of an iteration (five student steps, one of each generator), TensorFlow and PyTorch taking turns.

    Args:
        architecture: a name in :data:`NETWORKS`.
        batch: samples a step.
        rounds: timed iterations of each, after one that is not timed.
        seed: of weights and noise.

    Returns:
        Median seconds of both by the clock and by the processor, their ratios (above 1: TensorFlow is faster), and
        TensorFlow's FLOP/s.

    Raises:
        ValueError: if PyTorch is not installed.
    """
    options = DHBE(batch=batch)
    tf.keras.utils.set_random_seed(seed)
    model = build(architecture, (SIDE, SIDE, 3), CLASSES, mean=MEAN, std=STD)
    erasure = Erasure(options, model=model, domain=declared(MEAN, STD), seed=seed)
    contestants = {"tensorflow": erasure.iterate, "pytorch": torch_iteration(erasure, architecture, seed)}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, iterate in contestants.items():
            taken = _timed(iterate)
            if turn:
                seconds[name].append(taken)
    (wall, busy), (torch_wall, torch_busy) = (np.median(values, axis=0).tolist() for values in seconds.values())
    work = flops(erasure)
    return {
        "architecture": architecture,
        "batch": batch,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "tensorflow_s": wall,
        "pytorch_s": torch_wall,
        "ratio": torch_wall / wall,
        "tensorflow_cpu_s": busy,
        "pytorch_cpu_s": torch_busy,
        "cpu_ratio": torch_busy / busy,
        "flop": work,
        "tensorflow_flop_per_s": work / wall,
    }


def torch_iteration(erasure: Erasure, architecture: str, seed: int) -> Callable[[], None]:
    """The same iteration in PyTorch, from the same weights.

    Raises:
        ValueError: if PyTorch is not installed.
    """
    try:
        import torch

        from benchmarks import dhbe_torch
    except ImportError:
        raise ValueError("PyTorch is not installed; install it with: pip install 'drmguard-tf[bench]'") from None
    state = torch_state(erasure, *NETWORKS[architecture])
    random, options = torch.Generator().manual_seed(seed), erasure.options

    def iterate() -> None:
        def fresh() -> dhbe_torch.Draws:
            return dhbe_torch.draw(random, options.batch, options.latent, SIDE - options.trigger_size + 1)

        for _ in range(options.student_steps):
            state.student_step(fresh())
        state.sample_step(fresh())
        state.trigger_step(fresh())

    return iterate


def torch_state(erasure: Erasure, widths: tuple[int, ...], blocks: tuple[int, ...]) -> Any:
    """PyTorch's networks and optimizers with the weights and settings of an erasing."""
    from benchmarks import dhbe_torch

    options = erasure.options
    teacher, student = (dhbe_torch.ResNet(widths, blocks, erasure.teacher.output_shape[-1]) for _ in range(2))
    samples = dhbe_torch.SampleGenerator(SIDE // 4, options.latent, options.sample_width)
    triggers = dhbe_torch.TriggerGenerator(options.trigger_size, options.latent, options.trigger_width)
    ours = (erasure.teacher, erasure.student, erasure.samples, erasure.triggers)
    for network, mine in zip((teacher, student, samples, triggers), ours):
        dhbe_torch.copy_weights(network, *weights(mine))
    return dhbe_torch.Iteration(
        teacher,
        student,
        samples,
        triggers,
        mean=erasure.domain.mean,
        std=erasure.domain.std,
        weight=options.weight,
        smoothness=options.smoothness,
        learning_rate=options.learning_rate,
        generator_rate=options.generator_rate,
    )


def weights(model: tf.keras.Model) -> tuple[list, list, list]:
    """Weights of convolutions, batch norms and dense layers, as ``benchmarks.dhbe_torch.copy_weights`` takes them."""

    def of(kind: type, *names: str) -> list[tuple]:
        return [
            tuple(None if getattr(layer, name) is None else getattr(layer, name).numpy() for name in names)
            for layer in model.layers
            if isinstance(layer, kind)
        ]

    norms = of(layers.BatchNormalization, "gamma", "beta", "moving_mean", "moving_variance")
    return of(layers.Conv2D, "kernel", "bias"), norms, of(layers.Dense, "kernel", "bias")


def flops(erasure: Erasure) -> int:
    """Floating point operations of convolutions and dense layers in an iteration.

    A gradient by weights, and one by inputs, costs as much as the way forward. A student step has the teacher and two
    students forward, the students back by both; the other steps go through student and teacher by inputs alone.
    """
    steps = erasure.options.student_steps
    student, samples, triggers = (
        forward_flops(network) * erasure.options.batch
        for network in (erasure.student, erasure.samples, erasure.triggers)
    )
    in_student_steps = steps * (7 * student + samples + triggers)
    in_sample_step = 4 * student + 3 * samples
    in_trigger_step = 3 * student + samples + 3 * triggers
    return in_student_steps + in_sample_step + in_trigger_step


def forward_flops(model: tf.keras.Model) -> int:
    """Operations of convolutions and dense layers for one sample; a multiplication and an addition are two."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, (layers.Conv2D, layers.Dense)):
            places = int(np.prod(layer.output_shape[1:-1]))
            total += 2 * places * int(np.prod(layer.kernel.shape))
    return total


def _timed(iterate: Callable[[], Any]) -> tuple[float, float]:
    started, busy = time.perf_counter(), time.process_time()
    iterate()
    return time.perf_counter() - started, time.process_time() - busy
