"""DHBE: a clean student is distilled from a backdoored teacher, without any data (Alg. 1).

Two games are played at once. A sample generator looks for images on which student and teacher differ, and the student
follows the teacher there. A trigger generator looks for small patches that move the student's outputs, and the student
learns to ignore them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple, Optional, Union

import numpy as np
import tensorflow as tf

from data_prep.diverged import Diverged
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import Suspect
from dhbe_tf import logits, losses
from dhbe_tf.domain import Domain, read
from dhbe_tf.drawn import balanced, draw, in_parts
from dhbe_tf.generators import renew, sample_generator, trigger_generator
from dhbe_tf.optimizers import SGD, Adam

_LATER = {"tolerance", "renewed"}  # options that older results did not have
_TOLD = 3.0  # how loudly a trigger generator is told where its patch goes, beside noise of 1


@dataclass(frozen=True)
class DHBE:
    """Options of the erasing; the defaults are those of the authors' public code where it and the paper disagree.

    Attributes:
        epochs, iterations: ``epochs * iterations`` iterations; the epochs only name the milestones.
        student_steps: student updates an iteration; each generator has one.
        batch: generated samples a step.
        weight: of the trigger response in the student's loss (Eq. 8). 0 is adversarial distillation alone: then no
            patched image is made at all.
        trigger_size: side of the generated patches, pixels.
        placement: "batch": all patches of a batch go to one random place, another for every batch. "sample": each goes
            to a place of its own. "borders": the same, but along each axis a third of the places touch the first
            border, a third the last one, and the trigger generator is told which third its patch is for.
        copies: how many patches are added to each sample.
        in_range: whether patched samples are cut to [0, 1], where the pixels of all images lie.
        trigger_scale: what patches are multiplied by, so the largest change of a pixel.
        drawn: share of the samples that is drawn (:mod:`dhbe_tf.drawn`) instead of generated. 1 leaves the sample
            generator out.
        pool: how many are drawn before the first step, of every class alike by the teacher's answers, to be used again
            and again; 0 draws new ones in every step, whatever their classes.
        smoothness: weight of :func:`dhbe_tf.losses.roughness` in the sample generator's loss.
        tolerance: deviation of the student (:func:`dhbe_tf.losses.deviation`) from which on the weight gives way
            (:func:`dhbe_tf.losses.yielding`); None keeps it whole.
        renewed: iterations after which the trigger generator is begun anew with other weights, until the last
            milestone; 0 keeps it. One generator settles on a kind of patch and comes back to it, whatever there is.
        batch_statistics: whether the student's batch norm uses the statistics of the batch and moves its own towards
            them, in every step that it takes part in, as in the authors' code. If not, it keeps the teacher's: then
            student and teacher are equal at the start, and far fewer iterations suffice.
        latent: length of the noise.
        sample_width, trigger_width: of the generators.
        learning_rate, momentum, weight_decay: of the student's SGD.
        generator_rate: of both generators' Adam.
        milestones: shares of the iterations at which all three rates fall to a tenth.
    """

    epochs: int = 300  # "50 iterations x 300 epochs" (Sec. 5.1.3)
    iterations: int = 50
    student_steps: int = 5  # "we set k = 5" (Sec. 4.4) and the code; Sec. 5.1.3 has three
    batch: int = 256  # the code; Sec. 5.1.3 has 128
    weight: float = 0.1  # "to 0.1 in all experiments" (Sec. 5.1.3)
    trigger_size: int = 5  # the code
    placement: str = "batch"  # the code; "randomly pad" (Sec. 4.3.3) can be read either way
    copies: int = 1
    in_range: bool = False  # the code cuts nothing off
    trigger_scale: float = 1.0  # the code has no such scalar
    drawn: float = 0.0
    pool: int = 0
    smoothness: float = 1e-4  # the code; not in the paper
    tolerance: Optional[float] = None  # the paper's weight is fixed
    renewed: int = 0  # the paper has one generator
    batch_statistics: bool = True
    latent: int = 256  # Tables 10 to 13
    sample_width: int = 64
    trigger_width: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    generator_rate: float = 1e-3
    milestones: tuple[float, ...] = (0.6, 0.8)  # "at epoch 180 and 240"

    def __repr__(self) -> str:
        """Without tolerance and renewal as before there were any: results in stores are named by it."""
        shown = [field.name for field in fields(self) if field.name not in _LATER or getattr(self, field.name)]
        return f"DHBE({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __post_init__(self) -> None:
        counts = (
            self.copies,
            self.epochs,
            self.iterations,
            self.student_steps,
            self.latent,
            self.sample_width,
            self.trigger_width,
        )
        if min(counts) < 1 or self.batch < 2:
            raise ValueError(f"counts and widths must be 1 or more and batch 2 or more, got {self}")
        if self.placement not in ("batch", "sample", "borders"):
            raise ValueError(f'placement must be "batch", "sample" or "borders", got {self.placement!r}')
        if not 0 <= self.drawn <= 1 or self.batch - self.drawn_samples == 1:
            raise ValueError(
                f"drawn must be a share from 0 to 1 that leaves the generator no single sample of a batch, got {self}"
            )
        if self.pool < 0 or (self.pool and not self.drawn_samples):
            raise ValueError(f"a pool is 0 or more drawn samples, and needs drawn above 0; got {self}")
        if self.renewed < 0 or (self.tolerance is not None and self.tolerance <= 0):
            raise ValueError(
                f"renewed is a number of iterations, or 0, and tolerance a deviation above 0, or None; got {self}"
            )
        if min(self.weight, self.smoothness) < 0 or min(self.trigger_scale, self.learning_rate) <= 0:
            raise ValueError(
                f"weights must not be negative; trigger_scale and learning rates must be above 0, got {self}"
            )

    @property
    def total(self) -> int:
        """Iterations in all."""
        return self.epochs * self.iterations

    @property
    def drawn_samples(self) -> int:
        """How many samples of a batch are drawn."""
        return round(self.drawn * self.batch)

    def rate(self, iteration: int) -> float:
        """What the learning rates are multiplied by in an iteration, counted from 0."""
        return 0.1 ** sum(iteration >= round(share * self.total) for share in self.milestones)

    def mitigate(
        self,
        suspect: Suspect,
        *,
        seed: int,
        domain: Domain | None = None,
        progress: Callable[[int], None] = lambda iteration: None,
        journal: Journal = NO_JOURNAL,
    ) -> tf.keras.Model:
        """A clean model from a suspect one; of the suspect only the model is used, and it stays as it is.

        Args:
            suspect: the model; its benign set, if any, is not looked at.
            seed: of the generators' weights and all noise.
            domain: what the model takes; by default read from the model.
            progress: called with the number of iterations done.
            journal: where an interrupted erasing goes on.

        Raises:
            ValueError: if the model or the patch size does not fit.
        """
        erasure = Erasure(self, model=suspect.model, domain=domain or read(suspect.model), seed=seed)
        erasure.run(progress, journal)
        return erasure.cleaned(suspect.model)


class Losses(NamedTuple):
    """What an iteration's last student step and its generator steps measured; see :mod:`dhbe_tf.losses`.

    Attributes:
        student_discrepancy, student_response: of the student step; the response is 0 without patches.
        sample_discrepancy: what the sample generator reached; 0 if all samples are drawn.
        trigger_response: what the trigger generator reached.
    """

    student_discrepancy: float
    student_response: float
    sample_discrepancy: float
    trigger_response: float


class Erasure(tf.Module):
    """The state of one erasing; ``tf.train.Checkpoint`` restores all of it.

    With ``batch_statistics`` the student runs in training mode in every step, those of the generators included: its
    batch norm sees fake, patched, and again fake batches, each a batch of its own. The generators always run in
    training mode, so theirs moves wherever they are asked. The teacher runs in inference mode and never changes.
    """

    def __init__(self, options: DHBE, *, model: tf.keras.Model, domain: Domain, seed: int) -> None:
        """Before the first iteration: the student starts from the teacher.

        Args:
            options: the settings.
            model: the suspect model.
            domain: what it takes.
            seed: of the generators' weights and all noise.
        """
        super().__init__()
        self.teacher, self.student = logits.copy(model), logits.copy(model)
        shape = model.input_shape[1:]
        if len(domain.mean) != shape[-1]:
            raise ValueError(f"the model takes {shape[-1]} channels, mean and std have {len(domain.mean)}")
        if options.trigger_size > min(shape[:2]):
            raise ValueError(f"patches of {options.trigger_size} px do not fit into images of {shape[:2]}")
        self.options, self.domain = options, domain
        sample_seed, self.trigger_seed = 2 * seed, 2 * seed + 1
        self.samples = sample_generator(shape, latent=options.latent, width=options.sample_width, seed=sample_seed)
        self.triggers = trigger_generator(
            options.trigger_size,
            shape[-1],
            latent=options.latent + (6 if options.placement == "borders" else 0),
            width=options.trigger_width,
            seed=self.trigger_seed,
        )
        self.student_optimizer = SGD(
            self.student.trainable_variables,
            learning_rate=options.learning_rate,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
        )
        self.sample_optimizer, self.trigger_optimizer = (
            Adam(network.trainable_variables, learning_rate=options.generator_rate)
            for network in (self.samples, self.triggers)
        )
        self.random = tf.random.Generator.from_seed(seed)
        if options.pool:
            self.pool = balanced(self.random, options.pool, shape, self._teacher)
            self.answers = in_parts(self._teacher, self.pool)
        self.iteration = tf.Variable(0, trainable=False, dtype=tf.int64, name="iteration")

    @property
    def done(self) -> int:
        """Iterations done."""
        return int(self.iteration)

    @property
    def drawn_by_class(self) -> Optional[list[int]]:
        """How many samples of the pool the teacher gives to each class (K numbers); None without a pool."""
        if not self.options.pool:
            return None
        given = tf.argmax(self.answers, axis=1).numpy()
        return np.bincount(given, minlength=self.answers.shape[-1]).tolist()

    def run(
        self, progress: Callable[[int], None] = lambda iteration: None, journal: Journal = NO_JOURNAL
    ) -> np.ndarray:
        """All iterations that are left.

        Args:
            progress: called with the number of iterations done.
            journal: where an interrupted erasing goes on.

        Returns:
            float32 (iterations, 4), the columns those of :class:`Losses`.

        Raises:
            Diverged: if it does.
        """
        history = np.full((self.options.total, len(Losses._fields)), np.nan, np.float32)
        journal.resume({"erasure": self}, history)
        while self.done < self.options.total:
            losses_now = self.iterate()
            history[self.done - 1] = losses_now
            if not np.isfinite(losses_now).all():
                raise Diverged(
                    f"the erasing diverged in iteration {self.done}: {losses_now}. "
                    "Lower the learning rate or the weight."
                )
            journal.note(self.done, losses_now._asdict())
            progress(self.done)
        journal.complete(self.done)
        return history

    def made(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """What samples and patches look like, with noise that always is the same and leaves everything else as it was.

        Args:
            count: how many, at most ``batch``.

        Returns:
            Samples as pixels (count, H, W, C), the drawn ones first, and patches (count, S, S, C) in (-1, 1).
        """
        kept = [variable.numpy() for network in (self.samples, self.triggers) for variable in network.variables]
        random, drawn = tf.random.Generator.from_seed(0), round(self.options.drawn * count)
        noise = random.normal((self.options.batch, self.options.latent))
        pixels = self.domain.pixels(self.samples(noise, training=True)).numpy()[:count]
        if self.options.pool:
            pixels[:drawn] = tf.gather(self.pool, np.linspace(0, len(self.pool) - 1, drawn).astype(int))
        elif drawn:
            pixels[:drawn] = draw(random, drawn, pixels.shape[1:]).numpy()
        patches = self.triggers(_told(noise, self._thirds(random)), training=True).numpy()[:count]
        for network in (self.samples, self.triggers):
            for variable in network.variables:
                variable.assign(kept.pop(0))
        return pixels, patches

    def deviation(self, count: int = 256) -> float:
        """How far the student is from the teacher on drawn samples, which needs no data.

        Args:
            count: how many; always the same ones.

        Returns:
            See :func:`dhbe_tf.losses.deviation`.
        """
        inputs = self.domain.inputs(draw(tf.random.Generator.from_seed(0), count, self.teacher.input_shape[1:]))
        return float(losses.deviation(self.student(inputs, training=False), self.teacher(inputs, training=False)))

    def iterate(self) -> Losses:
        """One iteration of Alg. 1."""
        self._anneal()
        self._renew()
        for _ in range(self.options.student_steps):
            student = self.student_step()
        sample, trigger = self.sample_step(), self.trigger_step()
        self.iteration.assign_add(1)
        return Losses(float(student[0]), float(student[1]), float(sample), float(trigger))

    def cleaned(self, model: tf.keras.Model) -> tf.keras.Model:
        """The student's weights in a copy of the suspect, which has its softmax again if it had one."""
        clean = tf.keras.models.clone_model(model)
        clean.set_weights(self.student.get_weights())
        return clean

    @tf.function
    def student_step(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The student comes closer to the teacher and away from triggers (Eq. 8). Returns both terms."""
        pixels, target = self._lesson()
        patched = self._patched(pixels) if self.options.weight else None
        with tf.GradientTape() as tape:
            answers = self._student(pixels)
            distance, response = losses.discrepancy(answers, target), tf.constant(0.0)
            if patched is not None:
                moved = self._student(patched)
                response = losses.trigger_response(tf.stop_gradient(answers), moved)
            loss = distance + self._weight(answers, target) * response
        variables = self.student.trainable_variables
        self.student_optimizer.apply(tape.gradient(loss, variables), variables)
        return distance, response

    @tf.function
    def sample_step(self) -> tf.Tensor:
        """The sample generator looks for samples on which student and teacher differ (Eq. 8). Returns by how much."""
        if self.options.drawn_samples == self.options.batch:
            return tf.constant(0.0)
        variables = self.samples.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            samples = self._generated(self.options.batch)
            pixels = self.domain.pixels(samples)
            answers = self._student(pixels)
            distance = losses.discrepancy(answers, self._teacher(pixels))
            loss = self.options.smoothness * losses.roughness(samples) - distance
        self.sample_optimizer.apply(tape.gradient(loss, variables), variables)
        return distance

    @tf.function
    def trigger_step(self) -> tf.Tensor:
        """The trigger generator looks for patches that move the student's outputs (Eq. 7). Returns by how much."""
        if not self.options.weight:
            return tf.constant(0.0)
        variables = self.triggers.trainable_variables
        pixels, _ = self._lesson()
        answers = self._student(pixels)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            moved = self._student(self._patched(pixels))
            response = losses.trigger_response(answers, moved)
            loss = -response
        self.trigger_optimizer.apply(tape.gradient(loss, variables), variables)
        return response

    def _lesson(self) -> tuple[tf.Tensor, tf.Tensor]:
        """A batch of samples, the drawn ones first, and what the teacher answers."""
        drawn, generated = self.options.drawn_samples, self.options.batch - self.options.drawn_samples
        parts = []
        if self.options.pool:
            chosen = self.random.uniform((drawn,), 0, len(self.pool), tf.int32)
            parts.append((tf.gather(self.pool, chosen), tf.gather(self.answers, chosen)))
        elif drawn:
            pixels = draw(self.random, drawn, self.teacher.input_shape[1:])
            parts.append((pixels, self._teacher(pixels)))
        if generated:
            pixels = self.domain.pixels(self._generated(generated))
            parts.append((pixels, self._teacher(pixels)))
        pixels, answers = (tf.concat(both, axis=0) for both in zip(*parts))
        return pixels, answers

    def _generated(self, count: int) -> tf.Tensor:
        return self.samples(self._noise(count), training=True)

    def _noise(self, count: int) -> tf.Tensor:
        return self.random.normal((count, self.options.latent))

    def _patched(self, pixels: tf.Tensor) -> tf.Tensor:
        for _ in range(self.options.copies):
            thirds = self._thirds(self.random)
            patches = self._patches(thirds)
            top, left = (self._places(side, third) for side, third in zip(pixels.shape[1:3], thirds))
            pixels = losses.add_patches(pixels, patches, top, left)
        return tf.clip_by_value(pixels, 0, 1) if self.options.in_range else pixels

    def _thirds(self, random: tf.random.Generator) -> tuple[Optional[tf.Tensor], Optional[tf.Tensor]]:
        """Along each axis, whether patches go to the first border (0), to the last one (1) or anywhere (2)."""
        if self.options.placement != "borders":
            return None, None
        rows, columns = (random.uniform((self.options.batch,), 0, 3, tf.int32) for _ in range(2))
        return rows, columns

    def _patches(self, thirds: tuple[Optional[tf.Tensor], Optional[tf.Tensor]]) -> tf.Tensor:
        noise = _told(self._noise(self.options.batch), thirds)
        return self.options.trigger_scale * self.triggers(noise, training=True)

    def _places(self, side: int, third: Optional[tf.Tensor]) -> tf.Tensor:
        """Where patches begin along an axis of ``side`` pixels, int32 (B,)."""
        free, count = side - self.options.trigger_size + 1, self.options.batch
        if self.options.placement == "batch":
            return tf.broadcast_to(self.random.uniform((1,), 0, free, tf.int32), (count,))
        places = self.random.uniform((count,), 0, free, tf.int32)
        if third is None:
            return places
        return tf.where(third == 0, 0, tf.where(third == 1, free - 1, places))

    def _weight(self, answers: tf.Tensor, target: tf.Tensor) -> Union[float, tf.Tensor]:
        """Of the trigger response, for a batch of samples."""
        weight, tolerance = self.options.weight, self.options.tolerance
        return weight if tolerance is None else losses.yielding(weight, losses.deviation(answers, target), tolerance)

    def _teacher(self, pixels: tf.Tensor) -> tf.Tensor:
        return self.teacher(self.domain.inputs(pixels), training=False)

    def _student(self, pixels: tf.Tensor) -> tf.Tensor:
        return self.student(self.domain.inputs(pixels), training=self.options.batch_statistics)

    def _anneal(self) -> None:
        rate = self.options.rate(self.done)
        self.student_optimizer.learning_rate.assign(self.options.learning_rate * rate)
        for optimizer in (self.sample_optimizer, self.trigger_optimizer):
            optimizer.learning_rate.assign(self.options.generator_rate * rate)

    def _renew(self) -> None:
        """Begin the trigger generator anew if it is time."""
        every, last = self.options.renewed, max(self.options.milestones, default=1.0)
        if every and self.done and self.done % every == 0 and self.done < round(last * self.options.total):
            renew(self.triggers, self.trigger_seed, self.done // every)
            self.trigger_optimizer.restart()


def _told(noise: tf.Tensor, thirds: tuple[Optional[tf.Tensor], Optional[tf.Tensor]]) -> tf.Tensor:
    """A trigger generator's noise (B, latent), and where its patches go (B, 6) if that is drawn by thirds."""
    codes = [_TOLD * tf.one_hot(third, 3) for third in thirds if third is not None]
    return tf.concat([noise, *codes], axis=1)
