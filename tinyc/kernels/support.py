"""The files of ``firmware/kernels/``, and of plugins: what each includes of the others, and its
text among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from ..files.paths import kernel_file

BASE = "tinyc_base.h"
"""What every generated kernel stands on."""
MATH = "tinyc_math.h"
"""What includes <math.h>: code that has it links with a C library's functions of float32."""
FLOAT_SCALE = "tinyc_float_scale.h"
"""What computes with float32 where nothing else does."""

_INCLUDE = re.compile(r'^#include "(\w+\.h)"\n', re.M)
_GUARD = re.compile(r"^#ifndef (\w+_H)\n#define \1\n(.*)^#endif[^\n]*\n\Z", re.M | re.S)


def needed(names: Iterable[str]) -> tuple[str, ...]:
    """`BASE`, ``names`` and what they include, each once, behind what it includes itself."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in found:
            for other in _INCLUDE.findall(_contents(name)):
                add(other)
            found[name] = None

    for name in (BASE, *names):
        add(name)
    return tuple(found)


def text(name: str) -> str:
    """A file as it stands where all of `needed` stand in one: without its guard, and without the
    lines that include the others."""
    bare = _GUARD.sub(r"\2", _INCLUDE.sub("", _contents(name)))
    return re.sub(r"\n{3,}", "\n\n", bare).strip()


@cache
def _contents(name: str) -> str:
    return kernel_file("firmware", name).read_text()
