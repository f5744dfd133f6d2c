"""What ``bench dhbe`` counts."""

from __future__ import annotations

import tensorflow as tf

from dhbe_tf.dhbe import DHBE, Erasure
from dhbe_tf.domain import declared
from runs import bench_dhbe

layers = tf.keras.layers


def test_operations_of_a_forward_pass_by_hand():
    # 8x8 places times a 3x3 kernel from 3 to 4 channels, then 4 to 10: 2 * (64 * 9 * 12 + 40)
    stages = [layers.Conv2D(4, 3, padding="same"), layers.GlobalAveragePooling2D(), layers.Dense(10)]
    model = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), *stages])
    assert bench_dhbe.forward_flops(model) == 2 * (64 * 9 * 12 + 40)


def test_an_iteration_is_five_student_steps_and_one_of_each_generator():
    images = tf.keras.Input((16, 16, 3))
    model = tf.keras.Model(images, layers.Dense(2)(layers.Flatten()(images)))
    options = DHBE(batch=4, latent=8, sample_width=4, trigger_width=4)
    erasure = Erasure(options, model=model, domain=declared([0.5] * 3, [0.25] * 3), seed=0)
    student, samples, triggers = (
        4 * bench_dhbe.forward_flops(network) for network in (model, erasure.samples, erasure.triggers)
    )
    assert bench_dhbe.flops(erasure) == 42 * student + 9 * samples + 8 * triggers
    assert student == 4 * 2 * 768 * 2
