"""Measure kernels on emulated cores: one layer at a time, random operands, checked outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..emit.emitter import emit
from ..image.build import BuildOptions, build
from ..ir import Graph, interpret, verify
from ..ops._bits import random_words
from ..ops.lce_bconv2d import LceBconv2d, binary_case
from ..plan import plan
from ..run import run
from ..target.boards import all_boards, load_board


def default_boards() -> tuple[str, ...]:
    """The board of each core that has the most RAM."""
    boards = sorted(all_boards(), key=lambda board: (board.core.name, board.ram_bytes))
    return tuple({board.core.name: board.name for board in boards}.values())


@dataclass(frozen=True)
class BinaryLayer:
    """A 3x3 convolution of ``channels`` to as many on a square map, padded with ones."""

    channels: int
    size: int

    @property
    def name(self) -> str:
        return f"3x3, {self.channels} to {self.channels}, {self.size}x{self.size}"


BINARY_LAYERS = (BinaryLayer(64, 16), BinaryLayer(128, 8), BinaryLayer(256, 8))
GOALS = {
    ("cortex-m4", 64): 0.30,
    ("cortex-m4", 256): 0.25,
    ("cortex-m0plus", 64): 0.9,
    ("cortex-m0plus", 128): 0.9,
    ("cortex-m0plus", 256): 0.9,
}
"""Modelled cycles of a binary MAC that a packed output may take, everything included."""


def binary_kernels(
    boards: tuple[str, ...], ending: str = "packed", negative: float = 0.5
) -> Iterator[dict[str, Any]]:
    """Cycles of each of `BINARY_LAYERS` on each board, one entry at a time.

    ending: ``packed``, ``i8`` or ``f32``, the output; negative: the part of the inputs that are
    -1, on which the time of some kernels depends. Raises CompileErrors of building and running.
    """
    for board_name in boards:
        board = load_board(board_name)
        for layer in BINARY_LAYERS:
            rng = np.random.default_rng(0)
            op = LceBconv2d((1, 1), (1, 1), ((1, 1), (1, 1)), 1, layer.channels)
            shape = (1, layer.size, layer.size, layer.channels)
            node = binary_case(op, rng, shape, (layer.channels, 3, 3), 1, ending)
            graph = verify(Graph("bench", node.variable_inputs, node.outputs, (node,)))
            planned = plan(graph, board.core.title, board.core.features)
            (step,) = planned.steps
            x = random_words(rng, shape, negative)
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "bench"
                image = build(emit(planned), board, None, out, BuildOptions("test"))
                row = x.view(np.uint8).reshape(1, -1)
                trace = run(image, row, profile=True, layers=(step.symbol,))
            expected = interpret(graph, [x])[graph.outputs[0]]
            assert trace.outputs[0].tobytes() == expected.tobytes(), "wrong outputs"
            cycles = trace.layers[step.symbol].cycles
            assert cycles is not None
            per_mac = cycles / step.binary_macs
            goal = GOALS.get((board.core.name, layer.channels)) if ending == "packed" else None
            yield {
                "core": board.core.name,
                "layer": layer.name,
                "output": ending,
                "kernel": step.kernel.name,
                "cycles": cycles,
                "cycles_per_binary_mac": round(per_mac, 4),
                "goal": goal,
                "constant_bytes": sum(c.data.nbytes for c in step.binding.constants),
                "scratch_bytes": step.binding.scratch,
                "toolchain": image.toolchain,
                "cycles_source": trace.cycles_source,
            }
