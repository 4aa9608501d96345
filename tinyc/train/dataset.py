"""Images and labels to train with, and others held out to measure with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..data import NPZ_ERRORS
from ..errors import CompileError
from ..folder import written
from . import packages

CLASSES = 10
HELD_OUT, SPLIT_SEED = 0.25, 7
"""The part of the digits that is held out, and the seed by which it is chosen."""


@dataclass(frozen=True)
class Dataset:
    """x: uint8 [n, height, width, channels], y: int64 [n] class indices, for training;
    x_test, y_test: the same, held out; middle: the pixel value that becomes 0, and half the
    range of pixels, a power of two, so that int8 inputs of the firmware are pixels less it."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    middle: int

    def normalized(self, x: np.ndarray) -> np.ndarray:
        """Pixels -> float32 in -1..1."""
        return (x.astype(np.float32) - self.middle) / self.middle


def load(name: str, folder: Path, cache: Path) -> Dataset:
    """The data of a recipe.

    name: ``digits`` (1,797 of 8x8 pixels in 0..16, from scikit-learn's package) or ``cifar10``
    (55,000 of 32x32 RGB, from ``folder``/cifar10); cache: where decoded images are kept.
    Raises CompileError E219 (no such data), E210 (it cannot be read).
    """
    return _digits() if name == "digits" else _cifar10(folder / "cifar10", cache)


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


def _cifar10(folder: Path, cache: Path) -> Dataset:
    files = [folder / "train.npz", folder / "test.npz"]
    for file in files:
        if not file.is_file():
            raise CompileError(
                "E219", str(file), "there is no CIFAR-10",
                "pass --data DIR or set TINYC_DATA to a folder with cifar10/train.npz and "
                "cifar10/test.npz: arrays jpeg (uint8), offset (int64 [n + 1]), label (uint8 [n])",
            )  # fmt: skip
    stamp = np.array([[f.stat().st_size, f.stat().st_mtime_ns] for f in files])
    try:
        with np.load(cache / "cifar10.npz") as known:
            if np.array_equal(known["stamp"], stamp):
                return Dataset(*(known[k] for k in ("x", "y", "x_test", "y_test")), middle=128)
    except NPZ_ERRORS:
        pass  # There is none yet, or it was damaged: decode again.
    x, y = _decode(files[0])
    x_test, y_test = _decode(files[1])
    with written(cache / "cifar10.npz") as file:
        np.savez(file, stamp=stamp, x=x, y=y, x_test=x_test, y_test=y_test)
    return Dataset(x, y, x_test, y_test, middle=128)


def _decode(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 32, 32, 3] and labels int64 [n] of one file."""
    tf: Any = packages.tensorflow()
    try:
        with np.load(path, allow_pickle=False) as file:
            jpeg, offset, label = file["jpeg"].tobytes(), file["offset"], file["label"]
        if label.size and int(label.max()) >= CLASSES:
            raise ValueError(f"its labels reach {label.max()}, there are {CLASSES} classes")
        images = [tf.io.decode_jpeg(jpeg[a:b], channels=3).numpy() for a, b in pairwise(offset)]
        return np.stack(images).reshape(len(label), 32, 32, 3), label.astype(np.int64)
    except (*NPZ_ERRORS, tf.errors.InvalidArgumentError) as error:
        what = " ".join(str(error).split())
        raise CompileError("E210", str(path), f"cannot be read as images: {what}") from None


def default_folder() -> Path:
    """$TINYC_DATA; else ``shared/data`` beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("TINYC_DATA") or beside)
