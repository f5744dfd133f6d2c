"""The regression networks: ResNet18, ResNet34 and MobileNetV1 as in the paper, and narrow ones of them for CPUs.

All take float32 images in [0, 1], normalise inside, and end in one linear Dense layer: f = H o F.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

layers = tf.keras.layers

_BATCH_NORM = dict(momentum=0.9, epsilon=1e-5)  # torch's defaults, which the ResNet recipes were tuned for


def resnet18(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """ResNet18 with the 7x7 stem, as the paper's F, and a linear Dense H.

    DRMGuard, Sec. 4.1. Convolutions have biases, and the head's bias starts at 0.01 with an L2 penalty of 1e-4, as in
    the authors' public architecture.

    Args:
        image_shape: (H, W, C), H and W 32 or more.
        outputs: K.
    """
    return _resnet("resnet18", image_shape, outputs, widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), stem=_large_stem)


def resnet34(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """ResNet34, otherwise as :func:`resnet18`: DRMGuard, App. A.8.

    Args:
        image_shape: (H, W, C), H and W 32 or more.
        outputs: K.
    """
    return _resnet("resnet34", image_shape, outputs, widths=(64, 128, 256, 512), blocks=(3, 4, 6, 3), stem=_large_stem)


def mobilenet_v1(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """MobileNetV1 (Howard et al. 2017) at full width, with the head of :func:`resnet18`: DRMGuard, App. A.8.

    Args:
        image_shape: (H, W, C), H and W 32 or more.
        outputs: K.
    """
    return _mobilenet("mobilenet_v1", image_shape, outputs, width=1.0, repeats=5)


def small_resnet(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """A ResNet of the same family for two CPU cores: a quarter of the width, one block a stage, 3x3 stem.

    Args:
        image_shape: (H, W, C), H and W 32 or more.
        outputs: K.
    """
    return _resnet(
        "small_resnet", image_shape, outputs, widths=(16, 32, 64, 128), blocks=(1, 1, 1, 1), stem=_small_stem
    )


def small_resnet34(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """ResNet34 for two CPU cores: twice as deep as :func:`small_resnet`, otherwise the same.

    Args:
        image_shape: (H, W, C), H and W 32 or more.
        outputs: K.
    """
    return _resnet(
        "small_resnet34", image_shape, outputs, widths=(16, 32, 64, 128), blocks=(2, 2, 2, 2), stem=_small_stem
    )


def small_mobilenet(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """MobileNetV1 for two CPU cores: a quarter of the width, one instead of five blocks of the middle stage.

    Args:
        image_shape: (H, W, C), H and W 32 or more.
        outputs: K.
    """
    return _mobilenet("small_mobilenet", image_shape, outputs, width=0.25, repeats=1)


ARCHITECTURES: dict[str, Callable[[tuple[int, int, int], int], tf.keras.Model]] = {
    "resnet18": resnet18,
    "small-resnet": small_resnet,
    "resnet34": resnet34,
    "mobilenet-v1": mobilenet_v1,
    "small-resnet34": small_resnet34,
    "small-mobilenet": small_mobilenet,
}


def _resnet(
    name: str,
    image_shape: tuple[int, int, int],
    outputs: int,
    *,
    widths: Sequence[int],
    blocks: Sequence[int],
    stem: Callable[[tf.Tensor, int], tf.Tensor],
) -> tf.keras.Model:
    images = tf.keras.Input(image_shape, name="images")
    x = layers.Rescaling(2.0, offset=-1.0, name="normalise")(images)
    x = stem(x, widths[0])
    for stage, (width, count) in enumerate(zip(widths, blocks)):
        for block in range(count):
            x = _basic_block(x, width, stride=2 if stage > 0 and block == 0 else 1)
    return _with_head(name, images, x, outputs)


def _mobilenet(
    name: str, image_shape: tuple[int, int, int], outputs: int, *, width: float, repeats: int
) -> tf.keras.Model:
    """Separable convolutions of 64 to 1024 channels times ``width``; the middle stage has ``repeats`` equal ones."""
    images = tf.keras.Input(image_shape, name="images")
    x = layers.Rescaling(2.0, offset=-1.0, name="normalise")(images)
    x = layers.Conv2D(round(32 * width), 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(**_BATCH_NORM)(x))
    stages = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * repeats, (1024, 2), (1024, 1)]
    for channels, stride in stages:
        x = _separable_block(x, round(channels * width), stride)
    return _with_head(name, images, x, outputs)


def _with_head(name: str, images: tf.Tensor, x: tf.Tensor, outputs: int) -> tf.keras.Model:
    """The network that ends in H: pooled features and one linear layer."""
    features = layers.GlobalAveragePooling2D(name="features")(x)
    angles = layers.Dense(
        outputs,
        bias_initializer=tf.keras.initializers.Constant(0.01),
        bias_regularizer=tf.keras.regularizers.L2(1e-4),
        name="head",
    )(features)
    return tf.keras.Model(images, angles, name=name)


def _large_stem(x: tf.Tensor, width: int) -> tf.Tensor:
    return _stem(x, width, kernel=7)


def _small_stem(x: tf.Tensor, width: int) -> tf.Tensor:
    return _stem(x, width, kernel=3)


def _stem(x: tf.Tensor, width: int, kernel: int) -> tf.Tensor:
    x = layers.Conv2D(width, kernel, strides=2, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization(**_BATCH_NORM)(x))
    return layers.MaxPooling2D(3, strides=2, padding="same")(x)


def _separable_block(x: tf.Tensor, width: int, stride: int) -> tf.Tensor:
    """A depthwise convolution and a pointwise one."""
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, depthwise_initializer="he_normal")(x)
    x = layers.ReLU()(layers.BatchNormalization(**_BATCH_NORM)(x))
    x = layers.Conv2D(width, 1, use_bias=False, kernel_initializer="he_normal")(x)
    return layers.ReLU()(layers.BatchNormalization(**_BATCH_NORM)(x))


def _basic_block(x: tf.Tensor, width: int, stride: int) -> tf.Tensor:
    y = layers.Conv2D(width, 3, strides=stride, padding="same", kernel_initializer="he_normal")(x)
    y = layers.ReLU()(layers.BatchNormalization(**_BATCH_NORM)(y))
    y = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal")(y)
    y = layers.BatchNormalization(**_BATCH_NORM)(y)
    if stride != 1 or x.shape[-1] != width:
        x = layers.BatchNormalization(**_BATCH_NORM)(layers.Conv2D(width, 1, strides=stride)(x))
    return layers.ReLU()(layers.Add()([x, y]))
