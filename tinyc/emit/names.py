"""How generated C writes types, numbers and what a model says."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

import numpy as np

from ..ir import Array
from .layout import WIDTH

CTYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t",
    "int32": "int32_t", "uint32": "uint32_t", "int64": "int64_t", "uint64": "uint64_t",
    "float32": "float", "bool": "uint8_t",
}  # fmt: skip
"""The C type of an element, by the name of numpy's."""


@dataclass(frozen=True, eq=False)
class Field:
    """A member of what a shared body is given, in the place of a number that a template prints.
    Whatever else a template does with it (a test, a sum) is an error: the number must then not be
    in `Kernel.varying`."""

    name: str
    unit: int = 1

    def __str__(self) -> str:
        member = f"layer->{self.name}"
        return member if self.unit == 1 else f"({self.unit} * {member})"

    def __eq__(self, other: object) -> bool:
        raise TypeError(f"a template compares {self.name}, in which layers may differ")

    def __bool__(self) -> bool:
        raise TypeError(f"a template tests {self.name}, in which layers may differ")

    __hash__ = None  # type: ignore[assignment] # neither does it look it up


def f32(value: float) -> str:
    """The shortest C literal that is exactly this float32."""
    number = np.float32(value)
    if np.isnan(number):
        return "(0.0f / 0.0f)"
    if np.isinf(number):
        return "(1.0f / 0.0f)" if number > 0 else "(-1.0f / 0.0f)"
    text = np.format_float_positional(number, unique=True, trim="0")
    if len(text) > 24:
        text = np.format_float_scientific(number, unique=True, trim="0")
    return f"{text}f"


def literal(number: int | float) -> str:
    """The C literal of an int32 or a float32."""
    if isinstance(number, float):
        return f32(number)
    return "INT32_MIN" if number == -(1 << 31) else str(number)


def comment(text: str, limit: int = 60) -> str:
    """Text from a model, safe inside a C comment: printable ASCII without ``*/``, ``/*``, ``??``
    or a backslash, on one line."""
    text = re.sub(r"[^ -~]", "?", text).replace("\\", "?")
    text = text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
    text = text if len(text) <= limit else f"{text[: limit - 3]}..."
    return text.rstrip("?/*") if text.endswith(("?", "/", "*")) else text


def literals(data: Array) -> str:
    """The elements of an array in C order as they stand between the braces of its initializer,
    indented lines of one width."""
    if data.dtype == np.float32:
        items = [f32(x) for x in data.ravel()]
    elif data.dtype == np.int32:
        items = ["INT32_MIN" if x == -(1 << 31) else str(x) for x in data.ravel().tolist()]
    elif data.dtype == np.int64:
        items = ["INT64_MIN" if x == -(1 << 63) else f"{x}LL" for x in data.ravel().tolist()]
    elif data.dtype == np.uint64:
        items = [f"{x}ULL" for x in data.ravel().tolist()]
    else:
        items = list(map(str, data.ravel().astype(np.int64).tolist()))
    if not items:
        return "    0"
    width = max(map(len, items))
    per_line = max(1, (WIDTH - 4) // (width + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return textwrap.indent(",\n".join(lines), "    ")
