"""Networks and data for the tests of techniques on Keras models: trained once, in seconds."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from tinyc.compress.keras.base import Data, Training, Work, kernel, kernel_layers
from tinyc.frontends.packages import KERAS2, TFMOT, prepare
from tinyc.frontends.tflite import read
from tinyc.frontends.tflite.runtime import compute
from tinyc.ir import Array
from tinyc.ops._mixins import Weighted
from tinyc.pipeline import CompileOptions, compile_model
from tinyc.report import split_outputs
from tinyc.run.data import given_samples
from tinyc.run.host import run_host
from tinyc.search.data import load
from tinyc.target.boards import load_board

COMPARED = 40
"""Samples that LiteRT's interpreter computes too."""


@cache
def digits() -> Data:
    """The digits of scikit-learn, 8x8x1, -1 to 1."""
    return load("digits", (8, 8, 1), Path(mkdtemp()), (-1.0, 1.0))


def network(seed: int = 1) -> Any:
    """What techniques meet: convolutions with a batch normalization behind them or a bias, a
    residual addition, a depthwise and a pointwise convolution, dense layers."""
    prepare("tests", KERAS2 | TFMOT)
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    layers = tf_keras.layers

    def block(layer: Any, x: Any, beside: Any = None) -> Any:
        x = layers.BatchNormalization(momentum=0.9, name=f"{layer.name}_norm")(layer(x))
        return layers.ReLU()(x if beside is None else layers.Add()([x, beside]))

    image = layers.Input((8, 8, 1))
    same = {"padding": "same", "use_bias": False}
    x = skipped = block(layers.Conv2D(16, 3, name="stem", **same), image)
    x = block(layers.Conv2D(16, 3, name="first", **same), x)
    x = block(layers.Conv2D(16, 3, name="second", **same), x, skipped)
    x = block(layers.DepthwiseConv2D(3, 2, name="depthwise", **same), x)
    x = layers.ReLU()(layers.Conv2D(32, 1, name="pointwise")(x))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(32, activation="relu", name="hidden")(x)
    return tf_keras.Model(image, layers.Dense(10, activation="softmax", name="scores")(x))


@cache
def _trained() -> Any:
    from tinyc.compress.keras.training import fit

    work = Work(network(), digits(), Training(8, 64, 5e-3, precision="float32"))
    fit(work)
    _negate(work.model, "first")
    return work.model


def _negate(model: Any, name: str) -> None:
    """Negate every other channel of a convolution and of its normalization's factor: the network
    stays the same, whose folded factors are not all positive any more."""
    signs = np.where(np.arange(16) % 2, -1.0, 1.0)
    norm = model.get_layer(f"{name}_norm")
    for variable in (model.get_layer(name).kernel, norm.gamma, norm.moving_mean):
        variable.assign(variable * signs)


def trained(**training: Any) -> Work:
    """The network, which names 95 % of the digits or more, in a work that trains as told."""
    from tinyc.compress.keras.training import copied

    chosen = {"epochs": 2, "batch": 64, "learning_rate": 2e-3, "precision": "float32", **training}
    return Work(copied(_trained()), digits(), Training(**chosen))


def exact(path: Path, work: Work) -> tuple[str, str, float]:
    """The types of a file's input and output, and how much of what is held out the generated C
    names right, whose outputs are those of LiteRT's reference kernels on `COMPARED` samples."""
    compiled = compile_model(str(path), load_board("nucleo_f446re"), CompileOptions())
    held = given_samples({"x": work.data.inputs(work.data.x_test)}, compiled.graph, work.data.name)
    outputs = run_host(compiled.c_library, held.bytes())
    found = split_outputs(compiled.graph, outputs)[-1].reshape(len(work.data.x_test), -1)
    x = np.asarray(held.inputs[0][:COMPARED]).reshape(COMPARED, 1, *work.data.x.shape[1:])
    computed = compute(str(path), [x])
    assert computed is not None and computed.by.endswith("reference kernels")
    assert np.array_equal(found[:COMPARED], computed.outputs[0].reshape(COMPARED, -1))
    right = float(np.mean(found.argmax(-1) == work.data.y_test))
    return str(x.dtype), str(found.dtype), right


def stored(path: Path, work: Work) -> dict[str, Array]:
    """Name of a layer -> its weights in the file: int8 [channels, n], along inputs the fastest."""
    nodes = [node for node in read(path).nodes if isinstance(node.op, Weighted)]
    layers = kernel_layers(work.model)
    assert len(nodes) == len(layers)
    found = {}
    for node, (name, layer) in zip(nodes, layers.items(), strict=True):
        weights = node.inputs[1].data
        assert weights is not None and weights.dtype == np.int8
        assert sorted(weights.shape) == sorted(kernel(layer).shape), name
        rows = np.moveaxis(weights, node.op.weight_axis, 0)
        found[name] = rows.reshape(len(rows), -1)
    return found
