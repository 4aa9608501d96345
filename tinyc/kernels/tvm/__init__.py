"""TVM, the second way from a node to C: tensor expressions, schedules, and a printer of C99.

An operator states what it computes as a tensor expression over packed constants, a schedule
tiles, unrolls and tensorizes it, TVM's passes lower it to loops, and `tinyc.kernels.tvm.printer`
writes those as a plain C function. Nothing of TVM is in the result.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from itertools import takewhile
from typing import Any

from ...errors import CompileError

VERSION = (0, 27)
"""The release of TVM that this package is written for; its API changes with each."""
FFI_BELOW = (0, 1, 15)
"""apache-tvm-ffi from this version on crashes in `Schedule.tensorize` of TVM 0.27."""
_INSTALL = "pip install 'tinyc[tvm]'"


def check() -> None:
    """Raise CompileError E706 (TVM is not installed) or E708 (another version), unless TVM is
    there; it is not loaded."""
    found = {}
    for package in ("apache-tvm", "apache-tvm-ffi"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            raise CompileError("E706", "TVM", "is not installed", _INSTALL) from None
    if _numbers(found["apache-tvm"])[:2] != VERSION:
        raise _other("apache-tvm", found, f"{VERSION[0]}.{VERSION[1]}")
    if _numbers(found["apache-tvm-ffi"])[:3] >= FFI_BELOW:
        raise _other("apache-tvm-ffi", found, f"less than {'.'.join(map(str, FFI_BELOW))}")


@cache
def tvm() -> Any:
    """The module ``tvm``. Raises CompileError E706 (TVM is not there), E708 (another version)."""
    check()
    try:
        import tvm as module
    except (ImportError, OSError) as error:
        raise CompileError("E706", "TVM", f"cannot be loaded: {error}", _INSTALL) from None
    return module


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version: its numbers up to the first part that is none."""
    parts = takewhile(str.isdigit, version.split("."))
    return tuple(map(int, parts))


def _other(package: str, found: dict[str, str], wanted: str) -> CompileError:
    return CompileError(
        "E708", "TVM", f"{package} is {found[package]}, and tinyc needs {wanted}", _INSTALL
    )
