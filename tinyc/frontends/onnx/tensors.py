"""What a quantized ONNX file says of its tensors: constants, scales, zero points, readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CompileError
from ...ir import Array, Quant
from . import static
from .parse import opset
from .rule import OnnxOp

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


@dataclass(frozen=True, eq=False)
class Numbers:
    """How a tensor of the file is quantized. name: the tensor's; words: the names of its scale and
    its zero point; scale, zero: these, each [] or, along ``axis``, [channels]."""

    name: str
    words: tuple[str, str]
    scale: Array
    zero: Array
    axis: int = 1

    def like(self, other: Numbers) -> bool:
        same = np.array_equal(self.scale, other.scale) and np.array_equal(self.zero, other.zero)
        return same and self.zero.dtype == other.zero.dtype

    @property
    def bytes(self) -> bool:
        """Whether it is of eight bits, quantized as a whole."""
        return self.zero.dtype in (np.int8, np.uint8) and self.scale.ndim == 0

    def quant(self, less: int = 0) -> Quant:
        """Of a whole tensor, the zero point ``less`` something."""
        return Quant((float(self.scale.flat[0]),), (int(self.zero.flat[0]) - less,))

    def quantized(self, real: Array) -> Array:
        """Real numbers, halves to even, not yet limited."""
        return np.rint(real / self.scale) + self.zero.astype(np.int64)


@dataclass(frozen=True)
class End:
    """Where the output of a layer is quantized: by the node ``last``, perhaps behind a Relu or a
    Clip, ``between``; to ``numbers``."""

    last: NodeProto
    between: NodeProto | None
    numbers: Numbers


class Tensors:
    """Those of a model, whose quantization `of` finds; arrays: of each that is known."""

    def __init__(self, model: ModelProto, file: str) -> None:
        from onnx import helper, numpy_helper

        self.graph, self.file = model.graph, file
        self.arrays = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        self.producers = {name: node for node in self.graph.node for name in node.output if name}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in self.graph.node:
            for name in dict.fromkeys(node.input):
                self._readers.setdefault(name, []).append(node)
            self._fold(node, opset(model, node.domain))
        self.kinds = {name: array.dtype for name, array in self.arrays.items()}
        """Element types, as far as they are known, for what has no zero point."""
        numbers = {info.name: info.type.tensor_type.elem_type for info in self.graph.input}
        for node in self.graph.node:
            for attribute in node.attribute:
                if attribute.name == "output_dtype":
                    numbers[node.output[0]] = attribute.i
        for name, number in numbers.items():
            if number:
                self.kinds[name] = np.dtype(helper.tensor_dtype_to_np_dtype(number))
        self.results = [o.name for o in self.graph.output]
        self._count = 0

    def _fold(self, node: NodeProto, version: int) -> None:
        """Keep the outputs of a node that depends on constants alone, but not what is
        dequantized."""
        arrays = [self.arrays.get(name) if name else None for name in node.input]
        given = zip(node.input, arrays, strict=True)
        if node.op_type == DEQUANTIZE or any(name and array is None for name, array in given):
            return
        try:
            found = static.constants(OnnxOp(self.file, 0, node, version, tuple(arrays)))
        except CompileError:  # the rules tell
            return
        self.arrays.update(zip(node.output, found or [], strict=False))

    def of(self, name: str, words: Sequence[str], axis: int = 1) -> Numbers | None:
        """``name`` as quantized by the constants of the names ``words``; None if these are none."""
        scale, zero = (self.arrays.get(word) for word in (*words, "", "")[:2])
        if scale is None or scale.dtype != np.float32 or (zero is None and any(words[1:])):
            return None
        second = words[1] if zero is not None else ""
        if zero is None:
            zero = np.zeros(scale.shape, self.kinds.get(name, np.dtype(np.uint8)))
            second = self.add(f"{name}_zero", zero)
        scale, zero = (a.reshape(()) if a.size == 1 else a for a in (scale, zero))
        return Numbers(name, (words[0], second), scale, zero, axis)

    def after(self, node: NodeProto) -> NodeProto | None:
        """The only node that reads a node's output, which is none of the graph."""
        (name,) = node.output[:1]
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self.results else None

    def end(self, node: NodeProto) -> End | None:
        last, between = self.after(node), None
        if last is not None and last.op_type in ("Relu", "Clip"):
            last, between = self.after(last), last
        if last is None or last.op_type != QUANTIZE or last.input[0] not in (
            *node.output, *(between.output if between else ())
        ):  # fmt: skip
            return None
        numbers = self.of(last.output[0], list(last.input[1:]))
        return End(last, between, numbers) if numbers is not None and numbers.bytes else None

    def limits(self, end: End) -> bool:
        """Whether the Relu or Clip before a QuantizeLinear does more than that: they limit its
        numbers as well as what these are made of."""
        if end.between is None:
            return False
        range_ = np.iinfo(end.numbers.zero.dtype)
        if end.between.op_type == "Relu":
            return int(end.numbers.zero) > range_.min
        least, most = (
            self.arrays.get(end.between.input[i]) if len(end.between.input) > i else None
            for i in (1, 2)
        )
        given = sum(1 for name in end.between.input[1:] if name)
        found = [a for a in (least, most) if a is not None]
        if given != len(found):
            return True
        below = least is not None and end.numbers.quantized(least) > range_.min
        return bool(below or (most is not None and end.numbers.quantized(most) < range_.max))

    def add(self, name: str, data: Array) -> str:
        """The name of a new constant."""
        from onnx import numpy_helper

        name = self.fresh(name)
        self.graph.initializer.append(numpy_helper.from_array(data, name))
        self.arrays[name] = data
        return name

    def fresh(self, name: str) -> str:
        """A name that is not there yet."""
        self._count += 1
        return f"{name}/{self._count}"
