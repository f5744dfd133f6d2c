"""The optimizers of DHBE's experiments, computing as PyTorch's do."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # torch's defaults for Adam


class SGD(tf.Module):
    """Momentum SGD with coupled weight decay: ``v = momentum * v + d``, ``w = w - rate * v``, ``d = g + decay * w``.

    Nesterov's form goes ``w = w - rate * (d + momentum * v)``.

    Keras multiplies by the rate before the momentum, which differs once the rate changes, and decays apart from it.
    Weight decay acts on all variables, batch norm's scale and shift included, as in the authors' code.

    Attributes:
        learning_rate: variable; assign it to anneal.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        *,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        nesterov: bool = False,
    ) -> None:
        super().__init__()
        self.learning_rate = tf.Variable(learning_rate, trainable=False, name="learning_rate")
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        self.velocities = [tf.Variable(tf.zeros_like(v), trainable=False, name="velocity") for v in variables]

    def apply(self, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable]) -> None:
        """One step; ``variables`` are those of the constructor, in their order."""
        for gradient, variable, velocity in zip(gradients, variables, self.velocities):
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=velocity.handle,
                lr=self.learning_rate,
                grad=gradient + self.weight_decay * variable,
                momentum=self.momentum,
                use_nesterov=self.nesterov,
            )


class Adam(tf.Module):
    """Adam with torch's defaults; its epsilon is added after the correction of the bias, which Keras does before.

    All state exists from the start, so a checkpoint restores it before the first step.

    Attributes:
        learning_rate: variable; assign it to anneal.
    """

    def __init__(
        self, variables: Sequence[tf.Variable], *, learning_rate: float, betas: tuple[float, float] = _BETAS
    ) -> None:
        super().__init__()
        self.betas = betas
        self.learning_rate = tf.Variable(learning_rate, trainable=False, name="learning_rate")
        self.powers = [tf.Variable(1.0, trainable=False, name="power") for _ in betas]  # beta ** steps
        self.means, self.squares = (
            [tf.Variable(tf.zeros_like(v), trainable=False, name=name) for v in variables]
            for name in ("mean", "square")
        )

    def restart(self) -> None:
        """Everything but the rate as before the first step."""
        for variable in (*self.means, *self.squares):
            variable.assign(tf.zeros_like(variable))
        for power in self.powers:
            power.assign(1.0)

    def apply(self, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable]) -> None:
        """One step; ``variables`` are those of the constructor, in their order."""
        powers = [power.assign(power * beta) for power, beta in zip(self.powers, self.betas)]
        for gradient, variable, mean, square in zip(gradients, variables, self.means, self.squares):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=self.learning_rate,
                beta1=self.betas[0],
                beta2=self.betas[1],
                epsilon=_EPSILON * tf.sqrt(1 - powers[1]),
                grad=gradient,
            )
