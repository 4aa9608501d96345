"""What an operator is: its rule, its numpy reference, its cost and its kernels.

Each file in `tinyc.ops` defines one operator (or a family that differs in a letter) as a
frozen dataclass whose fields are the attributes, and registers it. Nothing else has to be
edited to add an operator or a kernel.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from .errors import CompileError
from .ir import DType, Node, Quant, TensorType

if TYPE_CHECKING:
    from .frontends.tflite import TfliteOp


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array of the generated C: ``const <ctype> <layer>_<suffix>[]``.

    data: one of numpy's int8, uint8, int16, int32, float32 arrays, written in C order;
    note: what stands in it, for the comment beside it.
    """

    suffix: str
    data: np.ndarray
    note: str

    @cached_property
    def contents(self) -> tuple[str, bytes]:
        """What arrays have in common that can be one: the element type and a digest of the
        bytes."""
        return self.data.dtype.name, hashlib.sha256(np.ascontiguousarray(self.data)).digest()


@dataclass(frozen=True)
class Binding:
    """A kernel bound to a node: everything that its template needs, finished.

    params: names of the template -> integers, floats, strings, booleans or lists of them;
    constants: packed weights and tables, in the order in which the kernel reads them, known
        to the template as ``c.<suffix>``;
    scratch: bytes of working memory in the arena (8-byte aligned), passed as last argument;
    support: files of ``firmware/kernels/`` that the code needs, included once, in order;
    inplace: index into ``node.variable_inputs`` of an input whose buffer the first output may
        take over at the same address, or None.
    """

    params: dict[str, Any] = field(default_factory=dict)
    constants: tuple[Constant, ...] = ()
    scratch: int = 0
    support: tuple[str, ...] = ()
    inplace: int | None = None


Schedule = Mapping[str, int]
"""What a TIR form is lowered with: parameter -> number. See `tinyc.tir`."""


@dataclass(frozen=True)
class Kernel:
    """One way to compute an operator in C.

    name: unique, e.g. ``conv2d_s8_dsp``; template: a file under ``templates/kernels/`` that
    defines ``static void {{ fn }}(inputs..., outputs..., [scratch])`` with one pointer for each
    of ``node.variable_inputs``, each output, and ``uint8_t *scratch`` if there is any;
    requires: core features (``dsp``, ``fpu``, ``mve``), empty for portable C;
    reject: why the kernel cannot compute this node, None if it can;
    bind: packs the constants and fills the template's parameters;
    schedules: of a kernel that TVM makes, what a node may be lowered with, the default first;
    scheduled: its `bind` under one of them.
    """

    name: str
    template: str
    requires: frozenset[str]
    reject: Callable[[Node], str | None]
    bind: Callable[[Node], Binding]
    schedules: Callable[[Node], Sequence[Schedule]] | None = None
    scheduled: Callable[[Node, Schedule], Binding] | None = None


class Op:
    """Base of every operator; a subclass is a frozen dataclass of attributes.

    tflite: the TFLite operators that it is imported from;
    kernels: fastest first; the planner takes the first one that the core and the node allow;
    tir: the same for what TVM makes, which may leave nodes to the former;
    view: True if the output is the input's bytes unchanged (RESHAPE), which needs no code;
    elementwise: True if each output element depends on the operands' at its place alone, as far as
    they have it, broadcast.

    How an int8 node of it is quantized, of which `tinyc.passes.calibrate` makes one:
    keeps_quant: all its real operands and outputs are quantized alike;
    fixed_quant: what its output must have;
    weight_axis: it has the operands (x, weights, bias), with int8 weights that are symmetric for
    each index of this axis, and an int32 bias;
    float_constants: its constants stay float32;
    calibrates: False if a float32 node cannot be made an int8 one there.
    """

    tflite: ClassVar[tuple[str, ...]] = ()
    kernels: ClassVar[tuple[Kernel, ...]] = ()
    tir: ClassVar[tuple[Kernel, ...]] = ()
    view: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    keeps_quant: ClassVar[bool] = False
    fixed_quant: ClassVar[Quant | None] = None
    weight_axis: ClassVar[int | None] = None
    float_constants: ClassVar[bool] = False
    calibrates: ClassVar[bool] = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        """Import one TFLite operator. Raises CompileError (E3xx) with the node's origin."""
        raise AssertionError(f"{cls.__name__} has no TFLite import rule")

    def check(self, node: Node) -> None:
        """The shape, dtype and quantization rule: raises CompileError unless the node fulfils
        all of it, so that neither reference nor kernel can read out of bounds."""
        raise AssertionError(f"{type(self).__name__} has no rule")

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """The numpy reference, bit-exact with TFLite's reference kernel."""
        raise AssertionError(f"{type(self).__name__} has no reference")

    def narrowed(self, quant: Quant) -> Op:
        """The attributes of a float32 node, for one whose int8 output has ``quant``."""
        return self

    def macs(self, node: Node) -> int:
        """Multiply-accumulates of one inference, 0 for operators without any."""
        return 0

    def binary_macs(self, node: Node) -> int:
        """How many of `macs` multiply signs."""
        return 0

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        """Awkward nodes for the generic test of reference and kernels (see tests/test_ops.py):
        odd sizes, one channel, extreme zero points, and whatever the operator finds hard."""
        return iter(())


