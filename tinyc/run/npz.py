"""Arrays of ``.npz`` files, of which the rows are read that are asked for."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from ..errors import CompileError
from ..ir import Array

NPZ_ERRORS = (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error,
              RuntimeError, SyntaxError, TypeError)  # fmt: skip
"""What `numpy.load` and the arrays' reading raise for a file that is none of `numpy.savez`, or a
damaged one; zipfile has RuntimeError for encrypted files and for methods that it does not know."""

MOST_BYTES = 1 << 29
"""Of the rows of one array that are read, and of all samples that are made at random."""

Rows = range | list[int]
"""Indices of samples, rising."""


class Rowed(Protocol):
    """A numpy array, or one that still lies in a file: what `given_samples` needs of either."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, rows: Rows, /) -> Array: ...


@dataclass(frozen=True)
class _Stored:
    """An array of an ``.npz`` of which only the header was read; some rows of it are read by
    their indices, which rise."""

    path: Path
    member: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    def __getitem__(self, rows: Rows) -> Array:
        """Raises CompileError E210 (damaged), E228 (too large)."""
        name = self.member.removesuffix(".npy")
        step = math.prod(self.shape[1:]) * self.dtype.itemsize
        count = self.shape[0] if self.fortran else len(rows)
        if count * step > MOST_BYTES:
            raise too_large(f"{self.path}: {name}", f"{count:,} samples", count * step)
        try:
            with zipfile.ZipFile(self.path) as file, file.open(self.member) as content:
                _header(content)
                start = content.tell()
                if self.fortran:
                    raw = content.read(count * step)
                else:
                    parts = []
                    for run in _runs(rows):
                        content.seek(start + run.start * step)
                        parts.append(content.read(len(run) * step))
                    raw = b"".join(parts)
            if len(raw) != count * step:
                raise EOFError(f"'{name}' ends after {len(raw):,} of {count * step:,} bytes")
        except NPZ_ERRORS as error:
            raise _unreadable(self.path, error) from None
        flat = np.frombuffer(raw, self.dtype) if step else np.zeros(0, self.dtype)
        if self.fortran:
            return flat.reshape(self.shape, order="F")[list(rows)]
        return flat.reshape(count, *self.shape[1:])


def _runs(rows: Rows) -> list[range]:
    """``rows`` as runs of neighbours."""
    if isinstance(rows, range):
        return [rows] if rows else []
    runs: list[range] = []
    for row in rows:
        if runs and runs[-1].stop == row:
            runs[-1] = range(runs[-1].start, row + 1)
        else:
            runs.append(range(row, row + 1))
    return runs


def too_large(origin: str, what: str, size: int) -> CompileError:
    takes = f"take {size // 10**6:,} MB, the limit is {MOST_BYTES // 10**6} MB"
    return CompileError("E228", origin, f"{what} {takes}", "pass fewer with --samples")


def _unreadable(path: Path, error: BaseException) -> CompileError:
    what = f"cannot be read as .npz: {error or type(error).__name__}"
    return CompileError("E210", str(path), what, "save it with numpy.savez")


def _header(content: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, whether in Fortran's order, dtype) of a ``.npy``, its file left at the numbers.
    Raises ValueError."""
    form: Any = np.lib.format  # whose functions numpy gives no types
    version = form.read_magic(content)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of .npy")
    read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    shape, fortran, dtype = read(content)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded: they are pickled")
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize >= 1 << 62:
        raise ValueError(f"the shape {list(shape)}")
    return shape, fortran, dtype


class Npz(Mapping[str, Rowed]):
    """The arrays of an ``.npz``; only the headers of those that are asked for are read. Raises
    CompileError E202 (no such file), E210 (no such format)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                if file.read(6) == np.lib.format.MAGIC_PREFIX:
                    raise ValueError("it is a single .npy array")
            with zipfile.ZipFile(path) as archive:
                members = archive.namelist()
        except FileNotFoundError:
            raise CompileError("E202", str(path), "no such file") from None
        except PermissionError:
            raise
        except NPZ_ERRORS as error:
            raise _unreadable(path, error) from None
        self._keys = [m.removesuffix(".npy") for m in members if m.endswith(".npy")]

    def __getitem__(self, key: str) -> Rowed:
        member = f"{key}.npy"
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(member) as content:
                return _Stored(self._path, member, *_header(content))
        except NPZ_ERRORS as error:
            raise _unreadable(self._path, error) from None

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
