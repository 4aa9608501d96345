"""TIR forms of element-wise operators and of pooling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...ir import DType, Node, OpT
from ...ir.quant import activation_range
from ...ops._mixins import Activated
from ...ops._pool import Pool
from ..base import Constant, Kernel, Schedule
from ..binary import caption, loops
from ..conv import window_params
from ..formula import output_fields
from ..unary import table
from . import tvm
from .lower import Form, kernel

SUPPORT = ("tinyc_requant.h", "tinyc_tensor.h")
SUPPORT_DSP = ("tinyc_add_dsp.h", "tinyc_tensor.h")
Element = Callable[[Any, Any], Any]
"""Both operands as int32 expressions -> the int8 output."""


def _unrolled(node: Node) -> list[Schedule]:
    return [{"unroll": n} for n in (1, 2, 4)]


# Two operands -------------------------------------------------------------------------------


def binary_form(
    node: Node, sign: str, element: Element, schedule: Schedule, dsp: bool = False
) -> Form:
    """Loops over two int8 operands that broadcast; ``element`` computes an output."""
    module = tvm()
    te, tirx = module.te, module.tirx
    out = node.output.type
    nest = loops(out.shape, tuple(v.type.shape for v in node.inputs))
    variables = node.variable_inputs
    pointers = {v: te.placeholder((max(v.type.elements, 1),), "int8", "in") for v in variables}
    constants: list[Constant] = []
    arrays: list[Any] = []
    readers: list[Callable[[tuple[Any, ...]], Any]] = []
    for i, value in enumerate(node.inputs):
        steps = [steps[i] for _, steps in nest]
        if value.data is not None and value.data.size == 1:
            number = tirx.const(int(value.data.ravel()[0]), "int32")
            readers.append(partial(_constant, number))
            continue
        if value.data is None:
            array = pointers[value]
        else:
            array = te.placeholder((value.data.size,), "int8", "xy"[i])
            arrays.append(array)
            constants.append(Constant("xy"[i], value.data, f"{('left', 'right')[i]} operand"))

        def read(at: tuple[Any, ...], array: Any = array, steps: list[int] = steps) -> Any:
            index = sum(
                (v * step for v, step in zip(at, steps, strict=True)), tirx.const(0, "int32")
            )
            return array[index].astype("int32")

        readers.append(read)
    counts = tuple(count for count, _ in nest)
    result = te.compute(counts, lambda *at: element(*(r(at) for r in readers)), "out")
    s = module.s_tir.Schedule(te.create_prim_func([*pointers.values(), *arrays, result]))
    _unroll_last(s, counts[-1], schedule["unroll"])
    whole = [i for i, v in enumerate(variables) if v.type.shape == out.shape]
    return Form(
        caption(node, sign), s, tuple(constants), len(variables),
        SUPPORT_DSP if dsp else SUPPORT, whole[0] if whole else None,
    )  # fmt: skip


def _constant(number: Any, at: tuple[Any, ...]) -> Any:
    """What is the same at every place."""
    return number


def _unroll_last(s: Any, count: int, times: int) -> None:
    if times > 1 and count % times == 0:
        _, inner = s.split(s.get_loops(s.get_sblock("out"))[-1], [None, times])
        s.unroll(inner)


def reject_binary(node: Node) -> str | None:
    if not node.variable_inputs:
        return "both operands are constant"
    return None if node.inputs[0].type.dtype is DType.I8 else "not i8"


def saturated(node: Node[Activated], scaled: Any) -> Any:
    """Clamp a number less the zero point to the activation's range, and add that."""
    p = output_fields(node, node.op.activation)
    y = tvm().tirx.call_pure_extern("int32", "tinyc_clamp", scaled, p["low"], p["high"])
    return (y + p["zero_point"]).astype("int8")


def binary_kernel(
    name: str, sign: Callable[[Node[OpT]], str], element: Callable[[Node[OpT]], Element],
    requires: frozenset[str] = frozenset(),
) -> Kernel[OpT]:  # fmt: skip
    """element: of a node, what computes one output."""

    def form(node: Node[OpT], schedule: Schedule) -> Form:
        return binary_form(node, sign(node), element(node), schedule, "dsp" in requires)

    return kernel(name, requires, reject_binary, _unrolled, form)


# One operand of 8 bits ----------------------------------------------------------------------


