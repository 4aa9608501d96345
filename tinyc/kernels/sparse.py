"""Weights of which many are zero, as lists of the others. They are found in the values: nothing
declares them."""

from __future__ import annotations

import numpy as np

from ..ir import Array, Node
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from .base import AIMS, Binding, Constant
from .conv import clamp_params, window_params

PIXELS = 8
CONV_AIMS = frozenset(AIMS) - {"ram"}
"""Of convolutions, which lay out the windows of so many pixels in scratch memory."""
LEAST_ZEROS = 0.4
"""Part of the weights: with less, lists take more bytes, and fewer cycles on Cortex-M3 alone, where
a 1x1 convolution of 64 channels with 64 takes 1.16 times fewer at 0.3."""
LARGEST_STEP = 255
"""From an entry to the next one, in inputs."""


def reject(rows: Array) -> str | None:
    """Why weights [channels, depth] are not kept as lists."""
    zeros = 1 - np.count_nonzero(rows) / rows.size
    return f"less than {LEAST_ZEROS:.0%} of the weights are zero" if zeros < LEAST_ZEROS else None


def entries(row: Array) -> list[int]:
    """Those of the weights int8 [depth] of a channel: bytes of step and weight."""
    found, last = [], 0
    for k in np.flatnonzero(row):
        for _ in range((int(k) - last - 1) // LARGEST_STEP):
            found.append(LARGEST_STEP)
            last += LARGEST_STEP
        found.append((int(row[k]) & 0xFF) << 8 | (int(k) - last))
        last = int(k)
    return found


def counted(rows: Array) -> tuple[Constant, int]:
    """What tinyc_sparse_dsp.h reads of weights int8 [channels, depth], uint16: of each channel the
    number of its entries, one at least, and these; and how many entries there are."""
    lists = [entries(row) or [0] for row in rows]
    words = [word for found in lists for word in (len(found), *found)]
    note = "of each channel the number of entries, and these: weight and step from the last input"
    return Constant("entries", np.array([*words, 0], np.uint16), note), sum(map(len, lists))


def by_fours(rows: Array) -> tuple[Constant, Array]:
    """What tinyc_sparse_row_dsp.h reads of weights int8 [channels, depth], uint16; and how many
    fours each channel has."""
    lists = [entries(row) or [0] for row in rows]
    words = [word for found in lists for word in (*found, *[0] * (-len(found) % 4))]
    note = "of each channel its entries, in fours: weight and step from the last input"
    fours = np.array([-(-len(found) // 4) for found in lists])
    return Constant("entries", np.array([*words, 0, 0, 0, 0], np.uint16), note), fours


def pixels(
    node: Node[Conv2d], rows: Array, table: Constant, *, put: str, tile: str, support: str
) -> Binding:
    """Of tinyc_sparse.h: a convolution of weights [channels, depth], eight pixels at a time. table:
    [channels, words]; put, tile: the functions of ``support`` that lay out columns and that make
    outputs."""
    packed, count = counted(rows)
    channels, depth = rows.shape
    _, kh, kw, _ = node.inputs[1].type.shape
    return Binding(
        params={
            **window_params(node, (kh, kw)),
            **clamp_params(node),
            "input_zero": node.inputs[0].type.zero_point,
            "depth": depth,
            "words": table.data.shape[1],
            "put": put,
            "tile": tile,
        },
        constants=(packed, table),
        scratch=2 * PIXELS * depth + PIXELS * channels,
        support=(support,),
        ordered=True,
        tile=PIXELS,
        nonzeros=count,
    )


def row(
    node: Node[Weighted], rows: Array, table: Constant, *, dense: str, scale: str, support: str
) -> Binding:
    """Of tinyc_sparse_row_dsp.h: one row of inputs after the other with weights [channels, depth].
    table: bias, multiplier and right shift of each channel; dense, scale: the functions of
    ``support`` that compute them, and that make outputs."""
    channels, depth = rows.shape
    packed, fours = by_fours(rows)
    words = table.data[:channels] + np.outer(fours, [0, 0, 256])
    return Binding(
        params={
            "rows": node.inputs[0].type.elements // depth,
            "depth": depth,
            "channels": channels,
            **clamp_params(node),
            "dense": dense,
            "scale": scale,
        },
        constants=(packed, Constant(table.suffix, words.astype(np.int32), table.note)),
        support=(support,),
        nonzeros=4 * int(fours.sum()),
    )
