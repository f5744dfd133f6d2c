"""Neural attention distillation (NAD, Li et al. 2021): the suspect learns to look where a fine-tuned copy looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.baselines.rival import check, with_weights_of
from dhbe_tf.baselines.tuning import Objective, Tuning

layers = tf.keras.layers

_TINY = 1e-6  # a map that is 0 everywhere has no direction


@dataclass(frozen=True)
class AttentionDistillation:
    """Options.

    Attributes:
        weights: of the attention losses, first stage first; the last one is that of all further stages too.
        power: of the activations in an attention map.
        teacher: fine-tuning of the copy that is followed.
        student: training of the copy that follows.
    """

    weights: tuple[float, ...] = (500.0, 1000.0)  # 500, 1000, 1000 for three stages in the authors' code
    power: float = 2.0
    teacher: Tuning = field(default_factory=lambda: Tuning(epochs=10))
    student: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        if not self.weights or min(self.weights) < 0 or self.power <= 0:
            raise ValueError(f"there must be weights, none negative, and the power must be above 0; got {self}")

    def total(self, suspect: ClassSuspect) -> int:
        """Steps of teacher and student."""
        return self.teacher.total_steps + self.student.total_steps

    def mitigate(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> tf.keras.Model:
        """A copy that attends as the fine-tuned one; see :class:`dhbe_tf.baselines.rival.Rival`."""
        check(suspect)
        teacher, student = logits.copy(suspect.model), logits.copy(suspect.model)
        maps = tf.keras.Model(teacher.inputs, stages(teacher))
        before = self.teacher.total_steps
        self.teacher.run(teacher, suspect.benign, seed=seed, progress=progress, journal=journals("teacher"))

        def objective(model: tf.keras.Model) -> Objective:
            both = tf.keras.Model(model.inputs, [model.outputs[0], *stages(model)])

            def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
                answers, *mine = both(images, training=True)
                theirs = _listed(maps(images, training=False))
                entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answers))
                return entropy + distance(mine, theirs, self.weights, self.power)

            return loss

        self.student.run(
            student,
            suspect.benign,
            seed=seed + 1,
            objective=objective,
            progress=lambda step: progress(before + step),
            journal=journals("student"),
        )
        return with_weights_of(student, suspect)


def attention(maps: tf.Tensor, power: float) -> tf.Tensor:
    """Where activations are large: the mean of ``abs(maps)**power`` over channels, as a vector of length 1.

    Args:
        maps: (B, H, W, C).
        power: p.

    Returns:
        (B, H * W).
    """
    tf.debugging.assert_shapes([(maps, ("B", "H", "W", "C"))])
    strength = tf.reduce_mean(tf.abs(maps) ** power, axis=-1)
    flat = tf.reshape(strength, (tf.shape(maps)[0], -1))
    return flat / (tf.norm(flat, axis=1, keepdims=True) + _TINY)


def distance(
    student: Sequence[tf.Tensor], teacher: Sequence[tf.Tensor], weights: Sequence[float], power: float
) -> tf.Tensor:
    """Weighted sum, over stages, of the mean squared difference of attention (NAD).

    Args:
        student, teacher: feature maps (B, H, W, C) of every stage.
        weights: first stage first; the last one is that of all further stages too.
        power: see :func:`attention`.
    """
    given = [weights[min(stage, len(weights) - 1)] for stage in range(len(student))]
    gaps = [attention(mine, power) - attention(theirs, power) for mine, theirs in zip(student, teacher)]
    return tf.add_n([weight * tf.reduce_mean(gap**2) for weight, gap in zip(given, gaps)])


def stages(model: tf.keras.Model) -> list[tf.Tensor]:
    """The last feature maps of every size on the way: what the residual stages of a ResNet return.

    Raises:
        ValueError: if there are none, with more than one place.
    """
    last: dict[tuple[int, ...], tf.Tensor] = {}
    learned = False  # whether a layer with weights has come; before it, there are but images
    for layer in model.layers:
        learned = learned or bool(layer.trainable_weights)
        shape = getattr(layer.output, "shape", ())
        if learned and len(shape) == 4 and min(shape[1:3]) > 1 and not isinstance(layer, layers.ZeroPadding2D):
            last[tuple(shape[1:3])] = layer.output
    if not last:
        raise ValueError(
            f"attention is compared on feature maps, and {model.name!r} has none of more than one place at its top "
            "level. Use another method, such as fine-tuning."
        )
    return list(last.values())


def _listed(maps: tf.Tensor | list[tf.Tensor]) -> list[tf.Tensor]:
    """A Keras model with one output returns it without a list."""
    return maps if isinstance(maps, list) else [maps]
