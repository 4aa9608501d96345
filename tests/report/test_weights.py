"""What is told of weights: the fewest bits, zeros, levels."""

from __future__ import annotations

import numpy as np
import pytest

from tinyc.report.weights import fewest_bits


@pytest.mark.parametrize(
    ("values", "bits"),
    [([-1, 1], 1), ([-1, 0, 1], 2), ([-2, 1], 2), ([2], 4), ([-8, 7], 4), ([8], 8), ([-9], 8)],
)
def test_bits_are_the_fewest_that_hold_the_weights(values: list[int], bits: int) -> None:
    assert fewest_bits(np.array(values), 8) == bits
