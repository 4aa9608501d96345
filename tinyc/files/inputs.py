"""Files that a user names: read for what they are, or refused in one line."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from ..errors import CompileError

MOST_TEXT = 1 << 20
"""Bytes of a TOML file: far more than any settings take."""

_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


def check_name(path: str | Path) -> None:
    """Raise CompileError E245 for what no system can name a file."""
    if "\0" in str(path):
        hint = "use a name without it"
        raise CompileError("E245", str(path), "no file's name holds a NUL", hint)


def check_file(path: str | Path, folder: bool = False) -> int:
    """The bytes of a file, 0 if it is missing: that is for its reader to tell.

    A pipe has no end that one could wait for, nor has a device. folder: whether it may be one.
    Raises CompileError E203 (it cannot be looked at), E245 (it is no file).
    """
    check_name(path)
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG and not (folder and kind == stat.S_IFDIR):
        what = f"is {_KINDS.get(kind, 'something else')} and no file"
        raise CompileError("E245", str(path), what, "give the path of a file")
    return found.st_size


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file. Raises FileNotFoundError, and CompileError E203 (it cannot be
    read), E209 (it is not TOML), E245 (it is no file)."""
    size = check_file(path)
    if size > MOST_TEXT:
        raise CompileError(
            "E209", str(path), f"holds {size:,} bytes, which are no settings",
            f"at most {MOST_TEXT:,} are read",
        )  # fmt: skip
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(str(path)) from None
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
    except RecursionError:
        raise CompileError("E209", str(path), "is nested too deep", "use flat tables") from None
    except ValueError as error:  # of TOML, of UTF-8, of a number with thousands of digits
        raise CompileError("E209", str(path), f"is not valid TOML: {error}") from None
