"""Measure what kernels cost: `tinyc.kernels.cost`.

    python -m tinyc.tuning.costs [CORE...]      # as Cortex-M4

runs layers of many shapes, and the few rows that chains make at a time, by every kernel that takes
them, one image a shape, on the emulated core, solves for the prices of each kernel that make the
least squares of the relative errors, none below nothing, and writes them where they are read.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import CompileError
from ..ir import Graph, Node, Quant, verify
from ..kernels.base import Binding, Kernel
from ..kernels.cost import PRICES, Work, work
from ..kernels.narrow import BITS, is_narrow
from ..kernels.typical import (
    convolution,
    dense,
    depthwise,
    image_of,
    is_zeroed,
    narrow,
    zeroed,
)
from ..ops._conv import NO_PADDING
from ..ops._mixins import Pair
from ..ops.add import Add
from ..ops.average_pool import AveragePool2d
from ..ops.max_pool import MaxPool2d
from ..plan import Choice, Step, choices, plan
from ..plan.choose import kernel_of
from ..plan.rows import staged
from ..run.data import random_samples
from ..run.forks import each
from ..target.boards import Board, all_boards
from ..target.toolchain import find_toolchain
from .measure import measure

FEWEST = 4
"""Layers that a kernel must have taken to be given prices."""
CORES = ("Cortex-M0+", "Cortex-M3", "Cortex-M4", "Cortex-M7", "Cortex-M33")

CONVOLUTIONS: tuple[tuple[Any, ...], ...] = (  # height, width, inputs, outputs, kernel, stride
    (25, 5, 64, 64, 1), (12, 12, 32, 32, 1), (6, 6, 128, 128, 1), (3, 3, 256, 256, 1),
    (24, 24, 8, 16, 1), (7, 7, 5, 7, 1), (9, 9, 3, 8, 1), (1, 1, 64, 64, 1), (2, 2, 64, 64, 1),
    (1, 5, 32, 32, 1), (10, 10, 16, 2, 1), (10, 10, 16, 6, 1), (5, 5, 96, 10, 1),
    (3, 7, 40, 9, 1), (2, 5, 64, 64, 1), (1, 16, 24, 12, 1), (16, 16, 16, 16, 3),
    (32, 32, 3, 16, 3), (8, 8, 64, 64, 3), (8, 8, 32, 64, 3, 2), (16, 16, 16, 32, 3, 2),
    (4, 4, 64, 64, 3), (2, 2, 64, 64, 3), (28, 28, 1, 8, 3), (28, 28, 1, 4, 5), (12, 12, 4, 8, 3),
    (12, 12, 6, 12, 3), (9, 9, 7, 5, 3), (5, 5, 20, 20, 3), (49, 10, 1, 64, (10, 4), 2),
    (40, 1, 30, 32, (3, 1)), (20, 20, 2, 3, 3), (6, 6, 24, 9, 3), (13, 11, 12, 13, 3),
    (20, 20, 8, 8, 5), (7, 3, 16, 24, (3, 1)), (48, 48, 3, 8, 3, 2), (1, 16, 32, 32, 3),
    (2, 32, 16, 16, 3), (14, 14, 16, 17, 3), (10, 10, 32, 5, 3), (6, 6, 32, 32, 3),
    (12, 12, 48, 20, 3), (20, 10, 16, 8, 3), (8, 8, 16, 64, 3), (24, 24, 16, 16, 3),
)  # fmt: skip
DEPTHWISE: tuple[tuple[Any, ...], ...] = (  # height, width, channels, kernel, stride
    (25, 5, 64, 3), (48, 48, 8, 3), (6, 6, 128, 3), (24, 24, 16, 3, 2), (12, 12, 64, 3, 2),
    (3, 3, 256, 3), (10, 10, 5, 3), (10, 10, 4, 3), (8, 8, 6, 3, 2), (2, 2, 32, 3), (1, 5, 32, 3),
    (2, 5, 64, 3), (4, 5, 64, 3), (1, 24, 16, 3), (2, 24, 16, 3), (3, 12, 24, 3), (4, 48, 8, 3),
    (2, 48, 8, 3, 2), (4, 24, 16, 3, 2), (30, 1, 32, (5, 1)), (40, 1, 16, (9, 1)), (12, 12, 16, 5),
    (7, 7, 24, 5, 2), (20, 3, 16, 3), (3, 20, 16, 3), (16, 16, 32, 2), (9, 9, 3, 3), (6, 6, 64, 7),
)  # fmt: skip
DENSE: tuple[tuple[Any, ...], ...] = (  # rows, inputs, outputs
    (1, 640, 128), (1, 128, 128), (1, 128, 8), (1, 8, 128), (1, 64, 10), (1, 64, 12), (1, 256, 2),
    (1, 16, 16), (1, 33, 17), (1, 100, 4), (1, 30, 4), (4, 64, 32), (3, 64, 32), (2, 64, 32),
    (8, 32, 16), (10, 20, 6), (1, 392, 64), (1, 64, 64), (1, 128, 17), (1, 200, 30),
)  # fmt: skip


POOLS: tuple[tuple[Any, ...], ...] = (  # height, width, channels, kernel, whether averages
    (25, 5, 64, (25, 5)), (8, 8, 64, (8, 8)), (3, 3, 256, (3, 3)), (6, 6, 30, (6, 6)),
    (16, 16, 16, (2, 2)), (12, 8, 24, (3, 2)), (16, 16, 16, (2, 2), False),
    (12, 8, 24, (3, 2), False), (9, 9, 7, (3, 3), False), (20, 4, 32, (4, 4), False),
)  # fmt: skip
ADDITIONS = ((32, 32, 16), (8, 8, 64), (5, 7, 9), (1, 16, 32), (12, 12, 24))
"""Height, width, channels."""
ZEROS = (0.5, 0.7, 0.8, 0.9)
"""Of the weights of layers for kernels that leave them out, the parts that are zero, in turn."""
SPARSE = (0, 1, 2, 4, 5, 8, 13, 18, 19, 20, 23, 27, 30, 43)
"""Which of the convolutions are measured so."""
_NARROW = len(CONVOLUTIONS) + len(DEPTHWISE) + len(DENSE)
STRIPS: tuple[tuple[int, int], ...] = (  # which of the layers, how many rows at a time
    *((i, rows) for i in (0, 1, 3, 20, 21) for rows in (1, 2)),
    *((CONVOLUTIONS.index((8, 8, 64, 64, 3)), 1),),
    *((len(CONVOLUTIONS) + i, rows) for i in (0, 1, 3, 4, 6) for rows in (1, 2, 4)),
    *((_NARROW + i, rows) for i in (0, 1, 16, 17, 18, 19) for rows in (1, 2)),
    *((i - len(SPARSE) - len(DENSE), rows) for i in (0, 1, 7, 8) for rows in (1, 2)),
)


@dataclass(frozen=True)
class Measurement:
    """A layer by a kernel, in cycles; work: what the kernel did."""

    kernel: str
    layer: str
    cycles: int
    work: Work


def layers() -> Iterator[Node]:
    """What is measured."""
    for shape in CONVOLUTIONS:
        yield convolution(*shape)
    for shape in DEPTHWISE:
        yield depthwise(*shape)
    for shape in DENSE:
        yield dense(*shape)
    for shape in CONVOLUTIONS[::2]:
        yield from (narrow(convolution(*shape), bits) for bits in BITS)
    for shape in DENSE:
        yield from (narrow(dense(*shape), bits) for bits in BITS)
    for shape in POOLS:
        yield pool(*shape)
    for shape in ADDITIONS:
        yield addition(*shape)
    sparse = [convolution(*CONVOLUTIONS[i]) for i in SPARSE] + [dense(*shape) for shape in DENSE]
    for i, node in enumerate(sparse):
        yield zeroed(node, ZEROS[i % len(ZEROS)])


def _takes_wider(kernel: Kernel, node: Node) -> bool:
    """Whether a kernel of a `narrow` layer takes weights of 8 bits too; for others it was measured
    by these."""
    x, weights, bias = node.inputs
    data = np.full_like(weights.array, 99)
    return kernel.reject(replace(node, inputs=(x, replace(weights, data=data), bias))) is None


def pool(h: int, w: int, channels: int, kernel: Pair, average: bool = True) -> Node:
    """Of windows side by side."""
    cls = AveragePool2d if average else MaxPool2d
    shape = (1, h // kernel[0], w // kernel[1], channels)
    op = cls(kernel, NO_PADDING, "none", kernel)
    return Node(op, (image_of("x", (1, h, w, channels)),), (image_of("y", shape),), "layer")


def addition(h: int, w: int, channels: int) -> Node:
    a, b, y = (replace(image_of(name, (1, h, w, channels))) for name in "aby")
    b = replace(b, type=replace(b.type, quant=Quant((0.031,), (4,))))
    return Node(Add("relu"), (a, b), (y,), "layer")


def measured(
    node: Node, board: Board, rows: int | None = None, only: str | None = None
) -> list[Measurement]:
    """A layer by every kernel that takes it, in one image; by those of narrow weights alone, if it
    has such. rows: in strips of so many; only: by the kernel of that name."""
    core = board.core
    every = choices(node, core.features, "templates")
    # What flash alone is optimized with is chosen for no cycles.
    ways = [way for way in every if kernel_of(node, way).aims != {"flash"}]
    ways = [way for way in ways if only in (None, way.kernel)]
    if only is None and is_narrow(node):
        ways = [way for way in ways if not _takes_wider(kernel_of(node, way), node)]
    if is_zeroed(node) and only is None:
        ways = [w for w in ways if kernel_of(node, w).bind(node).nonzeros is not None]
    if not ways:
        return []
    graph, steps = _beside(node, ways, board)
    spans = None
    if rows is not None:
        ways = [way for way, step in zip(ways, steps, strict=True) if staged(step) is not None]
        graph, steps = _beside(node, ways, board)
        spans = [(i, i, rows, False) for i in range(len(ways))]
    if not ways:
        return []
    forced = dict(enumerate(ways))
    planned = plan(graph, core.title, core.features, optimize="speed", forced=forced, spans=spans)
    found = measure(planned, board, None, random_samples(graph, 1, 0))
    name = described(node) + ("" if rows is None else f", {rows} rows at a time")
    return [
        Measurement(s.kernel.name, name, taken, _done(node, s.binding, rows))
        for s, taken in zip(planned.steps, found.layers, strict=True)
    ]


def _beside(node: Node, ways: Sequence[Choice], board: Board) -> tuple[Graph, tuple[Step, ...]]:
    """The layer as often as there are ways to compute it, and the steps that do."""
    nodes = tuple(
        replace(node, outputs=(replace(node.output, name=f"y{i}"),)) for i in range(len(ways))
    )
    outputs = tuple(n.output for n in nodes)
    graph = verify(Graph("layer", node.variable_inputs, outputs, nodes))
    core = board.core
    forced = dict(enumerate(ways))
    return graph, plan(graph, core.title, core.features, optimize="speed", forced=forced).steps


def _done(node: Node, binding: Binding, rows: int | None) -> Work:
    """By a kernel that makes so many rows at a time."""
    if rows is None:
        return work(node, binding)
    height = node.output.type.shape[1]
    done: Counter[str] = Counter()
    for first in range(0, height, rows):
        done.update(work(node, binding, min(rows, height - first)))
    return done


def described(node: Node) -> str:
    shapes = " x ".join(str(list(v.type.shape)) for v in node.inputs[:2])
    zeros = ", sparse" if is_zeroed(node) else ""
    return f"{type(node.op).__name__} {shapes} -> {list(node.output.type.shape)}{zeros}"


def prices(points: Sequence[Measurement]) -> dict[str, float]:
    """Of a kernel: those that make the least squares of the relative errors, none below 0."""
    from scipy.optimize import nnls

    names = list(dict.fromkeys(name for point in points for name in point.work))
    taken = np.array([point.cycles for point in points], float)
    counts = np.array([[point.work.get(n, 0) for n in names] for point in points]) / taken[:, None]
    used = [i for i in range(len(names)) if counts[:, i].any()]
    found, _ = nnls(counts[:, used], np.ones(len(points)))
    return {names[i]: float(f"{x:.4g}") for i, x in zip(used, found, strict=True) if x > 0}


def error(point: Measurement, price: Mapping[str, float]) -> float:
    """Of the model, relative."""
    return sum(price.get(n, 0) * c for n, c in point.work.items()) / point.cycles - 1


def measured_all(boards: Sequence[Board]) -> dict[str, list[Measurement]]:
    """Every layer on every board, by core."""
    nodes = list(layers())
    parts = [*((node, None) for node in nodes), *((nodes[i], rows) for i, rows in STRIPS)]
    jobs = [(board, *part) for board in boards for part in parts]
    found: dict[str, list[Measurement]] = {board.core.title: [] for board in boards}
    for index, points in each(lambda job: measured(job[1], job[0], job[2]), jobs):
        found[jobs[index][0].core.title] += points
    return found


def boards(cores: Sequence[str] = CORES) -> list[Board]:
    """Of each core the board of the most RAM. Raises CompileError E200 where no board has it."""
    known = {b.core.title: b for b in sorted(all_boards(), key=lambda board: board.ram_bytes)}
    for core in cores:
        if core not in known:
            hint = f"use one of {', '.join(CORES)}"
            raise CompileError("E200", "tinyc.tuning.costs", f"no board has a core {core!r}", hint)
    return [known[core] for core in cores]


HEAD = """\
# What kernels cost, in cycles at zero wait states, by core and kernel: the names are those of work
# in cost.py. Measured by `python -m tinyc.tuning.costs`, with {compiler}.
# layers: so many; rms, most: by how many percent the prices are off on them.
"""


def late(points: Sequence[Measurement]) -> list[tuple[str, str, str, float]]:
    """The layers for which a kernel behind the first one of the order is quicker: the layer, the
    first kernel, that one, and how many times its cycles the first one takes."""
    ways: dict[str, list[Measurement]] = {}
    for point in points:
        ways.setdefault(point.layer, []).append(point)
    found = []
    for layer, (first, *others) in ways.items():
        best = min(others, key=lambda point: point.cycles, default=first)
        if best.cycles < first.cycles:
            found.append((layer, first.kernel, best.kernel, first.cycles / best.cycles))
    return found


def written(found: Mapping[str, Sequence[Measurement]], compiler: str) -> str:
    """The file of prices, of what was measured by core."""
    lines = [HEAD.format(compiler=compiler)]
    for core, points in found.items():
        for kernel in dict.fromkeys(point.kernel for point in points):
            own = [point for point in points if point.kernel == kernel]
            if len(own) < FEWEST:
                continue
            price = prices(own)
            off = 100 * np.array([error(point, price) for point in own])
            spread = {
                "layers": len(own),
                "rms": round(float(np.sqrt(np.mean(off**2))), 1),
                "most": round(float(np.abs(off).max()), 1),
            }
            entries = (f"{_key(k)} = {v:g}" for k, v in {**price, **spread}.items())
            lines.append("\n".join([f"[{_key(core)}.{kernel}]", *entries, ""]))
    return "\n".join(lines)


def _key(name: str) -> str:
    return name if name.replace("-", "").isalnum() else f'"{name}"'


def main(cores: Sequence[str]) -> None:
    """Measure, and write the file anew: of all cores, or of some, whose lines are printed. Says for
    which layers the order of the kernels is not that of their cycles."""
    compiler = find_toolchain(None).title
    try:
        found = measured_all(boards(cores or CORES))
    except CompileError as error:
        sys.exit(str(error))
    text = written(found, compiler)
    if cores:
        print(text)
    else:
        PRICES.write_text(text)
    for core, points in found.items():
        print(f"{core}: of {len({point.layer for point in points})} layers")
        for layer, first, best, times in late(points):
            print(f"  {layer}: {first} takes {times:.2f} times the cycles of {best}")


if __name__ == "__main__":
    main(sys.argv[1:])
