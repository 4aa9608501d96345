"""Small networks of which each pass finds something to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import TensorSpec, write_model

from tinyc.frontends.tflite import read
from tinyc.ir import DType, Graph, Node, Quant, TensorType, Value, verify
from tinyc.ops.add import Add
from tinyc.ops.average_pool import AveragePool2d
from tinyc.ops.cast import Cast
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.relu import Relu
from tinyc.ops.shape import Shape
from tinyc.passes import optimize
from tinyc.passes.stream import stream
from tinyc.plan import Plan, plan, planner
from tinyc.plan.schedule import by_rows
from tinyc.target.boards import Core

CONV = {"padding": 1, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}


def write_reducible(path: Path) -> Path:
    """int8 [1, 8, 8, 2] -> int8 [1, 8, 8, 4]: a padded convolution with dead channels, a dilated
    depthwise one as the converter writes it, a pointwise one, two curves, the first of which has
    the channels before the pixels."""
    rng = np.random.default_rng(7)

    def ints(*shape: int) -> np.ndarray:
        return rng.integers(-99, 100, shape)

    weights = ints(8, 3, 3, 2)
    bias = ints(8)
    weights[4:], bias[4:] = 0, -5  # ReLU makes 0 of them, which is what is padded
    x = ("int8", 0.1, 3)
    y = ("int8", 0.2, -128)
    tensors = [
        TensorSpec("image", (1, 8, 8, 2), *x),
        TensorSpec("same", (1, 8, 8, 2), *x),
        TensorSpec("sizes", (4,), "int32", data=[1, 8, 8, 2]),
        TensorSpec("padded", (1, 10, 10, 2), *x),
        TensorSpec("pads", (4, 2), "int32", data=[[0, 0], [1, 1], [1, 1], [0, 0]]),
        TensorSpec("filter", (8, 3, 3, 2), "int8", 0.02, data=weights),
        TensorSpec("bias", (8,), "int32", 0.002, data=bias),
        TensorSpec("conv", (1, 8, 8, 8), *y),
        TensorSpec("relu", (1, 8, 8, 8), *y),
        TensorSpec("block", (2,), "int32", data=[2, 2]),
        TensorSpec("around", (2, 2), "int32", data=[[2, 2], [2, 2]]),
        TensorSpec("cut", (2, 2), "int32", data=[[0, 0], [0, 0]]),
        TensorSpec("batch", (4, 6, 6, 8), *y),
        TensorSpec("each", (1, 3, 3, 8), "int8", 0.02, data=ints(1, 3, 3, 8)),
        TensorSpec("shift", (8,), "int32", 0.004, data=ints(8)),
        TensorSpec("depthwise", (4, 4, 4, 8), "int8", 0.3, -5),
        TensorSpec("dilated", (1, 8, 8, 8), "int8", 0.3, -5),
        TensorSpec("points", (4, 1, 1, 8), "int8", 0.02, data=ints(4, 1, 1, 8)),
        TensorSpec("offset", (4,), "int32", 0.006, data=ints(4)),
        TensorSpec("sums", (1, 8, 8, 4), "int8", 0.1, 7),
        TensorSpec("row", (1, 1, 1, 4), "int8", 0.1, 0, data=[[[[5, -6, 7, -8]]]]),
        TensorSpec("added", (1, 8, 8, 4), "int8", 0.1, 7),
        TensorSpec("first", (4,), "int32", data=[0, 3, 1, 2]),
        TensorSpec("turned", (1, 4, 8, 8), "int8", 0.1, 7),
        TensorSpec("tanh", (1, 4, 8, 8), "int8", 1 / 128, 0),
        TensorSpec("last", (4,), "int32", data=[0, 2, 3, 1]),
        TensorSpec("back", (1, 8, 8, 4), "int8", 1 / 128, 0),
        TensorSpec("scores", (1, 8, 8, 4), "int8", 1 / 256, -128),
    ]
    at = {tensor.name: index for index, tensor in enumerate(tensors)}
    operators = [
        ("RESHAPE", {}, "image sizes", "same"),
        ("PAD", {}, "same pads", "padded"),
        ("CONV_2D", CONV, "padded filter bias", "conv"),
        ("RELU", None, "conv", "relu"),
        ("SPACE_TO_BATCH_ND", {}, "relu block around", "batch"),
        ("DEPTHWISE_CONV_2D", CONV | {"depthMultiplier": 1}, "batch each shift", "depthwise"),
        ("BATCH_TO_SPACE_ND", {}, "depthwise block cut", "dilated"),
        ("CONV_2D", CONV, "dilated points offset", "sums"),
        ("ADD", {}, "sums row", "added"),
        ("TRANSPOSE", {}, "added first", "turned"),
        ("TANH", None, "turned", "tanh"),
        ("TRANSPOSE", {}, "tanh last", "back"),
        ("LOGISTIC", None, "back", "scores"),
    ]
    return write_model(
        path,
        [(name, options, [at[t] for t in ins.split()], [at[out]])
         for name, options, ins, out in operators],
        tensors, [at["image"]], [at["scores"]],
    )  # fmt: skip


def write_temporal(path: Path) -> Path:
    """int8 [1, 11, 1, 3] -> int8 [1, 3], along the time at axis 1 without padding: a convolution of
    three steps that moves by two, one of two steps, and a dense layer."""
    rng = np.random.default_rng(3)

    def ints(*shape: int) -> np.ndarray:
        return rng.integers(-127, 127, shape)

    tensors = [
        TensorSpec("x", (1, 11, 1, 3), "int8", 0.05, -3),
        TensorSpec("first", (4, 3, 1, 3), "int8", 0.01, 0, 0, ints(4, 3, 1, 3)),
        TensorSpec("first_bias", (4,), "int32", 0.0005, 0, 0, ints(4)),
        TensorSpec("a", (1, 5, 1, 4), "int8", 0.02, -10),
        TensorSpec("second", (4, 2, 1, 4), "int8", 0.01, 0, 0, ints(4, 2, 1, 4)),
        TensorSpec("second_bias", (4,), "int32", 0.0002, 0, 0, ints(4)),
        TensorSpec("b", (1, 4, 1, 4), "int8", 0.02, 5),
        TensorSpec("shape", (2,), "int32", data=[1, 16]),
        TensorSpec("flat", (1, 16), "int8", 0.02, 5),
        TensorSpec("weights", (3, 16), "int8", 0.02, 0, 0, ints(3, 16)),
        TensorSpec("bias", (3,), "int32", 0.0004, 0, 0, ints(3)),
        TensorSpec("y", (1, 3), "int8", 0.05, 1),
    ]
    operators = [
        ("CONV_2D", CONV | {"strideH": 2}, [0, 1, 2], [3]),
        ("CONV_2D", CONV, [3, 4, 5], [6]),
        ("RESHAPE", {"newShape": [1, 16]}, [6, 7], [8]),
        ("FULLY_CONNECTED", {}, [8, 9, 10], [11]),
    ]
    return write_model(path, operators, tensors, [0], [11])


def frame_by_frame(core: Core, folder: Path) -> Plan:
    """That network as a stream."""
    graph = replace(read(write_temporal(folder / "net.tflite")), sha256="0" * 64)
    return plan(optimize(stream(optimize(graph), 1).graph), core.title, core.features)


def write_signs(path: Path) -> Path:
    """int8 [1, 4, 4, 32] -> int8 [1, 4, 4, 8]: a binary convolution whose sums go through a batch
    normalization before their signs are taken, and another one."""
    rng = np.random.default_rng(8)
    words = [rng.integers(-(1 << 31), 1 << 31, shape) for shape in ((32, 3, 3, 1), (8, 1, 1, 1))]
    conv = {
        "stride_height": 1, "stride_width": 1, "dilation_height_factor": 1,
        "dilation_width_factor": 1, "padding": 0, "pad_values": 1, "channels_in": 32,
        "fused_activation_function": 0,
    }  # fmt: skip
    tensors = [
        TensorSpec("image", (1, 4, 4, 32), "int8", 0.1, 3),
        TensorSpec("signs", (1, 4, 4, 1), "int32"),
        TensorSpec("kernel", words[0].shape, "int32", data=words[0]),
        TensorSpec("one", (32,), "float32", data=np.ones(32)),
        TensorSpec("zero", (32,), "float32", data=np.zeros(32)),
        TensorSpec("sums", (1, 4, 4, 32), "float32"),
        TensorSpec("gamma", (32,), "float32", data=rng.normal(0, 1, 32)),
        TensorSpec("scaled", (1, 4, 4, 32), "float32"),
        TensorSpec("beta", (32,), "float32", data=rng.normal(0, 9, 32)),
        TensorSpec("normal", (1, 4, 4, 32), "float32"),
        TensorSpec("next", (1, 4, 4, 1), "int32"),
        TensorSpec("heads", words[1].shape, "int32", data=words[1]),
        TensorSpec("multiplier", (8,), "float32", data=rng.normal(0, 1, 8)),
        TensorSpec("bias", (8,), "float32", data=rng.normal(0, 9, 8)),
        TensorSpec("scores", (1, 4, 4, 8), "int8", 0.5, -4),
    ]
    return write_model(
        path,
        [
            ("CUSTOM LceQuantize", {}, [0], [1]),
            ("CUSTOM LceBconv2d", conv, [1, 2, 3, 4, -1], [5]),
            ("MUL", {}, [5, 6], [7]),
            ("ADD", {}, [7, 8], [9]),
            ("CUSTOM LceQuantize", {}, [9], [10]),
            ("CUSTOM LceBconv2d", conv, [10, 11, 12, 13, -1], [14]),
        ],
        tensors, [0], [14],
    )  # fmt: skip


def known_before() -> Graph:
    """int8 [1, 6] -> float32 [2]: the shape of what is computed for nothing else."""
    x, y = (Value(n, TensorType((1, 6), DType.I8, Quant((0.1,), (3,))), "net") for n in "xy")
    shape = Value("shape", TensorType((2,), DType.I32), "net")
    sizes = Value("sizes", TensorType((2,), DType.F32), "net")
    nodes = (
        Node(Relu("relu"), (x,), (y,), "net"),
        Node(Shape(), (y,), (shape,), "net"),
        Node(Cast(), (shape,), (sizes,), "net"),
    )
    return verify(Graph("net", (x,), (sizes,), nodes))


def residual_block(core: Core, feed: bool = False) -> Plan:
    """int8 [1, 12, 4, 4] -> its mean: a convolution, two more with the sum of their input, whose
    layers take turns by rows, two at a time. feed: by the rows of the input."""
    rng = np.random.default_rng(0)
    around = ((1, 1), (1, 1))

    def value(name: str, *shape: int) -> Value:
        return Value(name, TensorType(shape, DType.I8, Quant((0.05,), (-11,))), "test")

    def convolution(x: Value, name: str) -> Node:
        weights = rng.integers(-99, 100, (4, 3, 3, 4)).astype(np.int8)
        bias = rng.integers(-99, 100, 4).astype(np.int32)
        inputs = (
            x,
            Value("w", TensorType(weights.shape, DType.I8, Quant((0.01,), (0,))), "test", weights),
            Value("b", TensorType(bias.shape, DType.I32), "test", bias),
        )
        op = Conv2d((1, 1), (1, 1), around, "relu")
        return Node(op, inputs, (value(name, 1, 12, 4, 4),), name)

    x, total, mean = value("x", 1, 12, 4, 4), value("sum", 1, 12, 4, 4), value("mean", 1, 1, 1, 4)
    stem = convolution(x, "stem")
    one = convolution(stem.output, "one")
    two = convolution(one.output, "two")
    both = Node(Add("none"), (stem.output, two.output), (total,), "sum")
    pool = AveragePool2d((1, 1), ((0, 0), (0, 0)), "none", (12, 4))
    nodes = (stem, one, two, both, Node(pool, (total,), (mean,), "mean"))
    network = verify(Graph("net", (x,), (mean,), nodes, sha256="0" * 64))
    with pytest.MonkeyPatch.context() as patch:
        spans, image = [(0, 4, 2, True)], x if feed else None
        patch.setattr(planner, "schedule", lambda g, steps, *_: by_rows(g, steps, spans, image))
        return plan(network, core.title, core.features)
