"""CIFAR-10 as it is published, ``cifar-10-python.tar.gz``, or repacked."""

from __future__ import annotations

import codecs
import pickle
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import CompileError
from ..ir import Array

CLASSES = 10
FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
PACKED = ("train.npz", "test.npz")
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_TRAIN, _TEST = [f"data_batch_{i}" for i in range(1, 6)], ["test_batch"]
_MOST_BATCH = 1 << 26
"""Bytes of a batch; the published ones have 31 million."""


@dataclass(frozen=True)
class Original:
    """path: the archive, or the folder that it holds."""

    path: Path

    def read(self) -> tuple[Array, Array, Array, Array]:
        """Images uint8 [50000, 32, 32, 3] and labels int64 [50000], and 10,000 of each to test.
        Raises CompileError E210."""
        try:
            batches = {name: _batch(content) for name, content in self._contents()}
            absent = [name for name in _TRAIN + _TEST if name not in batches]
            if absent:
                raise ValueError(f"{absent[0]} is missing")
        except Exception as error:  # pickle raises anything for a damaged file
            what = f"is not CIFAR-10: {' '.join(str(error).split())}"
            hint = f"get {ARCHIVE} again from {PAGE}"
            raise CompileError("E210", str(self.path), what, hint) from None
        x, y = map(np.concatenate, zip(*(batches[name] for name in _TRAIN), strict=True))
        x_test, y_test = map(np.concatenate, zip(*(batches[name] for name in _TEST), strict=True))
        return x, y, x_test, y_test

    def _contents(self) -> Iterator[tuple[str, IO[bytes]]]:
        names = {*_TRAIN, *_TEST}
        if self.path.is_dir():
            for name in sorted(names):
                with open(self.path / name, "rb") as batch:
                    yield name, batch
            return
        with tarfile.open(self.path) as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and name in names and member.size <= _MOST_BATCH:
                    file = archive.extractfile(member)
                    assert file is not None
                    yield name, file


def find(given: Path) -> Original | list[Path]:
    """What there is of CIFAR-10 in or as ``given``: its archive, the folder that this holds, or
    the two files of `PACKED`: JPEG images ``jpeg`` (uint8), ``offset`` (int64 [n + 1]) and
    ``label`` (uint8 [n]). Raises CompileError E219."""
    if given.is_file():
        return Original(given)
    for folder in (given, given / "cifar10"):
        if all((folder / name).is_file() for name in PACKED):
            return [folder / name for name in PACKED]
        if (folder / _TEST[0]).is_file():
            return Original(folder)
        for path in (folder / FOLDER, folder / ARCHIVE):
            if path.exists():
                return Original(path)
    raise CompileError(
        "E219", str(given), "there is no CIFAR-10",
        f"get {ARCHIVE} from {PAGE} and pass --data {ARCHIVE}, or put it into the folder that "
        "TINYC_DATA names; --data my.npz with x and y trains with other images",
    )  # fmt: skip


def _batch(file: IO[bytes]) -> tuple[Array, Array]:
    """Images uint8 [n, 32, 32, 3] and labels int64 [n] of one of the original files."""
    entries = _Arrays(file, encoding="bytes").load()
    x, y = np.asarray(entries[b"data"]), np.asarray(entries[b"labels"], np.int64)
    if x.dtype != np.uint8 or x.shape != (len(y), 3 * 32 * 32):
        raise ValueError(f"a batch holds {x.dtype} {list(x.shape)} and {len(y)} labels")
    if len(y) and not 0 <= y.min() <= y.max() < CLASSES:
        raise ValueError(f"labels are {y.min()} to {y.max()}, there are {CLASSES} classes")
    return x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), y


class _Arrays(pickle.Unpickler):
    """Reads arrays and Python's plain values: what a pickle would call besides is refused."""

    _KNOWN = {  # noqa: RUF012
        "ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": np.zeros(1).__reduce__()[0],
    }  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in self._KNOWN:
            return self._KNOWN[name]
        if (module, name) == ("_codecs", "encode"):  # bytes, as Python 3 wrote them for Python 2
            return codecs.encode
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no array needs")
