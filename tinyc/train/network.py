"""`Network` -> Keras model: convolutions by larq where they are binary."""

from __future__ import annotations

from typing import Any

from .recipe import Network

MOMENTUM = 0.9
"""Of the moving mean and variance: signs change often, so that old statistics mislead."""


def build(network: Network, shape: tuple[int, ...], classes: int, fused: bool = False) -> Any:
    """The Keras model, images float32 [n, *shape] in -1..1 -> logits float32 [n, classes].

    With shortcuts a block is x + norm(relu(conv(sign(x)))), as in QuickNet (arXiv:2011.09398),
    so that what flows along them keeps all its bits. Without them a max pool lies between a
    convolution and its normalization, which then balances the signs of what was pooled. fused:
    the same function by the same weights, with the pool behind the normalization (it keeps the
    order, for want of a scale), as Larq Compute Engine fuses it: the pool is one of bits then.
    """
    import tf_keras

    layers = tf_keras.layers
    binary = network.body == "binary"

    def norm(x: Any, scale: bool = True) -> Any:
        return layers.BatchNormalization(momentum=MOMENTUM, scale=scale)(x)

    def conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
        return norm(
            layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
        )

    def plain(x: Any, filters: int, pool: bool) -> Any:
        if not binary:
            x = layers.ReLU()(conv(x, filters, 3))
            return layers.MaxPool2D()(x) if pool else x
        x = _binary(filters)(x)
        x = layers.MaxPool2D()(x) if pool and not fused else x
        x = norm(x, scale=not pool)
        return layers.MaxPool2D()(x) if pool and fused else x

    def block(x: Any, filters: int) -> Any:
        y = x
        for last in [False] * (network.shortcut - 1) + [True]:
            if binary:
                y = norm(_binary(filters, "relu")(y))
            else:
                y = conv(y, filters, 3)
                y = y if last else layers.ReLU()(y)
        y = layers.Add()([x, y])
        return y if binary else layers.ReLU()(y)

    image = layers.Input(shape)
    x = conv(image, network.stem, 3, network.stem_stride)
    x = x if binary else layers.ReLU()(x)
    for index, stage in enumerate(network.stages):
        if not network.shortcut:
            for place, filters in enumerate(stage, 1):
                x = plain(x, filters, place == len(stage) and index + 1 < len(network.stages))
            continue
        if index:
            x = layers.MaxPool2D()(x)
        if index or stage[0] != network.stem:
            x = conv(x, stage[0], 1)
            x = x if binary else layers.ReLU()(x)
        for _ in range(len(stage) // network.shortcut):
            x = block(x, stage[0])
    x = layers.ReLU()(x) if binary else x
    x = layers.GlobalAveragePooling2D()(x)
    # Logits and their loss stay float32 where the rest is bfloat16.
    return tf_keras.Model(image, layers.Dense(classes, dtype="float32")(x))


def _binary(filters: int, activation: str | None = None) -> Any:
    """A 3x3 convolution of signs by signs. Its border is +1, which is a value of signs, so that
    the firmware needs no correction there."""
    import larq

    return larq.layers.QuantConv2D(
        filters, 3, padding="same", pad_values=1.0, use_bias=False, activation=activation,
        input_quantizer="ste_sign", kernel_quantizer="ste_sign", kernel_constraint="weight_clip",
        kernel_initializer="glorot_normal",
    )  # fmt: skip
