"""Names of C for a model."""

from __future__ import annotations

import re

# Model names that would hide a header of C99 or collide with a file of the firmware.
_TAKEN = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal "
    "stdarg stdbool stddef stdint stdio stdlib string tgmath time wchar wctype "
    "main startup memory semihosting".split()
)


def model_name(text: str) -> str:
    """`identifier` of a file's stem, kept apart from every file that is built with the model:
    it names ``include/<model>.h``, ``src/<model>.c`` and the prefix of every symbol."""
    name = identifier(text)
    taken = name in _TAKEN or name.startswith(("tinyc", "console_"))
    return f"m_{name}" if taken else name


def identifier(text: str) -> str:
    """``text`` as a C identifier in lower case, at most 48 characters."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:48].strip("_") or "model"
    return f"m_{name}" if name[0].isdigit() else name
