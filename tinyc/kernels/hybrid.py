"""What kernels of hybrid share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Node
from ..ops._hybrid import asymmetric, batches, channel_scales, scales_first
from .base import Binding, Constant, Kernel
from .conv import int8_sums

# Kernels ----------------------------------------------------------------------------------


def bind_hybrid(node: Node, params: dict[str, Any], weights: Constant) -> Binding:
    """``params`` of the layer's own kernel with those of ``hybrid.c.j2``."""
    bias = node.inputs[2].data
    assert bias is not None
    count, channels = batches(node), bias.size
    scales, size = channel_scales(node), node.inputs[0].type.elements // count
    single = not scales_first(node) and scales.size == 1
    columns = [bias.ravel()] if single else [np.broadcast_to(scales, channels), bias.ravel()]
    return Binding(
        params={
            **params,
            "batches": 1,  # the image's function has one
            "images": count,
            "size": size,
            "out_size": node.output.type.elements // count,
            **int8_sums(node, "offset"),
            "asymmetric": int(asymmetric(node)),
            "quantize": f"tinyc_quantize_{'a' if asymmetric(node) else ''}symmetric",
            "single": single,
            "scales_first": scales_first(node),
            "scaling": _scaling(node, single),
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
        support=("tinyc_requant.h", "tinyc_quantize.h", "tinyc_clamp_f32.h", "tinyc_hybrid.h",
                 "tinyc_window.h", "tinyc_dot.h"),
    )  # fmt: skip


def _scaling(node: Node, single: bool) -> str:
    if single:
        return "TINYC_ONE_SCALE"
    return "TINYC_WEIGHTS_FIRST" if scales_first(node) else "TINYC_INPUT_FIRST"


def hybrid_kernel(name: str, bind: Callable[[Node], Binding]) -> Kernel:
    return Kernel(name, f"{name}.c.j2", frozenset(), lambda node: None, bind)
