"""Quantities as they are typed: ``64K``, ``30m``, ``-1,1``."""

from __future__ import annotations

import re

from ..errors import CompileError

_TIMES = {"": 1, "K": 1 << 10, "M": 1 << 20}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def amount(text: str | None, option: str) -> int | None:
    """``64K`` -> 65536; of cycles K and M are thousands and millions. Raises CompileError E209."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KM]?)", text.strip().removesuffix("B").upper())
    if found is None:
        hint = "give a number, as 65536 or 64K"
        raise CompileError("E209", option, f"{text!r} is no amount", hint)
    times = _TIMES[found[2]]
    if option == "--max-cycles":
        times = {1: 1, 1 << 10: 10**3, 1 << 20: 10**6}[times]
    return round(float(found[1]) * times)


def seconds(text: str) -> float:
    """``30m`` -> 1800. Raises CompileError E209."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip().lower())
    if found is None:
        raise CompileError("E209", "--time", f"{text!r} is no time", "give one as 90s, 30m or 2h")
    return float(found[1]) * _SECONDS[found[2]]


def pair(text: str) -> tuple[float, float]:
    """``-1,1`` -> (-1, 1). Raises CompileError E209."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        what, hint = f"{text!r} is no range", "give the lowest and the highest, as 0,255"
        raise CompileError("E209", "--pixels", what, hint) from None
    return low, high
