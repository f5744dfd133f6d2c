"""The search as the paper prints it: Eq. 5 with fixed weights, Eq. 7, and the paper's generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.contract import GAZE, HEAD_POSE, Task
from data_prep.journal import NO_JOURNAL, Journal
from drmguard_tf import losses
from drmguard_tf.families import Amplifiable, Change
from drmguard_tf.generator import paper_generator
from drmguard_tf.optimizers import Adam
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import Reversal, Run, Terms


@dataclass(frozen=True)
class PaperSearch:
    """Options of the printed search; defaults are the paper's for gaze, :meth:`of` has those for head pose.

    Attributes:
        variance_weight: lambda_1, on the output variance in radians squared.
        rav_weight: lambda_2, on RAV. Both weights belong to a summed L1 norm over ``side`` x ``side`` x 3 values and
            are scaled with the image size.
        side: of the paper's images, pixels.
        steps, batch, learning_rate: of the search.
        pretraining: steps in which G first learns the identity.
    """

    variance_weight: float = 20.0
    rav_weight: float = 800.0
    side: int = 224  # MPIIFaceGaze; Biwi is 112 (App. A.2.2)
    steps: int = 2_000  # "We use Adam optimizer to train G for 2,000 training steps" (App. A.10)
    batch: int = 50  # 50 for gaze estimation, 100 for head pose (App. A.10)
    learning_rate: float = 0.0015  # "0.0015 and 0.0001, respectively" (App. A.10)
    pretraining: int = 5_000  # "we pre-train G on the benign dataset for 5,000 training steps" (App. A.10)

    @classmethod
    def of(cls, task: Task) -> PaperSearch:
        """The paper's settings for a task."""
        settings = {GAZE: cls(), HEAD_POSE: cls(10.0, 100.0, side=112, batch=100, learning_rate=0.0001)}
        return settings[task]

    @property
    def families(self) -> tuple[str, ...]:
        """The one generator."""
        return ("paper",)

    @property
    def total_steps(self) -> int:
        """Steps of the search, pre-training not counted."""
        return self.steps

    def pretrain(
        self,
        images: np.ndarray,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
    ) -> tf.keras.Model:
        """G after it has learned the identity on the benign images; depends on them and their size only.

        Args:
            images: float32 (N, H, W, C) in [0, 1].
            seed: of G's weights and the order of the images.
            progress: called with the number of steps done.
            journal: where an interrupted pre-training goes on.
        """
        tf.keras.utils.set_random_seed(seed)  # Keras draws initial weights from the global generator
        _, height, width, channels = images.shape
        generator = paper_generator((height, width, channels))
        pretraining = _Pretraining(generator, self.learning_rate)
        done = journal.resume({"pretraining": pretraining})
        order = batches(len(images), self.batch, self.pretraining, seed)
        for step, index in enumerate(islice(order, done, None), done + 1):
            loss = pretraining.step(tf.gather(images, index))
            progress(step)
            journal.note(step, {"distance": loss})
        journal.complete(self.pretraining)
        return generator

    def run(
        self,
        reference: Reference,
        *,
        seed: int,
        generator: tf.keras.Model | None = None,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Run]:
        """One run from the identity.

        Args:
            reference: constants of the suspect.
            seed: of the run.
            generator: a pre-trained G, which is left as it is; pre-trained here when None.
            progress: called with the number of search steps done.
            journals: gives the run its journal, as for the steered search, and the pre-training one of its own.
        """
        if generator is None:
            generator = self.pretrain(reference.images, seed=seed, journal=journals("pretraining"))
        fresh = tf.keras.models.clone_model(generator)
        fresh.set_weights(generator.get_weights())
        trigger = PaperTrigger(fresh, reference.largest_norm)
        printed = _Printed(reference, trigger, self, seed)
        return [printed.run(self.steps, trigger, seed, progress, journals(f"paper-{seed}"))]


class PaperTrigger(Amplifiable):
    """G behind the momentum reverse trigger."""

    def __init__(self, generator: tf.keras.Model, largest_norm: float) -> None:
        super().__init__(name="paper")
        self.generator, self.largest_norm = generator, largest_norm

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        """Regenerate float32 images (B, H, W, C) in [0, 1]; the price is the paper's score (Sec. 3.4)."""
        generated = self.generator(images, training=True)
        changed = losses.momentum_reverse_trigger(images, generated, attention)
        return Change(changed, losses.input_distance(images, changed) / self.largest_norm)


class _Pretraining(tf.Module):
    def __init__(self, generator: tf.keras.Model, learning_rate: float) -> None:
        super().__init__()
        self.generator, self.optimizer = generator, Adam(learning_rate)
        self.optimizer.prepare(generator.trainable_variables)

    @tf.function
    def step(self, images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(self.generator(images, training=True) - images))
        variables = self.generator.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss


class _Printed(Reversal):
    def __init__(self, reference: Reference, trigger: PaperTrigger, options: PaperSearch, seed: int) -> None:
        super().__init__(reference, trigger, learning_rate=options.learning_rate, batch=options.batch, seed=seed)
        scale = int(np.prod(reference.images.shape[1:])) / (3 * options.side**2)
        self.variance_weight, self.rav_weight = scale * options.variance_weight, scale * options.rav_weight

    def objective(self, terms: Terms) -> tf.Tensor:
        """Eq. 5: lambda_1 * variance + distance + lambda_2 * RAV."""
        variance = terms.spread * self.reference.output_variance
        return self.variance_weight * variance + terms.cost * self.reference.largest_norm + self.rav_weight * terms.rav
