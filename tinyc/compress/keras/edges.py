"""Inputs and outputs of another type than what lies between the layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from .base import Params, Technique, Work, register


class Edges(Params):
    """dtype: of inputs and outputs; uint8 is what cameras give."""

    dtype: Literal["int8", "uint8", "float32"] = "uint8"


def edges(work: Work, params: Edges) -> Work:
    """The work to be exported with such inputs and outputs."""
    return replace(work, edges=params.dtype)


help_ = "uint8 or float32 inputs and outputs"
register(Technique("edges", help_, Edges, edges, labels=False, trains=False))
