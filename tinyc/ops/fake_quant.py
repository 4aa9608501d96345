"""FAKE_QUANT: the nearest of evenly spaced numbers, as training for quantization sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, Node
from ._unary import unary_cases
from .base import CONVERT_AGAIN, fail, register
from .elementwise_math import Curve

MOST_BITS = 16


@register
@dataclass(frozen=True)
class FakeQuant(Curve):
    """See `Curve`. low, low + step, ... up to high: 2**`MOST_BITS` float32 numbers at most, the
    nearest of which is given, the greater of two; low for what is no number."""

    low: float
    high: float
    step: float

    def check(self, node: Node[Self]) -> None:
        super().check(node)
        low, high, step = map(np.float32, (self.low, self.high, self.step))
        if not (low < high and step > 0 and (high - low) / step < 1 << MOST_BITS):
            what = f"rounds from {low:.6g} to {high:.6g} in steps of {step:.6g}"
            raise fail(node, what, CONVERT_AGAIN)

    @property
    def inverse(self) -> float:
        """Steps in 1, in float32."""
        return float(np.float32(1) / np.float32(self.step))

    def real(self, x: Array) -> Array:
        # FakeQuantizeArray of reference/fake_quant.h
        low, high, step = map(np.float32, (self.low, self.high, self.step))
        bounded = np.minimum(np.where(x > low, x, low), high)
        steps = np.trunc(((bounded - low) * np.float32(self.inverse)).astype(np.float64) + 0.5)
        return np.asarray(steps.astype(np.float32) * step + low, np.float32)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        ops = (cls(-1.0, 1.0, 2 / 255), cls(0.0, 6.0, 6 / 15), cls(-0.25, 0.5, 0.75 / 65535))
        yield from unary_cases(rng, ops, dtypes=cls.types())
