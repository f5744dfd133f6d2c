"""One training on several devices: they share each batch, sum their gradients, and normalise over the whole batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def across(strategy: tf.distribute.Strategy, model: tf.keras.Model) -> tf.keras.Model:
    """The model as all devices of a strategy train it together, with the same weights.

    Batch norm becomes synchronised, because the statistics of a part of a batch are not those of the batch.

    Args:
        strategy: with one device, the model itself is returned.
        model: as it was made.
    """
    if strategy.num_replicas_in_sync == 1:
        return model
    with strategy.scope():
        shared = tf.keras.models.clone_model(model, clone_function=_synchronised)
    shared.set_weights(model.get_weights())
    return shared


def share_out(strategy: tf.distribute.Strategy, batch: Sequence[np.ndarray]) -> Sequence:
    """A batch, cut into equal parts, one for each device.

    Args:
        strategy: with one device, the batch is left as it is.
        batch: arrays of equal length.

    Raises:
        ValueError: if the batch cannot be cut into equal parts.
    """
    devices, length = strategy.num_replicas_in_sync, len(batch[0])
    if devices == 1:
        return batch
    if length % devices:
        raise ValueError(f"a batch of {length} cannot be shared equally by {devices} devices; choose a multiple")
    size = length // devices

    def part(array: np.ndarray):
        return lambda context: tf.constant(
            array[size * context.replica_id_in_sync_group : size * (context.replica_id_in_sync_group + 1)]
        )

    return [strategy.experimental_distribute_values_from_function(part(array)) for array in batch]


def _synchronised(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
    if type(layer) is tf.keras.layers.BatchNormalization:
        config = {key: value for key, value in layer.get_config().items() if key != "synchronized"}
        return tf.keras.layers.experimental.SyncBatchNormalization.from_config(config)
    return layer.__class__.from_config(layer.get_config())
