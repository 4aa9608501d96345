"""Arrays as users give them: in which shapes, and with which numbers."""

from __future__ import annotations

import numpy as np

from ..errors import CompileError
from ..ir import Array
from ..ir.ports import Port


def accepted(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The shapes of one sample of an input or output; its batch of 1 may be left out."""
    return [shape, shape[1:]] if shape[:1] == (1,) else [shape]


def as_long(shape: tuple[int, ...], axis: int, given: tuple[int, ...]) -> tuple[int, ...]:
    """``shape``, as long along ``axis`` as ``given``, which may be without its batch of 1."""
    at = axis + len(given) - len(shape)
    return (*shape[:axis], given[at] if 0 <= at < len(given) else 0, *shape[axis + 1 :])


def listed(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, accepted(shape)[-1]))


def placed(x: Array, port: Port, shape: tuple[int, ...], own: tuple[int, ...]) -> Array:
    """[n, ...] in one of the accepted forms of ``own``, the shape in the model, or of ``shape``,
    that in the firmware -> [n, *shape]."""
    if port.order and x.shape[1:] in accepted(own):  # meant where both fit
        return x.reshape(len(x), *own).transpose(0, *(1 + a for a in port.order))
    return x.reshape(len(x), *shape)


def expect_finite(origin: str, x: Array) -> None:
    """Raise CompileError E214 for a number of x [n, ...] that float32 has not."""
    bad = ~np.isfinite(x)
    if bad.any():
        sample, *place = map(int, np.argwhere(bad)[0])
        count = int(bad.sum())
        more = f" and {count - 1} more" if count > 1 else ""
        raise CompileError(
            "E214", origin,
            f"holds NaN or infinity: sample {sample} at {place}{more}", "clean the data",
        )  # fmt: skip
