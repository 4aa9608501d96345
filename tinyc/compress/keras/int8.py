"""Post-training quantization to int8: what every model becomes when it is exported."""

from __future__ import annotations

from .base import Params, Technique, Work, register


class Int8(Params):
    """Nothing to tell."""


def int8(work: Work, params: Int8) -> Work:
    """The work as it is: weights by channel, activations by the ranges of training data."""
    return work


register(Technique("int8", "post-training int8 alone", Int8, int8, labels=False, trains=False))
