"""Packing for the int8 convolution of cores with nothing but Armv6-M whose weights are operands of
its instructions: about seven bytes of flash for each, and two thirds of the cycles of weights that
are bytes.

The words of the products are those of ``firmware/kernels/tinyc_immediates_armv6m.h``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..ir import Array, Node
from ..ops._conv import filter_rows
from ..ops.conv2d import Conv2d
from .base import Binding, Constant, Kernel
from .conv import clamp_params, window_params
from .conv_armv6m import REQUIRES, live, reject_conv, scaling
from .conv_dsp import padded, table

CHANNELS = 3
"""That share the words of their inputs."""
BUDGET = 255
"""Magnitudes of weights that a running word has room for: 255 * 128 < 2^15."""
MOST_SKIPPED = 62
"""Inputs that one instruction goes past."""
AROUND = 20
"""Instructions of a group besides its products."""


@dataclass
class _Group:
    """The products of some channels, written as they come. lines: of C, for each two inputs;
    taken: how many running words each channel has taken up; instructions: about how many the lines
    are; loads: what the running words hold of `BUDGET`, None of those that have not begun."""

    channels: int
    lines: list[str] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    instructions: int = AROUND
    loads: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.taken = [0] * self.channels
        self.loads = [None] * self.channels

    def inputs(self, weights: list[tuple[int, int]]) -> None:
        """Two inputs, for which each channel has two weights."""
        words = []
        for c, (first, second) in enumerate(weights):
            more, load, word = abs(first) + abs(second), self.loads[c], "MORE"
            if more and load is None:
                word = "BEGIN"
            elif load is not None and load + more > BUDGET:
                load, word = None, self.take_up(c)
            if more:
                self.loads[c] = (load or 0) + more
            words.append(f"{word}, {first}, {second}")
            self.instructions += _instructions(first) + _instructions(second)
        self.lines.append(f"TINYC_INPUTS_{self.channels}({', '.join(words)})")
        self.instructions += 1

    def skip(self, inputs: int) -> None:
        """Inputs for which no channel has a weight."""
        for first in range(0, inputs, MOST_SKIPPED):
            self.lines.append(f"TINYC_SKIP({min(MOST_SKIPPED, inputs - first)})")
            self.instructions += 1

    def take_up(self, c: int) -> str:
        self.taken[c] += 1
        self.instructions += 3
        return "KEEP" if self.taken[c] == 1 else "ADD"

    def end(self) -> None:
        words = []
        for c, load in enumerate(self.loads):
            word = self.take_up(c)
            words.append("EMPTY" if load is None else word)
        self.lines.append(f"TINYC_SUMS_{self.channels}({', '.join(words)})")


def _instructions(weight: int) -> int:
    """Of a product and its sum."""
    size = abs(weight)
    return 0 if size == 0 else 1 if size == 1 else 2 if size & (size - 1) == 0 else 3


def _group(rows: Array) -> _Group:
    """Of weights [channels, depth], of an even depth."""
    group = _Group(len(rows))
    skipped = 0
    for pair in rows.reshape(len(rows), -1, 2).transpose(1, 0, 2).tolist():
        if not any(map(any, pair)):
            skipped += 2
            continue
        group.skip(skipped)
        group.inputs(pair)
        skipped = 0
    group.end()
    return group


def _channels(node: Node[Conv2d], rows: Array, taken: list[int], bits: int) -> Constant:
    """`tinyc_immediate_channel` of each. bits: of a piece of the multiplier."""
    entries = table(node, rows, fold=True)
    biases, multipliers, steps = entries.data[: len(rows)].astype(np.int64).T
    count = 32 // bits
    pieces = [multipliers >> i * bits & (1 << bits) - 1 for i in range(count - 1)]
    pieces += [multipliers >> (count - 1) * bits, *[0 * multipliers] * (4 - count)]
    rest = 31 - (count - 1) * bits
    half = ((1 + 2 * node.output.type.zero_point) << (steps + rest)) + (1 << (rest - 1))
    first = biases - np.array(taken) * (1 << 15)
    words = np.stack([*pieces, half, steps + rest + 1, first, biases], 1)
    note = (
        "pieces of the multiplier, rounding with the zero point, right shift, biases with the "
        "input offset of each channel"
    )
    return Constant("channels", words.astype(np.int32), note)


def _bind(node: Node[Conv2d]) -> Binding:
    _, kh, kw, in_c = node.inputs[1].type.shape
    rows = live(node, filter_rows(node))
    even = padded(rows, 1, 2)
    firsts = range(0, len(rows), CHANNELS)
    groups = [_group(even[c : c + CHANNELS]) for c in firsts]
    taken = [count for group in groups for count in group.taken]
    params = window_params(node, (kh, kw))
    bits, names = scaling(node, rows)
    return Binding(
        params={
            **params,
            **clamp_params(node),
            "input_zero": node.inputs[0].type.zero_point,
            "groups": [
                (c, c + g.channels - 1, g.lines) for c, g in zip(firsts, groups, strict=True)
            ],
            "scale": f"tinyc_scale_sums_{names}",
        },
        constants=(_channels(node, rows, taken, bits),),
        scratch=4 * even.shape[1] + 8 * len(rows) + (in_c if params["padded"] else 0),
        support=("tinyc_immediates_armv6m.h",),
        ordered=True,
        tile=2,
        code=2 * sum(group.instructions for group in groups),
    )


CONV2D = Kernel(
    "conv2d_s8_immediates",
    "conv2d_s8_immediates.c.j2",
    REQUIRES,
    reject_conv,
    _bind,
    aims=frozenset({"speed"}),  # seven bytes of flash a weight
)
