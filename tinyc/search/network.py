"""Small convolutional classifiers by their description: what an architecture search chooses."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MOMENTUM = 0.9
"""Of the moving mean and variance: trainings are short."""


NOTATION = (
    "A network is its stem and its blocks: c3x3:16/2 is a convolution of 3x3 with 16 filters and"
    " stride 2, s3x3:16 a separable one."
)
"""How `Network.text` is read."""


class Block(BaseModel):
    """A convolution with its normalization and ReLU. form: ``separable`` is a depthwise
    convolution, each with its own, and a 1x1 convolution behind it (arXiv:1704.04861)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    filters: int = Field(ge=1)
    kernel: Literal[1, 3, 5, 7] = 3
    stride: Literal[1, 2] = 1
    form: Literal["conv", "separable"] = "conv"

    @property
    def text(self) -> str:
        """As ``s3x3:16/2``: separable, its kernel, filters and stride."""
        stride = f"/{self.stride}" if self.stride > 1 else ""
        return f"{self.form[0]}{self.kernel}x{self.kernel}:{self.filters}{stride}"


class Network(BaseModel):
    """A 3x3 stem, blocks, the mean of the image, a dense layer. stem: its filters, stem_stride:
    its stride."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    stem: int = Field(ge=1)
    stem_stride: Literal[1, 2] = 1
    blocks: list[Block] = []

    @property
    def text(self) -> str:
        """The stem and the blocks, in a word."""
        stem = Block(filters=self.stem, stride=self.stem_stride)
        return "-".join(block.text for block in (stem, *self.blocks))


def build(network: Network, shape: tuple[int, ...], classes: int, seed: int = 0) -> Any:
    """The Keras model, images float32 [n, *shape] -> probabilities float32 [n, classes], its
    weights by the ``seed``. Layers are called by their place: ``stem``, ``block1``, ..."""
    import tf_keras

    layers = tf_keras.layers

    def finished(x: Any, name: str) -> Any:
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    def conv(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
        made = layers.Conv2D(
            filters, kernel, strides=stride, padding="same", use_bias=False, name=name
        )
        return finished(made(x), name)

    tf_keras.utils.set_random_seed(seed)
    image = layers.Input(shape, name="image")
    x = conv(image, network.stem, 3, network.stem_stride, "stem")
    for place, block in enumerate(network.blocks, 1):
        name = f"block{place}"
        if block.form == "separable":
            made = layers.DepthwiseConv2D(
                block.kernel, strides=block.stride, padding="same", use_bias=False,
                name=f"{name}_depthwise",
            )  # fmt: skip
            x = finished(made(x), f"{name}_depthwise")
            x = conv(x, block.filters, 1, 1, name)
        else:
            x = conv(x, block.filters, block.kernel, block.stride, name)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    scores = layers.Dense(classes, activation="softmax", name="scores")(x)
    return tf_keras.Model(image, scores, name="network")
