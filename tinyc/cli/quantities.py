"""Quantities as they are typed: ``64K``, ``30m``, ``-1,1``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import CompileError

if TYPE_CHECKING:
    from ..report import Limit

_TIMES = {"": 0, "K": 1, "M": 2}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def amount(text: str | None, option: str) -> int | None:
    """``64K`` -> 65536; of cycles K and M are thousands and millions. Raises CompileError E209."""
    if text is None:
        return None
    found = _times(text.strip().upper().removesuffix("B"), option == "--max-cycles")
    if found is None:
        hint = "give a number, as 65536 or 64K"
        raise CompileError("E209", option, f"{text!r} is no amount", hint)
    return round(found)


def _times(text: str, thousands: bool) -> float | None:
    """``1.5K`` -> 1536, or 1500 where K are ``thousands``; None of what is no such number."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KM]?)", text)
    return float(found[1]) * (1000 if thousands else 1024) ** _TIMES[found[2]] if found else None


def hertz(text: str | None, option: str) -> float | None:
    """``48M`` -> 48,000,000. Raises CompileError E209."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KM]?)", text.strip().upper().removesuffix("HZ"))
    if found is None:
        raise CompileError("E209", option, f"{text!r} is no clock", "give one in Hz, as 48M")
    return float(found[1]) * {"": 1, "K": 1e3, "M": 1e6}[found[2]]


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


def limits(texts: Iterable[str], option: str) -> dict[str, Limit]:
    """``2%``, ``flash=1K,cycles=5%`` -> total -> its limit, see `tinyc.report.diff_verdicts`: that
    which names a total goes before what is for all. Raises CompileError E201 (no such total), E209
    (no limit)."""
    from .. import report

    totals = {name.lower().replace(" ", "_"): name for name in report.LIMITED}
    usual: dict[str, Limit] = {}
    found: dict[str, Limit] = {}
    for text in (part.strip() for each in texts for part in each.split(",") if part.strip()):
        key, named, value = (part.strip().lower() for part in text.rpartition("="))
        hint = "give one as 2%, or as flash=1K, cycles=5%, accuracy=0.01"
        if named and key not in totals:
            hint = f"name one of {', '.join(totals)}"
            raise CompileError("E201", option, f"there is no total {key!r}", hint)
        name, percent = totals.get(key, ""), value.endswith("%")
        digits = value.removesuffix("%").strip().upper()
        number = _times(digits, name not in report.SIZES)
        if (percent or name in report.PARTS) and digits.endswith(("K", "M")):
            number = None
        if number is None or not (named or percent):
            raise CompileError("E209", option, f"{text!r} is no limit", hint)
        if named:
            found[name] = report.Limit(number, percent)
        else:
            usual |= {name: report.Limit(number, True, named=False) for name in report.BUDGETS}
    return usual | found
