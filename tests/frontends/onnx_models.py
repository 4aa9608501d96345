"""Small ONNX networks, made here with random weights, and what onnxruntime makes of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tinyc.ir import Array

OPSET = 17


class Builder:
    """Nodes after each other, each with a random constant where it needs one."""

    def __init__(self, shape: Sequence[int | str], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape: int) -> str:
        spread = 1 / max(1, np.prod(shape[1:])) ** 0.5
        return self.constant(self.rng.normal(0, spread, shape).astype(np.float32))

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        domain = attributes.pop("domain", "")
        self.nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, depth: int, channels: int, kernel: Sequence[int], **more: Any) -> str:
        weights = self.weights(channels, depth // more.get("group", 1), *kernel)
        return str(self.add("Conv", x, weights, self.weights(channels), **more))

    def norm(self, x: str, channels: int) -> str:
        scale, bias, mean = (self.weights(channels) for _ in range(3))
        variance = self.constant(self.rng.uniform(0.5, 2, channels).astype(np.float32))
        return str(self.add("BatchNormalization", x, scale, bias, mean, variance))

    def model(self, *outputs: str, opset: int = OPSET, kind: int = TensorProto.FLOAT) -> Any:
        ends = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, ends, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 10
        return model

    def save(self, path: Path, *outputs: str, opset: int = OPSET) -> Path:
        onnx.save(self.model(*outputs, opset=opset), path)
        return path


def run_onnx(path: Path, *inputs: Array) -> list[Array]:
    """The outputs of onnxruntime, without its rewrites."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    names = [i.name for i in session.get_inputs()]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))
