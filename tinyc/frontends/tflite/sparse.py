"""Sparse constants in full (SparsityParameters of the schema).

A sparse tensor is a tree with one level for each dimension, in ``traversal_order``, and after
them one for each dimension within its blocks. A level is dense, with all of its indices below
each node, or sparse (CSR): node k has the indices ``indices[segments[k] : segments[k + 1]]``.
The leaves, from left to right, are the stored values.
"""

from __future__ import annotations

import math

import numpy as np

from ...ir import Array
from .flatbuffer import MalformedError, Table

_VECTORS: dict[int, type[np.generic]] = {1: np.int32, 2: np.uint16, 3: np.uint8}
"""By the type of a SparseIndexVector."""


def densify(stored: Array, shape: tuple[int, ...], sparsity: Table) -> Array:
    """``stored`` values [n] -> an array of ``shape``, zero where nothing is stored.

    Raises MalformedError unless the tree is one of that shape with n leaves.
    """
    order = [int(i) for i in sparsity.array(0, np.int32)]
    blocked = [int(i) for i in sparsity.array(1, np.int32)]
    levels = sparsity.tables(2)
    rank = len(shape)
    if sorted(order[:rank]) != list(range(rank)) or (
        sorted(order[rank:]) != list(range(rank, rank + len(blocked)))
        or len(levels) != len(order)
        or len(set(blocked)) != len(blocked)
        or not all(0 <= d < rank for d in blocked)
    ):
        raise MalformedError("its sparsity does not name its dimensions")
    sizes = [int(level.scalar(1, "i32")) for level in levels]
    block = dict.fromkeys(range(rank), 1)
    for inner in range(rank, len(order)):
        block[blocked[order[inner] - rank]] = sizes[inner]
    if any(size < 1 or shape[d] % size for d, size in block.items()):
        raise MalformedError("the blocks of its sparsity do not fill it")
    steps = [math.prod(shape[d + 1 :]) for d in range(rank)]
    # A level has no more nodes than the next sparse one has segments for, or the file values.
    most, limits = len(stored), []
    for level in reversed(levels):
        limits.append(most)
        if int(level.scalar(0, "i8")):
            most = len(_indices(level, 2)) - 1
    limits.reverse()
    # Flat places of the nodes of one level.
    places = np.zeros(1, np.int64)
    for depth, (level, size) in enumerate(zip(levels, sizes, strict=True)):
        if depth < rank:
            dimension = order[depth]
            step = steps[dimension] * block[dimension]
            extent = shape[dimension] // block[dimension]
            if size != extent and int(level.scalar(0, "i8")) == 0:
                raise MalformedError("a level of its sparsity differs from its shape in size")
            size = extent
        else:
            step = steps[blocked[order[depth] - rank]]
        places = _descend(level, size, step, places, limits[depth])
    if len(places) != len(stored):
        raise MalformedError(f"its sparsity has {len(places)} places for {len(stored)} values")
    dense = np.zeros(math.prod(shape), stored.dtype)
    dense[places] = stored
    return dense.reshape(shape)


def _descend(table: Table, size: int, step: int, places: Array, most: int) -> Array:
    """The places of the next level's nodes, never more than ``most``."""
    if int(table.scalar(0, "i8")) == 0:
        if len(places) * size > most:
            raise MalformedError("its sparsity has more places than values")
        return np.asarray(places[:, None] + np.arange(size) * step).ravel()
    segments, indices = _indices(table, 2), _indices(table, 4)
    counts = np.diff(segments)
    if (
        len(segments) != len(places) + 1
        or segments[0] != 0
        or segments[-1] != len(indices)
        or np.any(counts < 0)
        or len(indices) > most
        or np.any((indices < 0) | (indices >= size))
    ):
        raise MalformedError("a level of its sparsity is no tree")
    return np.asarray(np.repeat(places, counts) + indices * step)


def _indices(table: Table, slot: int) -> Array:
    """A SparseIndexVector: its type stands in ``slot``, its table in the next."""
    kind, vector = int(table.scalar(slot, "u8")), table.table(slot + 1)
    if kind not in _VECTORS or vector is None:
        raise MalformedError("a level of its sparsity has no indices")
    return vector.array(0, _VECTORS[kind]).astype(np.int64)
