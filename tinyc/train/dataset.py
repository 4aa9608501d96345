"""Images and labels to train with, and others held out to measure with."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError
from ..files.folder import written
from ..ir import Array
from ..run.npz import NPZ_ERRORS
from . import cifar, packages

HELD_OUT, SPLIT_SEED = 0.25, 7
"""The part of the data that is held out, and the seed by which that of the digits is chosen."""


@dataclass(frozen=True)
class Dataset:
    """x: uint8 [n, height, width, channels], y: int64 [n] class indices, for training;
    x_test, y_test: the same, held out; middle: the pixel value that becomes 0, and half the
    range of pixels, a power of two, so that int8 inputs of the firmware are pixels less it;
    classes: how many there are; digest: of data that are the user's own, else empty."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    middle: int
    classes: int = 10
    digest: str = ""

    def normalized(self, x: Array) -> Array:
        """Pixels -> float32 in -1..1."""
        return (x.astype(np.float32) - self.middle) / self.middle


def load(name: str, given: Path, cache: Path, seed: int = 0) -> Dataset:
    """The data of a recipe.

    name: ``digits`` (1,797 of 8x8 pixels in 0..16, from scikit-learn's package), ``cifar10``
    (32x32 RGB, as ``given`` has it, see `tinyc.train.cifar.find`), or the path of an ``.npz`` (see
    `_own`); cache: where decoded images are kept; seed: chooses what of an ``.npz`` is held out.
    Raises CompileError E219 (no such data), E210 (they cannot be read), and those of `_own`.
    """
    if name == "digits":
        return _digits()
    return _cifar10(given, cache) if name == "cifar10" else _own(Path(name), seed)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = digits.images[..., np.newaxis].astype(np.uint8)
    y = digits.target.astype(np.int64)
    x, x_test, y, y_test = train_test_split(
        x, y, test_size=HELD_OUT, random_state=SPLIT_SEED, stratify=y
    )
    return Dataset(x, y, x_test, y_test, middle=8)


def _cifar10(given: Path, cache: Path) -> Dataset:
    found = cifar.find(given)
    if isinstance(found, cifar.Original):
        return Dataset(*found.read(), middle=128)
    files = found
    stamp = np.array([[f.stat().st_size, f.stat().st_mtime_ns] for f in files])
    try:
        with np.load(cache / "cifar10.npz") as known:
            if np.array_equal(known["stamp"], stamp):
                x, y, x_test, y_test = (known[k] for k in ("x", "y", "x_test", "y_test"))
                return Dataset(x, y, x_test, y_test, middle=128)
    except NPZ_ERRORS:
        pass  # There is none yet, or it was damaged: decode again.
    x, y = _decode(files[0])
    x_test, y_test = _decode(files[1])
    with written(cache / "cifar10.npz") as file:
        np.savez(file, stamp=stamp, x=x, y=y, x_test=x_test, y_test=y_test)
    return Dataset(x, y, x_test, y_test, middle=128)


def _decode(path: Path) -> tuple[Array, Array]:
    """Images uint8 [n, 32, 32, 3] and labels int64 [n] of one file."""
    tf: Any = packages.tensorflow()
    try:
        with np.load(path, allow_pickle=False) as file:
            jpeg, offset, label = file["jpeg"].tobytes(), file["offset"], file["label"]
        if label.size and int(label.max()) >= cifar.CLASSES:
            raise ValueError(f"its labels reach {label.max()}, there are {cifar.CLASSES} classes")
        images = [tf.io.decode_jpeg(jpeg[a:b], channels=3).numpy() for a, b in pairwise(offset)]
        return np.stack(images).reshape(len(label), 32, 32, 3), label.astype(np.int64)
    except (*NPZ_ERRORS, tf.errors.InvalidArgumentError) as error:
        what = " ".join(str(error).split())
        raise CompileError("E210", str(path), f"cannot be read as images: {what}") from None


def _own(path: Path, seed: int) -> Dataset:
    """The images ``x`` [n, height, width] or [n, height, width, channels], integers in 0..255 or
    floats in 0..1, and the class indices ``y`` [n] of an ``.npz``; a quarter of each class is
    held out, unless there are ``x_test`` and ``y_test``.

    Raises CompileError E219 (no such file), E210 (not an npz), E211 (no x or y), E212 (shapes),
    E213 (types), E214 (values).
    """
    arrays = arrays_of(path, "images", "pass --data my.npz with images x and class indices y")
    for key in ("y", *(("x_test", "y_test") if {"x_test", "y_test"} & arrays.keys() else ())):
        if key not in arrays:
            raise missing(path, key, "images")
    x, y = _pairs(path, arrays, "")
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    classes = _classes(f"{path}: y", y, 1 if "x_test" in arrays else 2)
    if "x_test" in arrays:
        x_test, y_test = _pairs(path, arrays, "_test")
        if x_test.shape[1:] != x.shape[1:]:
            shapes = f"{list(x_test.shape[1:])}, those of x {list(x.shape[1:])}"
            raise CompileError("E212", f"{path}: x_test", f"has images of {shapes}")
        if y_test.max() >= classes:
            what = f"reaches class {y_test.max()}; y has {classes} classes"
            raise CompileError("E214", f"{path}: y_test", what)
    else:
        train, held = _split(y, seed)
        x, y, x_test, y_test = x[train], y[train], x[held], y[held]
    return Dataset(x, y, x_test, y_test, middle(x), classes, digest.hexdigest())


