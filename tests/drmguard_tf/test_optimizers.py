"""Adam."""

from __future__ import annotations

import tensorflow as tf

from drmguard_tf.optimizers import Adam


def test_a_step_is_that_of_keras():
    theirs = getattr(tf.keras.optimizers, "legacy", tf.keras.optimizers).Adam(0.1)
    found = []
    for optimizer in (Adam(0.1), theirs):
        variable = tf.Variable([1.0, -2.0])
        for gradient in ([0.3, -4.0], [0.1, 2.0]):
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
        found.append(variable.numpy().tolist())
    assert found[0] == found[1]
