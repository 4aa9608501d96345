"""Post-training quantization to int8: what every model becomes when it is exported."""

from __future__ import annotations

from dataclasses import replace

from .base import Params, Technique, Work, register
from .ranges import Ranges


class Int8(Params):
    """ranges: of activations: all that training data show, all but their rarest values, or what
    misses the least in the mean square."""

    ranges: Ranges = "minmax"


def int8(work: Work, params: Int8) -> Work:
    """The work as it is: weights by channel, activations by the ranges of training data."""
    return replace(work, ranges=params.ranges)


register(Technique("int8", "post-training int8 alone", Int8, int8, labels=False, trains=False))
