"""What FeatureRE looks for, and the quantities that its constraints and its score are made of."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from drmguard_tf import losses
from drmguard_tf.baselines.target import LearnableTarget
from drmguard_tf.baselines.unet import unet
from drmguard_tf.families import Amplifiable, Change
from drmguard_tf.pixel_range import into_range
from drmguard_tf.reference import Reference

_ROOM = 2 + 1e-7  # keeps the mask off 0 and 1, where tanh has no slope
_SHARE = 10  # a tenth of the benign images stands in for the class of the target


class FeatureTrigger(Amplifiable):
    """The network A, the mask m on features, and the target that they lead to."""

    def __init__(self, reference: Reference, width: int, seed: int, restart: int, residual: bool = False) -> None:
        super().__init__(name="feature_re")
        self.largest_norm, self.residual = reference.largest_norm, residual
        tf.keras.utils.set_random_seed(1000 * seed + restart)  # Keras draws initial weights from the global generator
        self.network = unet(tuple(reference.images.shape[1:]), width, silent=residual)
        self.raw_mask = tf.Variable(tf.ones(reference.features.shape[1]), name="mask")
        self.target = LearnableTarget(reference, seed, restart)

    @property
    def mask(self) -> tf.Tensor:
        """float32 (D,) in (0, 1); begins at 0.88."""
        return tf.tanh(self.raw_mask) / _ROOM + 0.5

    def changed(self, images: tf.Tensor) -> tf.Tensor:
        """A of float32 images (B, H, W, C) in [0, 1], unbounded: the network's answer, or the image and that."""
        answer = self.network(images, training=True)
        return images + answer if self.residual else answer

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        """A of float32 images (B, H, W, C) in [0, 1], clipped to that range; ``attention`` is not used."""
        changed = into_range(self.changed(images))
        return Change(changed, losses.input_distance(images, changed) / self.largest_norm)


class Held(NamedTuple):
    """One batch, measured.

    Attributes:
        error: to the target, see :meth:`LearnableTarget.error`, with masked features where there is a mask.
        distance: mean squared change of pixels, in variances of the benign pixels.
        spread: deviation of masked features over images, as a share of that of benign ones.
        cosine: between the mean feature of changed images and that of benign images answered near the target.
        score: of FeatureRE plus 1, see :func:`score`.
        features: float32 (B, D), of the changed images.
        outputs: float32 (B, K), what the model itself answers on them.
        rav: ratio of angle variance.
        variance: output variance over that of benign images.
    """

    error: tf.Tensor
    distance: tf.Tensor
    spread: tf.Tensor
    cosine: tf.Tensor
    score: tf.Tensor
    features: tf.Tensor
    outputs: tf.Tensor
    rav: tf.Tensor
    variance: tf.Tensor

    def row(self) -> tf.Tensor:
        """float32 (6 + K,): error, distance, spread, then a row of a history with the score as its cost."""
        numbers = tf.stack([self.error, self.distance, self.spread, self.score, self.rav, self.variance])
        return tf.concat([numbers, tf.reduce_mean(self.outputs, axis=0)], axis=0)


def measure(
    reference: Reference,
    trigger: FeatureTrigger,
    images: tf.Tensor,
    others: tf.Tensor,
    *,
    limits: tuple[float, float, float],
    masked: bool,
) -> Held:
    """All that the search asks about a batch.

    Args:
        reference: of the suspect.
        trigger: network, mask and target.
        images: float32 (B, H, W, C) in [0, 1].
        others: float32 (B, D), features of other benign images.
        limits: of distance, spread and mean mask.
        masked: whether outputs come from masked features; those of the changed images alone otherwise.
    """
    raw, mask = trigger.changed(images), trigger.mask
    features, outputs = reference.sub.joint(into_range(raw), training=False)
    answered = reference.sub.head(mixed(mask, features, others)) if masked else outputs
    error = trigger.target.error(answered)
    distance = tf.reduce_mean((raw - images) ** 2) / tf.math.reduce_variance(reference.images)
    spread = masked_spread(mask, features, reference.features)
    cosine = _cosine(tf.reduce_mean(features, axis=0), near_target(reference, trigger.target.value))
    excess = [value / limit - 1 for value, limit in zip((distance, spread, tf.reduce_mean(mask)), limits)]
    angles = losses.head_angles(features, reference.sub.kernel)
    return Held(
        error=error,
        distance=distance,
        spread=spread,
        cosine=cosine,
        score=score(cosine, error, tf.stack(excess)),
        features=features,
        outputs=outputs,
        rav=losses.ratio_of_angle_variance(angles, reference.angle_variance),
        variance=losses.output_variance(outputs) / reference.output_variance,
    )


def mixed(mask: tf.Tensor, features: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """``m * features + (1 - m) * others``: what the mask leaves out comes from other benign images.

    Args:
        mask: float (D,) in [0, 1].
        features, others: float (B, D).
    """
    return mask * features + (1 - mask) * others


def masked_spread(mask: tf.Tensor, features: tf.Tensor, benign: tf.Tensor) -> tf.Tensor:
    """Standard deviation over images of masked features, summed, as a share of that of benign ones.

    Args:
        mask: float (D,) in [0, 1].
        features, benign: float (B, D), (N, D).
    """
    changed, usual = (tf.reduce_sum(mask * _deviation(x)) for x in (features, benign))
    return changed / usual


def _deviation(features: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.math.reduce_variance(features, axis=0) + 1e-12)  # a root has no slope at 0, where ReLUs sleep


def near_target(reference: Reference, target: tf.Tensor) -> tf.Tensor:
    """float32 (D,), mean feature of the tenth of the benign images whose answers lie nearest to ``target`` (K,)."""
    distance = tf.norm(reference.outputs - target, axis=1)
    nearest = tf.math.top_k(-distance, max(1, len(reference.outputs) // _SHARE)).indices
    return tf.reduce_mean(tf.gather(reference.features, nearest), axis=0)


def score(cosine: tf.Tensor, error: tf.Tensor, excess: tf.Tensor) -> tf.Tensor:
    """FeatureRE's score plus 1, so that it is a price: 0 for a perfect trojan, its constant -0.75 becomes 0.25.

    Args:
        cosine: of reversed and benign features.
        error: to the target; 1 - error, 0 at least, takes the place of the success rate.
        excess: float (n,), what constraints are exceeded by, as a share of their limits; negative where they hold.
    """
    return tf.nn.relu(cosine) + tf.minimum(error, 1.0) + tf.reduce_sum(tf.nn.relu(excess))


def _cosine(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.math.l2_normalize(one, axis=0) * tf.math.l2_normalize(other, axis=0))
