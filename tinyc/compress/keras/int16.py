"""Activations of 16 bits: for networks that lose by 8 of them, at twice the memory."""

from __future__ import annotations

from dataclasses import replace

from .base import Params, Technique, Work, register


class Int16(Params):
    """Nothing to tell."""


def int16(work: Work, params: Int16) -> Work:
    """The work to be exported with int16 activations and int8 weights."""
    return replace(work, activations="int16")


help_ = "int16 activations, int8 weights, after training"
register(Technique("int16", help_, Int16, int16, labels=False, trains=False))
