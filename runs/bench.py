"""Speed, always as a ratio against a named alternative in the same run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.contract import Split
from data_prep.heads.builder import Heads
from data_prep.threat import Suspect
from drmguard_tf import losses
from drmguard_tf.attacks import names
from drmguard_tf.families import FAMILIES
from drmguard_tf.models import small_resnet
from drmguard_tf.optimizers import Adam
from drmguard_tf.reference import Reference, attention_map, examine
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.training import Trainer, Training
from runs import parallel, pipeline
from runs.experiments import Options, first_light
from runs.presets import PRESETS

_WARM_STEPS = 5
# Parts of an attack that come before the training that is timed; clean label's group is as large as a real one's share.
_SHORT = {"mask_steps": 1, "steps": 1, "nearness_deg": 20.0}


def search(*, steps: int, seed: int) -> dict[str, Any]:
    """Images/s of the compiled search against the same search written naively.

    Naive: eager TensorFlow that computes attention maps, benign features, angles and their variance anew for the batch
    of every step, as Eq. 5 and 7 are printed. Same network, generator, batch and optimizer; the generator family, the
    one that uses the attention maps.

    Args:
        steps: timed steps of each, after warm-up.
        seed: of weights and data.
    """
    tf.keras.utils.set_random_seed(seed)
    data = Heads(count=200, subjects=20, seed=seed).build()
    suspect = Suspect(small_resnet(data.image_shape, 2), data)
    options = replace(SteeredSearch(), families=("generator",))
    started = time.perf_counter()
    reference = examine(suspect)
    once = time.perf_counter() - started
    compiled = options.reversal(reference, "generator", seed)
    fast = _rate(compiled.step, steps, options.batch)
    slow = _rate(_naive_step(reference, data, options, seed), max(3, steps // 5), options.batch)
    return {
        "compiled_images_per_s": fast,
        "naive_eager_images_per_s": slow,
        "ratio": fast / slow,
        "once_per_benign_set_s": once,
        "batch": options.batch,
        "image_size": data.images.shape[1],
    }


def workers(*, seed: int) -> dict[str, Any]:
    """Seconds of first_light's smoke cases with one single-threaded worker and with two.

    Workers are started, and TensorFlow is loaded in them, before the clock.

    Args:
        seed: of the data, so that no run finds the other's results.
    """
    preset = PRESETS["smoke"]
    planned = first_light.plan(replace(preset, heads=replace(preset.heads, seed=seed)), Options("smoke"))
    seconds = {}
    for count in (1, 2):
        crew = parallel.Crew(workers=count, threads=1)
        with tempfile.TemporaryDirectory() as home:
            list(crew.spread(_warm, range(2 * count)))
            started = time.perf_counter()
            outcomes = pipeline.run(planned, pipeline.Setting(Path(home), curves=False), crew=crew)
            seconds[count] = time.perf_counter() - started
        failed = [outcome.reason for outcome in outcomes.values() if outcome.state != pipeline.DONE]
        if failed:
            raise RuntimeError(f"{len(failed)} cases failed, the first: {failed[0]}")
    ratio = seconds[1] / seconds[2]
    return {"cases": len(outcomes), "one_worker_s": seconds[1], "two_workers_s": seconds[2], "ratio": ratio}


def attacks(*, preset: str, steps: int, seed: int) -> dict[str, Any]:
    """Milliseconds of a training step under every attack, and how many times a benign one's that is.

    Median over the timed steps of the backdoored model's own training, on synthetic gaze data; what an attack does
    before that (a surrogate, PGD, a mask network) is cut to next to nothing and not timed. Benign steps are timed
    before and after each attack, and the attack is divided by the mean of the two.

    Args:
        preset: whose network, batch and attack settings are used.
        steps: timed steps of each.
        seed: of data and weights.
    """
    settings = PRESETS[preset]
    training = replace(settings.training, steps=_WARM_STEPS + steps)
    train = replace(settings.heads, count=20 * training.batch, subjects=20, seed=seed).build()
    target = np.radians(np.array([5, 5], np.float32))
    benign_ms = _step_ms(lambda trainer: trainer.fit(train, seed=seed), training)
    shown: dict[str, Any] = {"preset": preset, "batch": training.batch, "image_size": train.images.shape[1]}
    for name in names():
        attack = settings.attack(name, settings.heads.spec)
        short = {field: value for field, value in _SHORT.items() if hasattr(attack, field)}
        attack = replace(attack, **short)
        attack_ms = _step_ms(lambda trainer: attack.backdoor(train, target, trainer=trainer, seed=seed), training)
        again_ms = _step_ms(lambda trainer: trainer.fit(train, seed=seed), training)
        beside_ms, benign_ms = (benign_ms + again_ms) / 2, again_ms
        shown[name] = {"step_ms": attack_ms, "benign_step_ms": beside_ms, "ratio": attack_ms / beside_ms}
    return shown


def _step_ms(train: Callable[[Trainer], Any], training: Training) -> float:
    times: list[float] = []
    train(Trainer(training, progress=lambda step: times.append(time.perf_counter())))
    return float(1000 * np.median(np.diff(times[_WARM_STEPS:])))


def _warm(number: int) -> float:
    return float(tf.reduce_sum(tf.ones(number + 1)))


def _rate(step: Callable[[], Any], steps: int, batch: int) -> float:
    for _ in range(2):
        step()
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * batch / (time.perf_counter() - started)


def _naive_step(reference: Reference, data: Split, options: SteeredSearch, seed: int) -> Callable[[], None]:
    family = FAMILIES["generator"]
    trigger = family(reference, seed)
    optimizer, rng = Adam(family.learning_rate), np.random.default_rng(seed)

    def step() -> None:
        index = rng.integers(len(data), size=options.batch)
        images = tf.constant(data.images[index].astype(np.float32) / np.float32(255))
        attention = attention_map(reference.sub, images)
        features, outputs = reference.sub.joint(images, training=False)
        benign = tf.math.reduce_variance(losses.head_angles(features, reference.sub.kernel), axis=0)
        benign_variance = losses.output_variance(outputs)
        with tf.GradientTape() as tape:
            changed, cost = trigger(images, attention)
            features, outputs = reference.sub.joint(changed, training=False)
            rav = losses.ratio_of_angle_variance(losses.head_angles(features, reference.sub.kernel), benign)
            loss = losses.output_variance(outputs) / benign_variance + rav + options.start_weight * cost
        gradients = tape.gradient(loss, trigger.trainable_variables)
        optimizer.apply_gradients(zip(gradients, trigger.trainable_variables))

    return step
