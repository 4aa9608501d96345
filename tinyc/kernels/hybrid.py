"""What kernels of hybrid share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Array, Node, OpT
from ..ops._hybrid import Hybrid, asymmetric, batches, channel_scales, scales_first
from .base import Binding, Constant, Kernel
from .conv import four_channels
from .conv_dsp import REQUIRES, quads

Packing = Callable[[Array, str, str], Constant]
"""Weights [channels, depth], a note and a suffix -> what a function that sums reads."""

# Kernels ----------------------------------------------------------------------------------


def bind_hybrid(
    node: Node[Hybrid], params: dict[str, Any], weights: Constant, *support: str
) -> Binding:
    """``params`` of the layer's own kernel with those of tinyc_hybrid.h."""
    bias = node.inputs[2].array
    count, channels = batches(node), bias.size
    scales, size = channel_scales(node), node.inputs[0].type.elements // count
    single = not scales_first(node) and scales.size == 1
    columns = [bias.ravel()] if single else [np.broadcast_to(scales, channels), bias.ravel()]
    return Binding(
        params={
            **params,
            "batches": 1,  # each image is one
            "images": count,
            "size": size,
            "output_size": node.output.type.elements // count,
            "asymmetric": int(asymmetric(node)),
            "scaling": _scaling(node, single),
            "entry_bytes": 4 * len(columns),
            "weight_scale": float(scales[0]),
        },
        constants=(
            weights,
            Constant(
                "channels",
                np.stack(columns, 1).astype(np.float32),
                f"{'' if single else 'scale of the weights and '}bias of each channel",
            ),
        ),
        scratch=size,
        support=support,
    )


def _scaling(node: Node[Hybrid], single: bool) -> str:
    if single:
        return "TINYC_ONE_SCALE"
    return "TINYC_WEIGHTS_FIRST" if scales_first(node) else "TINYC_INPUT_FIRST"


def packed_rows(
    matrix: Array, suffix: str, totals: str, note: str, pack: Packing
) -> tuple[Constant, Constant]:
    """A matrix [channels, depth] and the sums of its channels, in whole fours, as struct
    tinyc_rows has them."""
    sums = np.zeros(-(-len(matrix) // 4) * 4, np.int32)
    sums[: len(matrix)] = matrix.sum(1, dtype=np.int32)
    return pack(matrix, note, suffix), Constant(totals, sums, f"sums of the {note}")


FOURS = (
    ("dsp", REQUIRES, quads, "tinyc_dense_dsp.h", "tinyc_dense_sums_dsp"),
    ("scalar", frozenset[str](), four_channels, "tinyc_tile4.h", "tinyc_tile4"),
)
"""Ways to sum four channels at a time: the end of a kernel's name, what a core must have, how
weights are packed, a file and the function in it."""


def rows_kernels(
    name: str, bind: Callable[[Node[OpT], Packing], Binding], *support: str
) -> list[Kernel[OpT]]:
    """A kernel for each of `FOURS`; bind: with the packing of the weights."""

    def kernel(
        end: str, requires: frozenset[str], pack: Packing, file: str, sums: str
    ) -> Kernel[OpT]:
        def bound(node: Node[OpT]) -> Binding:
            binding = bind(node, pack)
            params = {**binding.params, "sums": sums}
            return replace(binding, params=params, support=(file, *support))

        return Kernel(f"{name}_{end}", f"{name}.c.j2", requires, lambda node: None, bound)

    return [kernel(*way) for way in FOURS]


def hybrid_kernel(name: str, bind: Callable[[Node[OpT]], Binding]) -> Kernel[OpT]:
    return Kernel(name, "convolution_hybrid.c.j2", frozenset(), lambda node: None, bind)
