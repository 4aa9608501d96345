"""What binary operators share: 32 channels to a word, their reference in numpy, their rules.

A binary tensor is int32, 32 channels of its last axis to a word, the first in bit 0; a set bit
stands for -1, a clear one for +1, and the bits beyond the last channel are clear
(larq_compute_engine/core/bitpacking).
"""

from __future__ import annotations

import numpy as np

from ..ir import Array, DType, Node, TensorType
from .base import expect_dtype, expect_shape

WORD = 32
"""Channels in a word."""


def words(channels: int) -> int:
    """Words that ``channels`` take."""
    return -(-channels // WORD)


def pack(negative: Array) -> Array:
    """bool [..., channels], True for -1 -> int32 [..., words]."""
    missing = -negative.shape[-1] % WORD
    padded = np.pad(negative, [(0, 0)] * (negative.ndim - 1) + [(0, missing)])
    raw = np.ascontiguousarray(np.packbits(padded, axis=-1, bitorder="little"))
    return raw.view("<i4").astype(np.int32)


def unpack(packed: Array, channels: int) -> Array:
    """int32 [..., words] -> bool [..., channels], True for -1."""
    raw = np.ascontiguousarray(packed.astype("<i4")).view(np.uint8)
    return np.unpackbits(raw, axis=-1, count=channels, bitorder="little").astype(bool)


def last_word(channels: int) -> np.int32:
    """The bits of the last word that stand for channels."""
    return np.int32(-1) if channels % WORD == 0 else np.int32((1 << channels % WORD) - 1)


def signs(packed: Array, channels: int) -> Array:
    """int32 [..., words] -> float32 [..., channels] of +1 and -1."""
    return np.float32(1) - np.float32(2) * unpack(packed, channels)


def expect_packed(node: Node, packed: TensorType, shape: tuple[int, ...], name: str) -> None:
    """``packed`` must hold the bits of a tensor of ``shape``."""
    expect_dtype(node, packed, (DType.I32,), name)
    expect_shape(node, packed, (*shape[:-1], words(shape[-1])), name)


def random_words(rng: np.random.Generator, shape: tuple[int, ...], negative: float = 0.5) -> Array:
    """Random signs of a tensor of ``shape``, packed; ``negative``: the part that is -1."""
    return pack(rng.random(shape) < negative)
