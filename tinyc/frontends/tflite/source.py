"""A TFLite file's own tables, as Python values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ir import DType, Quant
from ..flatbuffer import Table

CONVERT_AGAIN = "the file is malformed; convert the model again"
MAX_ELEMENTS = 1 << 26  # far beyond any microcontroller; bounds the work on a malformed file


@dataclass(frozen=True)
class SourceOp:
    """One operator as the file states it; tensor index -1 is an absent optional input.

    name: ``CUSTOM <code>`` for a custom operator, whose options are the bytes ``custom``.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: bytes = b""


@dataclass(frozen=True)
class SourceTensor:
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None
    data: np.ndarray | None


@dataclass(frozen=True)
class Source:
    """A TFLite file's first subgraph."""

    file: str
    name: str
    sha256: str
    tensors: tuple[SourceTensor, ...]
    ops: tuple[SourceOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
