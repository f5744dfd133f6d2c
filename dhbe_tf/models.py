"""The classifiers of DHBE's experiments, and narrow ones of the same family for CPUs.

All take float32 images in [0, 1], normalise inside, and end in one linear Dense layer, so their outputs are logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

layers = tf.keras.layers

_BATCH_NORM = dict(momentum=0.9, epsilon=1e-5)  # torch's momentum 0.1 is Keras' 0.9

Shape = tuple[int, int, int]
Builder = Callable[[Shape, int, Sequence[float], Sequence[float]], tf.keras.Model]
Stem = Callable[[tf.Tensor, int], tf.Tensor]


def resnet(widths: Sequence[int], blocks: Sequence[int], stem: Stem, name: str) -> Builder:
    """A ResNet of basic blocks (He et al. 2016), one stage per width; every stage but the first halves the image."""

    def build(image_shape: Shape, classes: int, mean: Sequence[float], std: Sequence[float]) -> tf.keras.Model:
        images = tf.keras.Input(image_shape, name="images")
        x = stem(_normalise(images, mean, std), widths[0])
        for stage, (width, count) in enumerate(zip(widths, blocks)):
            for block in range(count):
                x = _basic_block(x, width, stride=2 if stage > 0 and block == 0 else 1)
        return _classifier(name, images, x, classes)

    return build


def wide_resnet(depth: int, widen: int) -> Builder:
    """WRN-depth-widen (Zagoruyko and Komodakis 2016): pre-activation blocks in three stages."""
    count = (depth - 4) // 6

    def build(image_shape: Shape, classes: int, mean: Sequence[float], std: Sequence[float]) -> tf.keras.Model:
        images = tf.keras.Input(image_shape, name="images")
        x = _conv(_normalise(images, mean, std), 16, 3)
        for stage, width in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for block in range(count):
                x = _preactivation_block(x, width, stride=2 if stage > 0 and block == 0 else 1)
        return _classifier(f"wrn{depth}_{widen}", images, _activate(x), classes)

    return build


def convnet(widths: Sequence[int], name: str, *, places: bool = False) -> Builder:
    """Ours, for two cores: a 3x3 convolution per width, pooling by maximum between them.

    Pooling keeps what a filter found wherever it was, so a network this small still learns a trigger that wanders;
    strides skip three places of four.

    Args:
        widths: of the convolutions.
        name: of the model.
        places: whether the dense layer sees where features are, as in networks that recognise faces (DeepID), or their
            means over the image.
    """

    def build(image_shape: Shape, classes: int, mean: Sequence[float], std: Sequence[float]) -> tf.keras.Model:
        images = tf.keras.Input(image_shape, name="images")
        x = _activate(_conv(_normalise(images, mean, std), widths[0], 3))
        for width in widths[1:]:
            x = _activate(_conv(layers.MaxPooling2D(2)(x), width, 3))
        if not places:
            return _classifier(name, images, x, classes)
        features = layers.Flatten(name="features")(layers.AveragePooling2D(2)(x))
        dropped = layers.Dropout(0.5)(features)  # a few pictures of each class, and many features
        return tf.keras.Model(images, layers.Dense(classes, name="logits")(dropped), name=name)

    return build


def stem_32(x: tf.Tensor, width: int) -> tf.Tensor:
    """For 32 px: 3x3 without stride and no pooling (DHBE, Sec. 5.1.2)."""
    return _activate(_conv(x, width, 3))


def stem_64(x: tf.Tensor, width: int) -> tf.Tensor:
    """For 64 px: 5x5 with stride 2 and padding 1, no pooling (DHBE, Sec. 5.1.2; the padding from the public code)."""
    return _activate(_conv(x, width, 5, stride=2, padding=1))


ARCHITECTURES: dict[str, Builder] = {
    "resnet18": resnet((64, 128, 256, 512), (2, 2, 2, 2), stem_32, "resnet18"),
    "resnet34": resnet((64, 128, 256, 512), (3, 4, 6, 3), stem_32, "resnet34"),
    "resnet18-64px": resnet((64, 128, 256, 512), (2, 2, 2, 2), stem_64, "resnet18_64px"),
    "resnet34-64px": resnet((64, 128, 256, 512), (3, 4, 6, 3), stem_64, "resnet34_64px"),
    "wrn40-1": wide_resnet(40, 1),
    "wrn40-2": wide_resnet(40, 2),
    # Ours, for two cores: a quarter of the width; then also one block a stage, on a quarter of the pixels.
    "narrow-resnet18": resnet((16, 32, 64, 128), (2, 2, 2, 2), stem_32, "narrow_resnet18"),
    "narrow-resnet34": resnet((16, 32, 64, 128), (3, 4, 6, 3), stem_32, "narrow_resnet34"),
    "wrn16-1": wide_resnet(16, 1),
    "wrn16-2": wide_resnet(16, 2),
    "tiny-resnet": resnet((16, 32, 64, 128), (1, 1, 1, 1), stem_64, "tiny_resnet"),
    "small-convnet": convnet((8, 16, 32, 64), "small_convnet"),
    "small-facenet": convnet((8, 16, 32), "small_facenet", places=True),
}


def build(
    architecture: str, image_shape: Shape, classes: int, *, mean: Sequence[float], std: Sequence[float]
) -> tf.keras.Model:
    """A new classifier.

    Args:
        architecture: a name in :data:`ARCHITECTURES`.
        image_shape: (H, W, C), H and W 16 or more.
        classes: K.
        mean, std: per channel of the training images, in [0, 1].

    Raises:
        ValueError: if the name is unknown or the constants do not fit the channels.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {architecture!r}; there are {', '.join(ARCHITECTURES)}")
    if len(mean) != image_shape[-1] or len(std) != image_shape[-1] or min(std) <= 0:
        raise ValueError(
            f"mean and std need one number for each of {image_shape[-1]} channels, std above 0; got {mean} and {std}"
        )
    return ARCHITECTURES[architecture](image_shape, classes, mean, std)


