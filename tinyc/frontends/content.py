"""The bytes of a model's file."""

from __future__ import annotations

import stat
from pathlib import Path

from ..errors import CompileError

MAX_FILE = 1 << 30
"""Bytes of a model's file: far beyond any microcontroller."""


def content(path: Path, suffix: str) -> bytes:
    """The bytes of a regular file, which ought to end with ``suffix``. Raises CompileError E202
    (no such file), E203 (it cannot be read) and E333 (too large)."""
    hint = f"give the path of a {suffix} file"
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise CompileError("E203", str(path), "is a folder", hint)
        if not stat.S_ISREG(status.st_mode):
            raise CompileError("E203", str(path), "is no regular file", hint)
        if status.st_size > MAX_FILE:
            raise CompileError(
                "E333", str(path), f"has {status.st_size:,} bytes",
                "give a smaller model: no microcontroller has that much memory",
            )  # fmt: skip
        return path.read_bytes()
    except FileNotFoundError:
        raise CompileError("E202", str(path), "no such file", hint) from None
    except ValueError:  # NUL in the path
        raise CompileError("E202", str(path), "is no path", hint) from None
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
