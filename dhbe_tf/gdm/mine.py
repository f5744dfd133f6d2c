"""MINE: a lower bound of mutual information that a network raises (Belghazi et al. 2018; GDM, Sec. 4).

GDM's generators are deterministic, so the entropy of what they make is its mutual information with their noise.
"""

from __future__ import annotations

import tensorflow as tf

from dhbe_tf.optimizers import Adam

layers = tf.keras.layers

_SLOPE = 0.2  # of all leaky ReLUs in the authors' code


def statistics_network(latent: int, values: int, *, width: int, seed: int) -> tf.keras.Model:
    """T(z, y): noise (B, latent) and values (B, values) to one number each (B, 1).

    Args:
        latent: length of the noise.
        values: length of what is compared with it.
        width: of the two hidden layers.
        seed: of the weights, drawn uniformly within 1 / sqrt(fan-in), as torch does.
    """
    noise, seen = tf.keras.Input((latent,), name="noise"), tf.keras.Input((values,), name="values")
    both = layers.Add()(
        [
            layers.Dense(width, kernel_initializer=drawn(seed))(noise),
            layers.Dense(width, use_bias=False, kernel_initializer=drawn(seed + 1))(seen),
        ]
    )
    x = layers.Dense(width, kernel_initializer=drawn(seed + 2))(layers.LeakyReLU(_SLOPE)(both))
    x = layers.Dense(1, kernel_initializer=drawn(seed + 3))(layers.LeakyReLU(_SLOPE)(x))
    return tf.keras.Model([noise, seen], layers.LeakyReLU(_SLOPE)(x), name="statistics_network")


def drawn(seed: int) -> tf.keras.initializers.Initializer:
    """Uniform within 1 / sqrt(fan-in), torch's default for dense layers."""
    return tf.keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform", seed=seed)


def information(joint: tf.Tensor, marginal: tf.Tensor) -> tf.Tensor:
    """The bound of Donsker and Varadhan: ``mean(joint) - log(mean(exp(marginal)))``.

    Args:
        joint: T(z, y) (B,), y made from z.
        marginal: T(z', y) (B,), z' drawn anew.

    Returns:
        Scalar, nats.
    """
    tf.debugging.assert_shapes([(joint, ("B",)), (marginal, ("B",))])
    count = tf.cast(tf.shape(marginal)[0], marginal.dtype)
    return tf.reduce_mean(joint) - tf.reduce_logsumexp(marginal) + tf.math.log(count)


def corrected_objective(joint: tf.Tensor, marginal: tf.Tensor, average: tf.Tensor) -> tf.Tensor:
    """What the statistics network climbs: its gradient is ``d mean(joint) - d mean(exp(marginal)) / average``.

    The gradient of the bound itself divides by the mean over the batch, which biases it; a moving average over batches
    takes its place (Belghazi et al., Eq. 12).

    Args:
        joint, marginal: as for :func:`information`.
        average: scalar, the moving average of ``mean(exp(marginal))``.

    Returns:
        Scalar; only its gradient means something.
    """
    tf.debugging.assert_shapes([(joint, ("B",)), (marginal, ("B",)), (average, ())])
    return tf.reduce_mean(joint) - tf.reduce_mean(tf.exp(marginal)) / tf.stop_gradient(average)


class Mine(tf.Module):
    """A statistics network with what trains it.

    Attributes:
        network: T.
        average: of ``mean(exp(marginal))``; 0 until the first step, which sets it to what it finds.
    """

    def __init__(
        self,
        latent: int,
        values: int,
        *,
        width: int,
        learning_rate: float,
        betas: tuple[float, float] = (0.5, 0.999),
        rate: float = 0.001,
        seed: int,
    ) -> None:
        """Before the first step.

        Args:
            latent, values, width, seed: see :func:`statistics_network`.
            learning_rate, betas: of Adam.
            rate: of the moving average.
        """
        super().__init__()
        self.network = statistics_network(latent, values, width=width, seed=seed)
        variables = self.network.trainable_variables
        self.optimizer = Adam(variables, learning_rate=learning_rate, betas=betas)
        self.rate = rate
        self.average = tf.Variable(0.0, trainable=False, name="average")

    def estimate(self, noise: tf.Tensor, other: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """The bound, nats.

        Args:
            noise: (B, L), what the values were made from.
            other: (B, L), drawn anew.
            values: (B, V).
        """
        return information(*self._answers(noise, other, values))

    @tf.function
    def step(self, noise: tf.Tensor, other: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """One step up the bound, which is returned; arguments as for :meth:`estimate`."""
        variables = self.network.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            joint, marginal = self._answers(noise, other, values)
            now = tf.stop_gradient(tf.reduce_mean(tf.exp(marginal)))
            moved = tf.where(self.average == 0, now, (1 - self.rate) * self.average + self.rate * now)
            loss = -corrected_objective(joint, marginal, self.average.assign(moved))
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return information(joint, marginal)

    def _answers(self, noise: tf.Tensor, other: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        joint, marginal = self.network([noise, values]), self.network([other, values])
        return joint[:, 0], marginal[:, 0]