def table_kernel(name: str) -> Kernel:
    """A look-up of each int8 element in a table of the reference's answers."""

    def form(node: Node, schedule: Schedule) -> Form:
        module = tvm()
        te, count = module.te, node.output.type.elements
        label = type(node.op).__name__.lower()
        note = f"{label} of each byte, from 0 to 127, then -128 to -1"
        answers = Constant("table", table(node), note)
        x = te.placeholder((count,), "int8", "in")
        t = te.placeholder((256,), "int8", "table")
        y = te.compute((count,), lambda i: t[x[i].astype("uint8").astype("int32")], "out")
        s = module.s_tir.Schedule(te.create_prim_func([x, t, y]))
        _unroll_last(s, count, schedule["unroll"])
        return Form(label, s, (answers,), support=SUPPORT, inplace=0)

    def reject(node: Node) -> str | None:
        int8 = node.inputs[0].type.dtype is DType.I8 and node.output.type.dtype is DType.I8
        return None if int8 else "not i8"

    return kernel(name, frozenset(), reject, _unrolled, form)


# Pooling ------------------------------------------------------------------------------------


def pool_kernel(name: str, average: bool) -> Kernel[Pool]:
    """The mean or the greatest of each window's pixels inside the image."""

    def form(node: Node[Pool], schedule: Schedule) -> Form:
        module = tvm()
        te, call = module.te, module.tirx.call_pure_extern
        p = window_params(node, node.op.kernel)
        low, high = activation_range(node.op.activation, node.output.type)
        n, in_h, in_w, c = node.inputs[0].type.shape
        _, oh, ow, _ = node.output.type.shape
        kh, kw, top, left = p["kernel_h"], p["kernel_w"], p["pad_top"], p["pad_left"]
        neutral = module.tirx.const(0 if average else -128, "int32")
        x = te.placeholder((n, in_h, in_w, c), "int8", "in")
        ky, kx = te.reduce_axis((0, kh), "ky"), te.reduce_axis((0, kw), "kx")
        reaches_y = (oh - 1) * p["stride_h"] + kh - top > in_h
        reaches_x = (ow - 1) * p["stride_w"] + kw - left > in_w
        reduce = te.sum if average else te.max

        def value(b: Any, oy: Any, ox: Any, ch: Any) -> Any:
            y, x0 = oy * p["stride_h"] + ky - top, ox * p["stride_w"] + kx - left
            inside = [*([y >= 0] if top else []), *([y < in_h] if reaches_y else [])]
            inside += [*([x0 >= 0] if left else []), *([x0 < in_w] if reaches_x else [])]
            pixel = x[b, y, x0, ch].astype("int32")
            if inside:
                pixel = te.if_then_else(te.all(*inside), pixel, neutral)
            return reduce(pixel, axis=[ky, kx])

        def extent(o: Any, stride: int, before: int, size: int, count: int) -> Any:
            first = o * stride - before
            return te.min(first + count, size) - te.max(first, 0)

        def last(b: Any, oy: Any, ox: Any, ch: Any) -> Any:
            total = acc[b, oy, ox, ch]
            if average:
                number = module.tirx.const(kh * kw, "int32")
                if p["padded"]:
                    number = extent(oy, p["stride_h"], top, in_h, kh) * extent(
                        ox, p["stride_w"], left, in_w, kw
                    )
                total = call("int32", "tinyc_mean", total, number)
            return call("int32", "tinyc_clamp", total, low, high).astype("int8")

        acc = te.compute((n, oh, ow, c), value, "acc")
        out = te.compute((n, oh, ow, c), last, "out")
        s = module.s_tir.Schedule(te.create_prim_func([x, out]))
        channels = schedule["channels"]
        group, _ = s.split(s.get_loops(s.get_sblock("out"))[-1], [None, channels])
        block = s.get_sblock("acc")
        s.compute_at(block, group, preserve_unit_loops=True)
        s.set_scope(block, 0, "local")
        ch_loop, ky_loop, kx_loop = s.get_loops(block)[-3:]
        s.reorder(ky_loop, kx_loop, ch_loop)
        init = s.decompose_reduction(block, ky_loop)
        for loop in (ch_loop, s.get_loops(init)[-1]):
            s.unroll(loop)
        kind = "average" if average else "maximum"
        return Form(f"{kind} pooling {kh}x{kw} of {c} channels", s, support=SUPPORT)

    def reject(node: Node[Pool]) -> str | None:
        if node.inputs[0].type.dtype is not DType.I8:
            return "not i8"
        rounds_up = average and node.op.unsigned
        return "a mean of uint8" if rounds_up else None

    def schedules(node: Node[Pool]) -> list[Schedule]:
        c = node.output.type.shape[3]
        return [{"channels": n} for n in (4, 2, 1, 8) if c % n == 0]

    return kernel(name, frozenset(), reject, schedules, form)
