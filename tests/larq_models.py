"""larq models of the tests, named as ``larq_models.py:function``. Weights are random but seeded,
normalization included, so that signs are as often -1 as +1."""

from __future__ import annotations

from typing import Any

import larq
import numpy as np
import tf_keras

L = tf_keras.layers
BINARY: dict[str, Any] = {
    "input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign",
    "kernel_constraint": "weight_clip", "use_bias": False, "padding": "same", "pad_values": 1.0,
}  # fmt: skip


def conv(filters: int, kernel: int = 3, **options: Any) -> Any:
    return larq.layers.QuantConv2D(filters, kernel, **{**BINARY, **options})


def seeded(model: Any) -> Any:
    """``model`` with seeded weights and lively normalization."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            n = layer.gamma.shape[0]
            layer.set_weights(
                [rng.normal(1, 0.5, n), rng.normal(0, 0.5, n), rng.normal(0, 3, n),
                 rng.uniform(1, 30, n)]
            )  # fmt: skip
        elif isinstance(layer, L.PReLU):
            layer.set_weights([rng.normal(0.2, 0.2, layer.alpha.shape)])
        elif layer.weights:
            layer.set_weights([rng.normal(0, 0.3, w.shape) for w in layer.weights])
    return model


def mixed() -> Any:
    """Residual connections, padding with ones and with zeros, max pooling before and behind
    normalization, 40 channels, PReLU, float layers at both ends."""
    x = image = tf_keras.Input((16, 16, 3))
    x = L.BatchNormalization()(L.Conv2D(40, 3, padding="same", use_bias=False)(x))
    x = L.Add()([x, L.BatchNormalization()(conv(40)(x))])
    x = L.Add()([x, L.BatchNormalization()(conv(40, pad_values=0.0, activation="relu")(x))])
    x = L.BatchNormalization()(L.MaxPool2D()(conv(64, strides=2)(x)))
    x = L.BatchNormalization()(conv(64)(x))
    x = L.MaxPool2D()(L.BatchNormalization()(conv(64)(x)))
    x = L.PReLU(shared_axes=[1, 2])(L.BatchNormalization()(conv(33, 1)(x)))
    return seeded(tf_keras.Model(image, L.Dense(10)(L.GlobalAveragePooling2D()(x))))


def converted() -> Any:
    """What LCE's converter leaves to float: depthwise, separable and dense layers of signs."""
    x = image = tf_keras.Input((8, 8, 1))
    x = L.BatchNormalization()(L.Conv2D(32, 3, padding="same", use_bias=False)(x))
    signs = {"input_quantizer": "approx_sign", "depthwise_quantizer": "ste_sign"}
    x = larq.layers.QuantDepthwiseConv2D(3, padding="same", pad_values=1.0, **signs)(x)
    x = L.BatchNormalization()(x)
    x = larq.layers.QuantSeparableConv2D(
        40, 3, padding="same", pad_values=1.0, pointwise_quantizer="ste_sign", **signs
    )(x)
    x = L.BatchNormalization()(x)
    x = L.Flatten()(L.BatchNormalization()(conv(20, dilation_rate=2)(x)))
    x = larq.layers.QuantDense(
        64, input_quantizer="swish_sign", kernel_quantizer="ste_sign", use_bias=False
    )(x)
    x = larq.layers.QuantDense(
        10, input_quantizer="ste_sign", kernel_quantizer="magnitude_aware_sign", use_bias=False
    )(L.BatchNormalization()(x))
    return seeded(tf_keras.Model(image, L.BatchNormalization()(x)))


def sequence() -> Any:
    """One-dimensional convolutions of signs, the first of them of the input's."""
    x = image = tf_keras.Input((32, 4))
    for quantizer in ("ste_sign", "magnitude_aware_sign"):
        x = larq.layers.QuantConv1D(
            32, 3, input_quantizer="ste_sign", kernel_quantizer=quantizer, use_bias=False
        )(x)
        x = L.BatchNormalization()(x)
    return seeded(tf_keras.Model(image, x))


def plain() -> Any:
    """No binary layer at all."""
    x = image = tf_keras.Input((6, 6, 2))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(5, 3)(x)))
    return seeded(tf_keras.Model(image, L.Softmax()(L.Dense(3)(L.Flatten()(x)))))


def _faulty(**options: Any) -> Any:
    x = image = tf_keras.Input((8, 8, 3))
    x = L.Conv2D(32, 3)(x)
    x = conv(32, name="faulty", **options)(x)
    return tf_keras.Model(image, x)


def no_kernel_quantizer() -> Any:
    return _faulty(kernel_quantizer=None, kernel_constraint=None)


def no_input_quantizer() -> Any:
    return _faulty(input_quantizer=None)


def dorefa() -> Any:
    return _faulty(input_quantizer=larq.quantizers.DoReFa(k_bit=2))


def ternary() -> Any:
    return _faulty(kernel_quantizer="ste_tern")


def strange(x: Any) -> Any:
    return x * 2.0


def unknown() -> Any:
    return _faulty(kernel_quantizer=strange)


def transposed() -> Any:
    x = image = tf_keras.Input((8, 8, 32))
    x = larq.layers.QuantConv2DTranspose(
        8, 3, input_quantizer="ste_sign", kernel_quantizer="ste_sign", name="faulty"
    )(x)
    return tf_keras.Model(image, x)


def dynamic() -> Any:
    image = tf_keras.Input((None, 8, 3))
    return tf_keras.Model(image, L.Conv2D(4, 3)(image))


def not_a_model() -> int:
    return 7
