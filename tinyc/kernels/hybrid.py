"""What kernels of hybrid share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Node, OpT
from ..ops._hybrid import Hybrid, asymmetric, batches, channel_scales, scales_first
from .base import Binding, Constant, Kernel

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


def hybrid_kernel(
    name: str, bind: Callable[[Node[OpT]], Binding], template: str = "convolution_hybrid.c.j2"
) -> Kernel[OpT]:
    return Kernel(name, template, frozenset(), lambda node: None, bind)