_OPS: list[type[Op]] = []
OpClass = TypeVar("OpClass", bound=type[Op])


def register(cls: OpClass) -> OpClass:
    """Class decorator: make an operator known to frontends, planner, tests and docs."""
    _OPS.append(cls)
    return cls


@cache
def all_ops() -> tuple[type[Op], ...]:
    """Every registered operator, sorted by name."""
    from . import ops

    for module in pkgutil.iter_modules(ops.__path__):
        importlib.import_module(f"{ops.__name__}.{module.name}")
    return tuple(sorted(_OPS, key=lambda cls: cls.__name__))


@cache
def tflite_importers() -> dict[str, type[Op]]:
    """TFLite operator name -> the operator that imports it."""
    table: dict[str, type[Op]] = {}
    for cls in all_ops():
        for name in cls.tflite:
            assert name not in table, f"{name} has two import rules"
            table[name] = cls
    return table


# Helpers for `check` ---------------------------------------------------------------------

REQUANTIZE = (
    "quantize the float model again with the TFLite converter: Optimize.DEFAULT and a "
    "representative_dataset"
)
"""What to do about a quantization that TFLite's int8 kernels would not take either."""


def fail(node: Node, what: str, hint: str = "", id: str = "E302") -> CompileError:
    """The error for a node that breaks its operator's rule (``raise fail(...)``)."""
    return CompileError(id, node.origin, what, hint)


def expect_arity(node: Node, inputs: int, outputs: int = 1) -> None:
    if len(node.inputs) != inputs or len(node.outputs) != outputs:
        raise fail(
            node,
            f"has {len(node.inputs)} inputs and {len(node.outputs)} outputs, "
            f"not {inputs} and {outputs}",
            "the file is malformed; convert the model again",
        )


def expect_shape(node: Node, actual: TensorType, shape: tuple[int, ...], name: str) -> None:
    if actual.shape != shape:
        raise fail(
            node,
            f"{name} has shape {list(actual.shape)}, its operands give {list(shape)}",
            "the file is malformed; convert the model again",
        )


def expect_dtype(node: Node, actual: TensorType, allowed: tuple[DType, ...], name: str) -> None:
    """``allowed``: I8/U8/I16 in it must come with per-tensor or per-channel quantization."""
    if actual.dtype not in allowed:
        names = ", ".join(d.value for d in allowed)
        raise fail(
            node,
            f"{name} is {actual.dtype.value}; supported: {names}",
            "convert the model in float32, or with full integer (int8) quantization",
            "E303",
        )


def expect_quant(node: Node, actual: TensorType, name: str, per_channel: bool = False) -> None:
    """An integer tensor must carry a valid quantization (per tensor unless ``per_channel``).

    Scales of activations lie in 2**-40 .. 2**40, so that no product or quotient of three of
    them leaves float32; those of weights may be as small as a dead channel makes them.
    """
    if actual.quant is None:
        raise fail(
            node,
            f"{name} has no quantization",
            REQUANTIZE,
            "E304",
        )
    if actual.quant.per_channel and not per_channel:
        raise fail(node, f"{name} is quantized per channel", REQUANTIZE, "E304")
    if actual.dtype is DType.I16 and any(actual.quant.zero_point):
        raise fail(
            node,
            f"{name} is int16 with the zero point {actual.quant.zero_point[0]}",
            "quantize the model again with the TFLite converter, whose int16 tensors have 0",
            "E342",
        )
    if not per_channel and not 2.0**-40 <= actual.scale <= 2.0**40:
        raise fail(
            node,
            f"{name} has the scale {actual.scale:.6g}",
            "quantize the model again, with data like the real one",
            "E304",
        )


def expect_ratio(node: Node, reach: int, *ratios: float) -> None:
    """Integers up to ``reach`` times each of ``ratios``, quotients of scales, must stay in 32 bits:
    a fixed-point product shifts them left by the ratio's power of two first."""
    for ratio in ratios:
        if reach << max(math.frexp(ratio)[1], 0) >= 1 << 31:
            raise fail(
                node,
                f"rescales numbers of up to {reach} by {ratio:.6g}, which 32 bits do not hold",
                "quantize the model again, with data like the real one",
                "E304",
            )
