"""TVM, the second way from a node to C: tensor expressions, schedules, and a printer of C99.

An operator states what it computes as a tensor expression over packed constants, a schedule
tiles, unrolls and tensorizes it, TVM's passes lower it to loops, and `tinyc.tir.printer` writes
those as a plain C function. Nothing of TVM is in the result.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any

from ..errors import CompileError

VERSION = (0, 27)
"""The release of TVM that this package is written for; its API changes with each."""
FFI_BELOW = (0, 1, 15)
"""apache-tvm-ffi from this version on crashes in `Schedule.tensorize` of TVM 0.27."""
_INSTALL = "pip install 'tinyc[tvm]'"


@cache
def tvm() -> Any:
    """The module ``tvm``. Raises CompileError E706 (not installed), E707 (another version)."""
    try:
        found = {name: metadata.version(name) for name in ("apache-tvm", "apache-tvm-ffi")}
        import tvm as module
    except (ImportError, OSError) as error:
        missing = isinstance(error, metadata.PackageNotFoundError)
        what = "is not installed" if missing else f"cannot be loaded: {error}"
        raise CompileError("E706", "TVM", what, _INSTALL) from None
    if _numbers(found["apache-tvm"])[:2] != VERSION:
        raise _other("apache-tvm", found, f"{VERSION[0]}.{VERSION[1]}")
    if _numbers(found["apache-tvm-ffi"])[:3] >= FFI_BELOW:
        raise _other("apache-tvm-ffi", found, f"less than {'.'.join(map(str, FFI_BELOW))}")
    return module


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(p) for p in parts if p.isdigit())


def _other(package: str, found: dict[str, str], wanted: str) -> CompileError:
    return CompileError(
        "E707", "TVM", f"{package} is {found[package]}, and tinyc needs {wanted}", _INSTALL
    )
