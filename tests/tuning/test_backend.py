"""What `lower` leaves out where not all of it fits."""

from __future__ import annotations

import numpy as np
from test_passes import convolution, graph, value

from tinyc.target.boards import load_board
from tinyc.tuning.backend import CODE, lower

PADDED = ((1, 1), (1, 1))


def test_kernels_that_take_much_flash_are_left_out_where_it_is_little() -> None:
    x = value("x", 1, 16, 16, 16)
    rng = np.random.default_rng(1)

    def layer(x, channels: int, name: str):
        weights = rng.integers(-9, 10, (channels, 3, 3, x.type.shape[3])).astype(np.int8)
        return convolution(x, weights, np.zeros(channels, np.int32), name, PADDED)

    first = layer(x, 16, "first")
    second = layer(first.output, 8, "second")
    network = graph([x], [first, second], [second.output])
    board = load_board("mps2_an386")

    def taken(room: int, optimize: str = "speed", kernel: str = "winograd4") -> list[bool]:
        found = lower(network, board, optimize=optimize, max_flash=CODE + room)
        return [kernel in step.kernel.name for step in found.steps]

    # The points of both layers' filters: 36 of two bytes in the place of nine. Tables need more.
    points = (16 + 8) * 16 * 36 * 2
    assert taken(1 << 20) == [True, True]
    assert taken(1 << 20, "balanced") == [False, False]
    assert taken(points) == [False, True]
    assert taken(1000) == [False, False]

    # Weights within instructions are no constants.
    board = load_board("nucleo_g0b1re")
    assert taken(1 << 20, kernel="immediates") == [True, True]
    assert sum(taken((16 + 8) * 16 * 9 * 5, kernel="immediates")) == 1
    assert taken(1000, kernel="immediates") == [False, False]
