"""Cases of layers whose weights are such that kernels of their own take them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Node, OpT


def narrow_case(node: Node[OpT], bits: int, rng: np.random.Generator) -> Node[OpT]:
    """A node of int8 weights with such of so many bits in their place, the least and the greatest
    among them where there are several."""
    x, weights, *others = node.inputs
    most = 1 << (bits - 1)
    data = rng.integers(-most, most, weights.type.shape).astype(np.int8)
    ends = data.reshape(-1)[: data.size // 2 * 2]
    ends[:2] = np.array([-most, most - 1], np.int8)[: ends.size]
    return replace(node, inputs=(x, replace(weights, data=data), *others))


def sparse_case(node: Node[OpT], rng: np.random.Generator, zeros: float = 0.7) -> Node[OpT]:
    """The same with so many of its weights zero, all those of the first channel among them."""
    x, weights, bias = node.inputs
    kept = rng.random(weights.type.shape) >= zeros
    kept[:1] = False
    data = np.where(kept, weights.array, 0).astype(weights.array.dtype)
    return replace(node, inputs=(x, replace(weights, data=data), bias))
