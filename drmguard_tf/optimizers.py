"""The Adam that computes the same on every TensorFlow that the project supports.

Keras replaced its optimizers in TF 2.11; the classic ones live on as ``legacy`` and are the ones of the paper's TF 2.9.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf


class Adam(getattr(tf.keras.optimizers, "legacy", tf.keras.optimizers).Adam):  # type: ignore[misc]
    """Adam (Kingma & Ba 2015) as Keras 2.9 has it."""

    def prepare(self, variables: Sequence[tf.Variable]) -> None:
        """Make the moments of all variables now.

        Keras waits for the first step; but what does not exist yet can neither be zeroed for a restart nor restored
        from a checkpoint at once.
        """
        self._create_all_weights(variables)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, tf.Variable]], **options: Any) -> Any:
        """One step; gradients are summed over devices where there are several.

        Not on one device: there the sum is the gradient, and TensorFlow keeps for good each sum that is compiled,
        and all constants of the function with it.
        """
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            options["experimental_aggregate_gradients"] = False
        return super().apply_gradients(grads_and_vars, **options)