def arrays_of(path: Path, kind: str, hint: str) -> dict[str, Array]:
    """Those of x, y, x_test and y_test that an ``.npz`` of the user's has, x among them.

    kind: what x is; hint: what to do where there is no such file. Raises CompileError E219 (no such
    file), E210 (not an npz), E211 (no x).
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {k: file[k] for k in ("x", "y", "x_test", "y_test") if k in file.files}
    except FileNotFoundError:
        raise CompileError("E219", str(path), "there are no such data", hint) from None
    except PermissionError:
        raise
    except (*NPZ_ERRORS, AttributeError) as error:
        raise CompileError(
            "E210", str(path), f"cannot be read as .npz: {error}", "save it with numpy.savez"
        ) from None
    if "x" not in arrays:
        raise missing(path, "x", kind)
    return arrays


def missing(path: Path, key: str, kind: str) -> CompileError:
    """E211: an ``.npz`` has no array ``key``; kind: what its x is."""
    hint = f"save it with numpy.savez(path, x={kind}, y=classes)"
    return CompileError("E211", str(path), f"has no array '{key}'", hint)


def indices(origin: str, y: Array, count: int) -> Array:
    """The classes of ``count`` samples, int64 [n], of [n] or [n, 1] integers. Raises CompileError
    E212 (shape), E213 (type), E214 (a negative one)."""
    y = y[:, 0] if y.shape == (count, 1) else y
    if y.shape != (count,):
        what = f"has shape {list(y.shape)}"
        raise CompileError("E212", origin, what, f"one class a sample: [{count}]")
    if y.dtype.kind not in "iu":
        raise CompileError("E213", origin, f"has dtype {y.dtype}", "class indices are integers")
    if y.min() < 0:
        raise CompileError("E214", origin, f"holds the class {y.min()}", "they count from 0")
    return y.astype(np.int64)


def middle(x: Array) -> int:
    """The power of two over the largest pixel, halved: see `Dataset`."""
    return max(1, (1 << int(x.max()).bit_length()) // 2)


def _pairs(path: Path, arrays: dict[str, Array], suffix: str) -> tuple[Array, Array]:
    """Images uint8 [n, height, width, channels] and their classes int64 [n]."""
    x, y = arrays[f"x{suffix}"], arrays[f"y{suffix}"]
    if x.ndim not in (3, 4) or 0 in x.shape:
        raise CompileError(
            "E212", f"{path}: x{suffix}", f"has shape {list(x.shape)}",
            "recipes train with images: [n, height, width] or [n, height, width, channels]",
        )  # fmt: skip
    x = x[..., np.newaxis] if x.ndim == 3 else x
    y = indices(f"{path}: y{suffix}", y, len(x))
    return _pixels(f"{path}: x{suffix}", x), y


def _pixels(origin: str, x: Array) -> Array:
    hint = "pixels are integers in 0..255, or floats in 0..1"
    if x.dtype.kind not in "iufb":
        raise CompileError("E213", origin, f"has dtype {x.dtype}", hint)
    most = 1 if x.dtype.kind == "f" else 255
    low, high = x.min(), x.max()
    if not (low >= 0 and high <= most):  # NaN is neither
        raise CompileError("E214", origin, f"holds {low} to {high} as {x.dtype}", hint)
    return (np.rint(x * 255) if x.dtype.kind == "f" else x).astype(np.uint8)


def _classes(origin: str, y: Array, least: int) -> int:
    """How many there are: 0, 1, ... with ``least`` samples of each or more."""
    kinds, counts = np.unique(y, return_counts=True)
    missing = next((i for i, kind in enumerate(kinds) if i != kind), None)
    if missing is not None or len(kinds) < 2:
        what = f"has no sample of class {len(kinds) if missing is None else missing}"
        raise CompileError("E214", origin, what, "number two classes or more 0, 1, ...")
    if counts.min() < least:
        what = f"has {counts.min()} sample of class {counts.argmin()}"
        raise CompileError("E214", origin, what, "one is held out: give two of each or more")
    return len(kinds)


def _split(y: Array, seed: int) -> tuple[Array, Array]:
    """Indices to train with, and of the quarter of each class that is held out."""
    order = np.random.default_rng(seed).permutation(len(y))
    held = np.zeros(len(y), bool)
    for kind in range(y.max() + 1):
        of_kind = order[y[order] == kind]
        held[of_kind[: max(1, round(len(of_kind) * HELD_OUT))]] = True
    return order[~held[order]], order[held[order]]


def default_folder() -> Path:
    """$TINYC_DATA; else ``shared/data`` beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("TINYC_DATA") or beside)