def _normalise(images: tf.Tensor, mean: Sequence[float], std: Sequence[float]) -> tf.Tensor:
    scale = [1 / float(s) for s in std]
    return layers.Rescaling(scale, offset=[-float(m) * s for m, s in zip(mean, scale)], name="normalise")(images)


def _classifier(name: str, images: tf.Tensor, x: tf.Tensor, classes: int) -> tf.keras.Model:
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return tf.keras.Model(images, layers.Dense(classes, name="logits")(features), name=name)


def _conv(x: tf.Tensor, width: int, kernel: int, stride: int = 1, padding: int | None = None) -> tf.Tensor:
    """A convolution without bias, zero-padded alike on all sides as in torch; Keras' "same" is not, with a stride."""
    same = stride == 1 and padding is None
    if kernel > 1 and not same:
        x = layers.ZeroPadding2D(kernel // 2 if padding is None else padding)(x)
    fill = "same" if same else "valid"
    return layers.Conv2D(width, kernel, strides=stride, padding=fill, use_bias=False, kernel_initializer="he_normal")(x)


def _activate(x: tf.Tensor) -> tf.Tensor:
    return layers.ReLU()(layers.BatchNormalization(**_BATCH_NORM)(x))


def _basic_block(x: tf.Tensor, width: int, stride: int) -> tf.Tensor:
    y = _activate(_conv(x, width, 3, stride))
    y = layers.BatchNormalization(**_BATCH_NORM)(_conv(y, width, 3))
    if stride != 1 or x.shape[-1] != width:
        x = layers.BatchNormalization(**_BATCH_NORM)(_conv(x, width, 1, stride))
    return layers.ReLU()(layers.Add()([x, y]))


def _preactivation_block(x: tf.Tensor, width: int, stride: int) -> tf.Tensor:
    activated = _activate(x)
    y = _conv(_activate(_conv(activated, width, 3, stride)), width, 3)
    if stride != 1 or x.shape[-1] != width:
        x = _conv(activated, width, 1, stride)
    return layers.Add()([x, y])
