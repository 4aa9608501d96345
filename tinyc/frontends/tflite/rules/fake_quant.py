"""Import FAKE_QUANT."""

from __future__ import annotations

import numpy as np

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.fake_quant import MOST_BITS, FakeQuant
from ..rule import TfliteOp, rule


@rule(FakeQuant, "FAKE_QUANT")
def fake_quant(src: TfliteOp) -> list[Node]:
    low, high = (np.float32(src.float_option(key)) for key in ("min", "max"))
    bits = int(src.option("num_bits"))
    if src.option("narrow_range"):  # which LiteRT has not
        raise src.fail("has a narrow range, which only weights may have", CONVERT_AGAIN)
    if not low < high or not 2 <= bits <= MOST_BITS:
        raise src.fail(f"has {bits} bits from {low:.6g} to {high:.6g}", CONVERT_AGAIN)
    # NudgeQuantizationRange of quantization_util.cc: so that 0 is one of the numbers.
    most = np.float32((1 << bits) - 1)
    step = (high - low) / most
    zero = np.clip(np.trunc(np.float32(0.5) - low / step), np.float32(0), most)
    op = FakeQuant(float(-zero * step), float((most - zero) * step), float(step))
    return [src.node(op, src.operands(1))]
