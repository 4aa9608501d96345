"""How C computes SignalRfft, SignalIrfft and SignalEnergy."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np

from ..ir import DType, Node
from ..ops._fft import factors, order
from ..ops.signal_fft import SignalEnergy, SignalTransform
from .base import Binding, Constant, Kernel, provide
from .conv import portable
from .conv_dsp import REQUIRES
from .move import caption
from .signal import call


def stages(points: int) -> list[tuple[int, int, int]]:
    """(radix, points of what its first pass joins, number of passes) in the order in which they
    run."""
    runs = (list(run) for _, run in groupby(factors(points)[::-1], lambda pair: pair[0]))
    return [(run[0][0], run[0][1], len(run)) for run in runs]


def _bind(node: Node[SignalTransform], kind: str) -> Binding:
    fft = node.op.fft(node)
    rows, length = node.op.rows(node)
    places, note = np.array(order(fft.half), np.int16), "which number stands at each place"
    if fft.inverse:
        places, note = np.argsort(places).astype(np.int16), "where each number goes"
    return Binding(
        params={
            "caption": caption(node),
            "ctype": fft.dtype.c,
            "kind": kind,
            "rows": rows,
            "in_row": length,
            "out_row": node.output.type.shape[-1],
            "points": fft.half,
            "inverse": fft.inverse,
            "stages": stages(fft.half),
        },
        constants=(
            Constant("order", places, note),
            Constant("twiddles", fft.twiddles(), "powers of a root of one"),
            Constant("roots", fft.real_twiddles(), "those between even and odd numbers"),
        ),
        support=(f"tinyc_fft_{kind}.h",),
    )


def _kernel(dtype: DType, kind: str) -> Kernel[SignalTransform]:
    return portable(f"signal_fft_{kind}", dtype, lambda node: _bind(node, kind), "signal_fft.c.j2")


provide(
    SignalTransform,
    replace(_kernel(DType.I16, "s16_dsp"), requires=REQUIRES),
    _kernel(DType.I16, "s16"),
    _kernel(DType.I32, "s32"),
    _kernel(DType.F32, "f32"),
)


def _energy(node: Node[SignalEnergy]) -> Binding:
    numbers = node.output.type.elements, node.op.start, node.op.end
    return call(node, "tinyc_energy", "tinyc_signal.h", numbers=numbers)


provide(SignalEnergy, portable("signal_energy", DType.I16, _energy, "signal.c.j2"))
