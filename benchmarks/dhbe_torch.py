"""One iteration of DHBE in PyTorch, written from the paper: what ``dhbe_tf`` is compared with.

Images are (B, C, H, W). Modules are registered in the order in which Keras lists the same layers, which is what
:func:`copy_weights` goes by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_EPSILON, _MOMENTUM = 1e-5, 0.1


class ResNet(nn.Module):
    """A ResNet of basic blocks for 32 px: a 3x3 stem without stride, no pooling (Sec. 5.1.2)."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], classes: int) -> None:
        super().__init__()
        self.conv, self.norm = _conv3(3, widths[0], 1), _norm(widths[0])
        stages, before = [], widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks)):
            for block in range(count):
                stages.append(BasicBlock(before, width, 2 if stage > 0 and block == 0 else 1))
                before = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised images to logits (B, K)."""
        x = self.stages(functional.relu(self.norm(self.conv(x))))
        return self.head(x.mean(dim=(2, 3)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _conv3(before, width, stride), _norm(width)
        changes = stride != 1 or before != width
        self.shortcut = nn.Conv2d(before, width, 1, stride, bias=False) if changes else None
        self.shortcut_norm = _norm(width) if changes else None
        self.conv2, self.norm2 = _conv3(width, width, 1), _norm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features to features."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x))
        return functional.relu(x + y)


class SampleGenerator(nn.Module):
    """Noise (B, latent) to normalised images (B, 3, 4 * base, 4 * base): the paper's table for 32 px."""

    def __init__(self, base: int, latent: int, width: int) -> None:
        super().__init__()
        self.base, wide = base, 2 * width
        self.dense, self.norm = nn.Linear(latent, wide * base * base), _norm(wide)
        self.conv1, self.norm1 = nn.Conv2d(wide, wide, 3, padding=1), _norm(wide)
        self.conv2, self.norm2 = nn.Conv2d(wide, width, 3, padding=1), _norm(width)
        self.last, self.last_norm = nn.Conv2d(width, 3, 3, padding=1), _norm(3, affine=False)

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """Noise to images."""
        x = self.norm(self.dense(noise).view(len(noise), -1, self.base, self.base))
        for conv, norm in ((self.conv1, self.norm1), (self.conv2, self.norm2)):
            x = functional.leaky_relu(norm(conv(functional.interpolate(x, scale_factor=2))), 0.2)
        return self.last_norm(torch.tanh(self.last(x)))


class TriggerGenerator(nn.Module):
    """Noise (B, latent) to patches (B, 3, size, size) in (-1, 1): the paper's table without doubling."""

    def __init__(self, size: int, latent: int, width: int) -> None:
        super().__init__()
        self.size = size
        self.dense, self.norm = nn.Linear(latent, width * size * size), _norm(width)
        self.last, self.last_norm = nn.Conv2d(width, 3, 3, padding=1), _norm(3, affine=False)

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """Noise to patches."""
        x = self.norm(self.dense(noise).view(len(noise), -1, self.size, self.size))
        return torch.tanh(self.last_norm(self.last(x)))


class Draws(NamedTuple):
    """What is random in a step: noise (B, latent) of samples and of patches, and one place for the batch."""

    samples: torch.Tensor
    patches: torch.Tensor
    top: int
    left: int


class Iteration:
    """State and steps of Alg. 1, with the settings of the authors' code."""

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        samples: nn.Module,
        triggers: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        weight: float,
        smoothness: float,
        learning_rate: float,
        generator_rate: float,
    ) -> None:
        self.teacher, self.student = teacher.eval().requires_grad_(False), student.train()
        self.samples, self.triggers = samples.train(), triggers.train()
        self.mean, self.std = (torch.tensor(values).view(1, -1, 1, 1) for values in (mean, std))
        self.weight, self.smoothness = weight, smoothness
        self.student_optimizer = torch.optim.SGD(
            student.parameters(), lr=learning_rate, momentum=0.9, weight_decay=5e-4
        )
        self.sample_optimizer = torch.optim.Adam(samples.parameters(), lr=generator_rate)
        self.trigger_optimizer = torch.optim.Adam(triggers.parameters(), lr=generator_rate)

    def student_step(self, draws: Draws) -> tuple[float, float]:
        """Discrepancy and trigger response, before the step that lowers them (Eq. 8)."""
        with torch.no_grad():
            x = self.samples(draws.samples)
            target, patched = self.teacher(x), self._patched(x, draws)
        answers = self.student(x)
        moved = self.student(patched)
        distance, response = (answers - target).abs().mean(), (moved - answers.detach()).abs().mean()
        _step(self.student_optimizer, distance + self.weight * response)
        return distance.item(), response.item()

    def sample_step(self, draws: Draws) -> float:
        """Discrepancy, before the step that raises it (Eq. 8)."""
        x = self.samples(draws.samples)
        distance = (self.student(x) - self.teacher(x)).abs().mean()
        _step(self.sample_optimizer, self.smoothness * roughness(x) - distance)
        return distance.item()

    def trigger_step(self, draws: Draws) -> float:
        """Trigger response, before the step that raises it (Eq. 7)."""
        with torch.no_grad():
            x = self.samples(draws.samples)
            answers = self.student(x)
        response = (self.student(self._patched(x, draws)) - answers).abs().mean()
        _step(self.trigger_optimizer, -response)
        return response.item()

    def _patched(self, x: torch.Tensor, draws: Draws) -> torch.Tensor:
        patches, side = self.triggers(draws.patches), x.shape[-1]
        size = patches.shape[-1]
        right, bottom = side - size - draws.left, side - size - draws.top
        canvas = functional.pad(patches, (draws.left, right, draws.top, bottom))
        return (x * self.std + self.mean + canvas - self.mean) / self.std


