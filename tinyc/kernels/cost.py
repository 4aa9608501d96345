"""How many cycles a layer takes: what its kernel does, counted, times what each of it costs.

The prices are in ``costs.toml`` beside this file, by core and kernel, at zero wait states. They
were fitted to layers on the emulated core; `python -m tinyc.tuning.costs` measures them anew, and
docs/cycles.md says by how much they are off.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from math import ceil, prod
from pathlib import Path

from ..ir import Node, OpT, applies
from ..ops._mixins import Weighted, Windowed
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected
from . import sparse
from .base import Binding, Constant, Kernel
from .packed import encode, period

PRICES = Path(__file__).with_name("costs.toml")

Work = Mapping[str, float]
"""What a kernel does, how often: names of prices."""

LIKE = (
    ("dual_issue", "Cortex-M7"),
    ("dsp", "Cortex-M4"),
    ("thumb2", "Cortex-M3"),
    ("", "Cortex-M0+"),
)
"""For a core that was not measured, by the first feature that it has, which stands in for it."""

PRODUCT = {
    "Cortex-M7": 1.5,
    "Cortex-M4": 2,
    "Cortex-M33": 2,
    "Cortex-M3": 5,
    "Cortex-M0+": 8,
}
ELEMENT, CALL = 8, 100
"""Of kernels that were not measured: cycles of a product; products that take as long as an element
of a layer without any; and those of a call."""


def core_of(title: str, features: frozenset[str]) -> str:
    """The core whose prices hold."""
    if title in _prices():
        return title
    return next(core for feature, core in LIKE if not feature or feature in features)


@cache
def _prices() -> dict[str, dict[str, dict[str, float]]]:
    return tomllib.loads(PRICES.read_text()) if PRICES.exists() else {}


def priced(name: str, core: str) -> Mapping[str, float] | None:
    """The prices of a kernel, or of that to which it is alike for small code; None if it was not
    measured."""
    known = _prices().get(core, {})
    return known.get(name) or known.get(name.removesuffix("_alike"))


def cycles(
    node: Node[OpT], kernel: Kernel[OpT], binding: Binding, core: str, rows: int | None = None
) -> float:
    """Of a call. core: see `core_of`; rows: of the output, if they are not all."""
    prices = priced(kernel.name, core)
    if prices is not None:
        done = work(node, binding, rows)
        return sum(prices.get(name, 0) * count for name, count in done.items())
    part = 1.0 if rows is None else rows / node.output.type.shape[1]
    products = node.op.macs(node) or ELEMENT * sum(v.type.elements for v in node.outputs)
    if rows is not None:
        part *= _filled(rows * node.output.type.shape[2], binding.tile)
    return PRODUCT[core] * (products * part + CALL)


WORTH = 5000
"""Cycles that a kernel out of its turn has to save: its code may be some more in flash."""
CODE = 512
"""Bytes up to which its constants are no fewer and no more: its code takes about so many, and what
fills up the last channels some."""
BYTE = {"speed": 0, "balanced": 10, "ram": 10, "flash": 1_000_000}
"""Cycles that a byte of flash is worth, by what is optimized. Balanced: 4-bit weights of a 3x3
convolution of 64 channels with 64, over an image of 8x8, are 18 KB less than those of 8 bits, for
which its 2.4 M cycles may become 5 % more, 6.5 a byte; the weights of one that takes a hundred a
byte are too few to matter. For flash no cycles count where bytes do."""


def quicker(
    node: Node, kernels: Sequence[Kernel], core: str, optimize: str
) -> tuple[Kernel, Binding | None]:
    """The first of some kernels that take a node, or a later one that costs less by more than both
    their prices are off (rms), and by `WORTH`; and its binding, if that had to be made.

    What a kernel costs is its cycles, and `BYTE` of what is optimized (one of `AIMS`) for each byte
    of its constants, and of its code, by which two kernels differ by more than `CODE`. For flash,
    which has constants packed, the bytes of a layer of many zeros are the packed ones: constants of
    some kernels shrink more than those of others. core: see `core_of`."""
    best, bound, least, size = kernels[0], None, float("inf"), 0
    coded = optimize == "flash" and _is_sparse(node)
    for kernel in kernels if len(kernels) > 1 else ():
        prices = priced(kernel.name, core)
        if prices is None:
            if kernel is best:  # nothing is known of it
                break
            continue
        binding = kernel.bind(node)
        found, off = cycles(node, kernel, binding, core), prices["rms"] / 100
        taken = binding.code + sum(_bytes(c, coded) for c in binding.constants)
        more = BYTE[optimize] * _beyond(taken - size, CODE)
        if kernel is best or found * (1 + off) + more + WORTH < least:
            best, bound, least, size = kernel, binding, found * (1 - off), taken
    return best, bound


def _is_sparse(node: Node) -> bool:
    """Whether there are kernels of lists for its weights."""
    data = node.inputs[1].data if applies(node, Weighted) else None
    return data is not None and sparse.reject(data) is None


def _bytes(constant: Constant, coded: bool) -> int:
    plain = constant.data.nbytes
    return min(plain, len(encode(constant.data, period(constant, True), True))) if coded else plain


def _beyond(count: float, threshold: float) -> float:
    """By how much a number of either sign is beyond a threshold."""
    return max(count - threshold, 0) + min(count + threshold, 0)


def _filled(count: int, tile: int) -> float:
    """By how much a count grows that comes in whole tiles."""
    return ceil(count / tile) * tile / count


def work(node: Node, binding: Binding, rows: int | None = None) -> Work:
    """What a kernel does in a call."""
    y = node.output.type
    height = y.shape[1] if len(y.shape) == 4 and rows is None else rows or 1
    # Code that takes strips knows less of them than that of a whole layer.
    strip = {} if rows is None else {"strip": 1}
    if applies(node, Conv2d):
        _, kh, kw, _ = node.inputs[1].type.shape
        taps = 0 if kh == kw == 1 else kh
        done = _products(node, binding, y.shape[0] * height * y.shape[2], height, taps) | strip
        # A window that is the whole image is other code.
        return {"whole " + n: c for n, c in done.items()} if "rows" in binding.params else done
    if applies(node, FullyConnected):
        pixels = y.elements // y.shape[-1]
        done = _products(node, binding, pixels, pixels, 0)
        # Several rows in tiles are other code than one after the other.
        return {"tile " + n: c for n, c in done.items()} if binding.tile > 1 else done
    if applies(node, DepthwiseConv2d):
        if "out_positions" in binding.params:
            return _planar(node, binding, rows) | strip
        if "length" in binding.params:
            return _planes(node, binding, rows) | strip
        return _depthwise(node, binding, rows) | strip
    part = 1.0 if rows is None else rows / y.shape[1]
    outputs = part * y.elements
    taps = prod(node.op.window(node)) if applies(node, Windowed) else 0
    return {"product": outputs * taps, "output": outputs, "call": 1, **strip}


def _products(
    node: Node[Weighted], binding: Binding, pixels: float, rows: int, taps: int
) -> dict[str, float]:
    """Of a convolution, or a dense layer of several rows. taps: the height of a window of more than
    a pixel, which is gathered row by row, else 0."""
    weights = node.inputs[1].type
    depth = weights.elements // weights.shape[0]
    channels = ceil(weights.shape[0] / binding.lanes) * binding.lanes
    pixels = ceil(pixels / binding.tile) * binding.tile
    points = 1.0
    if m := binding.params.get("m"):  # Winograd's tiles, four at a time
        _, height, width, _ = node.output.type.shape
        pixels = ceil(ceil(height / m) * ceil(width / m) / 4) * 4 * m * m
        points = ((m + 2) / m) ** 2 / 9
    products = channels * ceil(depth / 4) * 4 if binding.nonzeros is None else binding.nonzeros
    return {
        "product": pixels * products * points,
        "output": pixels * channels,
        "input": pixels * depth,
        "line": pixels * taps,
        "pixel": pixels,
        "row": rows,
        "channel": channels,
        "call": 1,
    }


def _depthwise(node: Node[DepthwiseConv2d], binding: Binding, rows: int | None) -> dict[str, float]:
    """Of windows one after the other. edge: products of those that reach out of the image."""
    batches, height, width, channels = node.output.type.shape
    height = height if rows is None else rows
    pixels = batches * height * width
    outputs = pixels * ceil(channels / binding.lanes) * binding.lanes
    taps, whole = _inside(node)
    return {
        "product": outputs * taps,
        "output": outputs,
        "edge": outputs * (taps - whole),
        "pixel": pixels,
        "row": height,
        "call": 1,
    }


def _inside(node: Node[DepthwiseConv2d]) -> tuple[float, float]:
    """Of the windows over an image: how many taps lie within it on average, in all and of those
    windows that do as a whole."""
    taps, whole = 1.0, 1.0
    for axis, count in enumerate(node.inputs[1].type.shape[1:3]):
        size, outputs = (v.type.shape[1 + axis] for v in (node.inputs[0], node.output))
        stride, step = node.op.stride[axis], node.op.dilation[axis]
        starts = [i * stride - node.op.padding[axis][0] for i in range(outputs)]
        seen = [sum(0 <= at + k * step < size for k in range(count)) for at in starts]
        taps *= sum(seen) / outputs
        whole *= count * seen.count(count) / outputs
    return taps, whole


def _planar(node: Node[DepthwiseConv2d], binding: Binding, rows: int | None) -> dict[str, float]:
    """Of lines that go by pairs, four channels at a time."""
    params = binding.params
    lines = params["out_lines"] if rows is None else rows
    groups = ceil(params["channels"] / 4)
    pairs = ceil(lines / 2) if node.op.stride[0] == 1 else lines
    cells = params["before"] + params["positions"] + params["after"]
    done: dict[str, float] = {
        "product": groups * lines * params["out_positions"],
        "line": groups * lines,
        "call": 1,
    }
    if rows == 2 and node.op.stride[0] == 1:  # tinyc_depthwise_planar_two
        return {**done, "two": groups, "two input": 2 * groups * cells}
    done |= {"input": groups * (pairs + 1) * cells, "row": groups * pairs, "channel": groups}
    return done if rows is None else {**done, "strip row": groups * pairs, "strip channel": groups}


def _planes(node: Node[DepthwiseConv2d], binding: Binding, rows: int | None) -> dict[str, float]:
    """Of pairs of outputs of a channel that is laid out, so many lines of outputs at a time."""
    params, channels = binding.params, node.output.type.shape[3]
    _, along, *_ = params["along"]
    _, lines, window, stride, *_ = params["across"]
    lines = lines if rows is None else rows
    planes = ceil(lines / params["columns"])
    pairs = channels * ceil(along / 2) * lines
    return {
        "product": pairs * window * params["taps"],
        "output": pairs,
        "input": channels * params["length"] * ((lines - planes) * stride + planes * window),
        "row": channels * planes,
        "channel": channels,
        "call": 1,
    }
