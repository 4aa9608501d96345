"""Hot loops lie so that none of their 32-bit opcodes straddles two lines of the flash: that costs a
cycle each on a board with wait states (`tinyc.target.boards.Waits`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_halves import dense, layer
from test_ops import alone, random_inputs

from tinyc.emit.emitter import emit
from tinyc.image.build import BuildOptions, build
from tinyc.ir import DType, Node, Quant, TensorType, Value
from tinyc.kernels.typical import zeroed
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.plan import plan
from tinyc.run import unicorn as emulator
from tinyc.run.cycles import CycleModel
from tinyc.target.boards import load_board

RNG = np.random.default_rng(3)
BOARD = "nucleo_l4r5zi"
HOT = 0.15
"""Of the executed instructions: what a block of code executes at least to be a hot one."""


def weights(*shape: int) -> np.ndarray:
    return RNG.integers(-60, 61, shape)


def depthwise(size: int, channels: int) -> Node[DepthwiseConv2d]:
    image = TensorType((1, size, size, channels), DType.I8, Quant((1.0,), (-3,)))
    types = [
        image,
        TensorType((1, 3, 3, channels), DType.I8, Quant((0.25,), (0,))),
        TensorType((channels,), DType.I32),
        TensorType(image.shape, DType.I8, Quant((25.0,), (5,))),
    ]
    data = [None, weights(1, 3, 3, channels).astype(np.int8), np.zeros(channels, np.int32)]
    inputs = [Value(n, t, "case", d) for n, t, d in zip("xwb", types[:3], data, strict=True)]
    op = DepthwiseConv2d((1, 1), (1, 1), ((1, 1), (1, 1)), "none")
    return Node(op, tuple(inputs), (Value("y", types[3], "case"),), "case")


LAYERS = {
    "pointwise": (layer((8, 8), weights(64, 1, 1, 64)), 0),
    "3x3": (layer((8, 8), weights(16, 3, 3, 16), padding=1), 0),
    "3x3 of 4 bits": (layer((8, 8), weights(16, 3, 3, 16) // 8, padding=1), 0),
    "dense": (dense(1, weights(128, 128)), 0),
    "sparse pointwise": (zeroed(layer((8, 8), weights(64, 1, 1, 64)), 0.8), 0),
    "sparse dense": (zeroed(dense(1, weights(128, 256)), 0.8), 0),
    # Blocks of assembly in what a compiler makes.
    "depthwise": (depthwise(12, 16), 0.03),
}
"""A layer, and the part of the opcodes of its hot blocks that may straddle."""


@pytest.mark.parametrize("name", LAYERS)
def test_hot_loops_straddle_no_lines(name: str, tmp_path: Path) -> None:
    (node, most), board = LAYERS[name], load_board(BOARD)
    planned = plan(alone(node, "net"), board.core.title, board.core.features)
    image = build(emit(planned), board, None, tmp_path / "out", BuildOptions("test"))
    (x,) = random_inputs(node, np.random.default_rng(1))
    counts = emulator._counts(image, ())
    emulator._Machine(image, memoryview(x.tobytes())).run(60, counts.attach)
    model = CycleModel(board.core, counts.code, counts.base, board.waits.line)
    blocks = []
    for i in np.flatnonzero(counts.count[0]):
        times = int(counts.count[0][i])
        block = model.block(counts.base + 2 * int(i), int(counts.size[i]))
        blocks.append((times * block.instructions, times * block.straddled))
    whole = sum(executed for executed, _ in blocks)
    hot = np.array([pair for pair in blocks if pair[0] > HOT * whole]).sum(0)
    assert ("sparse" in name) == ("sparse" in planned.steps[0].kernel.name)
    assert hot[0] > 0.2 * whole and hot[1] <= most * hot[0], planned.steps[0].kernel.name