def roughness(x: torch.Tensor) -> torch.Tensor:
    """The authors' smoothness prior: four norms of differences between neighbours, over the whole batch."""
    pairs = (
        (x[..., 1:], x[..., :-1]),
        (x[..., 1:, :], x[..., :-1, :]),
        (x[..., 1:, 1:], x[..., :-1, :-1]),
        (x[..., 1:, :-1], x[..., :-1, 1:]),
    )
    return sum((torch.linalg.vector_norm(one - other) for one, other in pairs), torch.zeros(()))


def draw(generator: torch.Generator, batch: int, latent: int, room: int) -> Draws:
    """What a step needs, at random; ``room`` is how many places there are along an axis."""
    samples, patches = (torch.randn(batch, latent, generator=generator) for _ in range(2))
    top, left = torch.randint(room, (2,), generator=generator).tolist()
    return Draws(samples, patches, top, left)


def copy_weights(network: nn.Module, convolutions: Sequence, norms: Sequence, denses: Sequence) -> None:
    """Give a network the weights of Keras layers.

    Args:
        network: changed in place.
        convolutions: (kernel, bias or None) of each, kernels (h, w, in, out).
        norms: (gamma or None, beta or None, mean, variance) of each.
        denses: (kernel (in, out), bias) of each; one that ends in an image has its outputs as (h, w, channels).
    """
    modules = list(network.modules())
    with torch.no_grad():
        for conv, (kernel, bias) in zip((m for m in modules if isinstance(m, nn.Conv2d)), convolutions):
            _assign(conv.weight, kernel.transpose(3, 2, 0, 1))
            if bias is not None:
                _assign(conv.bias, bias)
        for norm, (gamma, beta, mean, variance) in zip((m for m in modules if isinstance(m, nn.BatchNorm2d)), norms):
            for parameter, value in ((norm.weight, gamma), (norm.bias, beta)):
                if value is not None:
                    _assign(parameter, value)
            _assign(norm.running_mean, mean)
            _assign(norm.running_var, variance)
        for dense, (kernel, bias) in zip((m for m in modules if isinstance(m, nn.Linear)), denses):
            _assign(dense.weight, channels_first(kernel, network).T)
            _assign(dense.bias, channels_first(bias, network))


def channels_first(values: np.ndarray, network: nn.Module) -> np.ndarray:
    """Values (..., h * w * channels) of a generator's first layer as (..., channels * h * w); others as they are."""
    side = getattr(network, "base", getattr(network, "size", None))
    if side is None:
        return values
    grid = values.reshape(*values.shape[:-1], side * side, -1)
    return np.swapaxes(grid, -1, -2).reshape(values.shape)


def _assign(parameter: Optional[torch.Tensor], value: np.ndarray) -> None:
    if parameter is None:
        raise ValueError(f"a layer without such a weight cannot take values of shape {value.shape}")
    if tuple(parameter.shape) != value.shape:
        raise ValueError(f"a weight of shape {tuple(parameter.shape)} cannot take values of shape {value.shape}")
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of the parameters that the optimizer holds; gradients of no others are computed."""
    parameters = optimizer.param_groups[0]["params"]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
        parameter.grad = gradient
    optimizer.step()


def _conv3(before: int, width: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(before, width, 3, stride, padding=1, bias=False)


def _norm(width: int, affine: bool = True) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=_EPSILON, momentum=_MOMENTUM, affine=affine)
