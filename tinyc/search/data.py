"""Data to compress with: an ``.npz``, or those of recipes by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..compress.keras.base import Data
from ..errors import CompileError
from ..ir import Array
from ..train import dataset

NAMED = ("digits", "cifar10")
HELD_OUT = 0.2


def load(
    given: str,
    shape: tuple[int, ...] | None,
    cache: Path,
    pixels: tuple[float, float],
    seed: int = 0,
) -> Data:
    """Inputs and classes for a network of inputs [*shape], None for one that is made for them.

    given: ``digits`` or ``cifar10`` (see `tinyc.train.dataset.load`), whose pixels, 0 to 255 (16
    for the digits), become ``pixels``, their range; or an ``.npz`` with inputs x as the network
    takes them, integer classes y, or none, and x_test, y_test, without which a fifth is held out by
    the ``seed``; cache: keeps decoded images. Raises CompileError E210 to E214, E219.
    """
    if given in NAMED:
        images = dataset.load(given, dataset.default_folder(), cache)
        most = 2 * images.middle if given == "digits" else 2 * images.middle - 1
        scale = (pixels[1] - pixels[0]) / most
        if pixels == (-1.0, 1.0):  # as recipes have it, and 0 is a pixel
            scale, pixels = 1 / images.middle, (-1.0, 1.0)
        data = Data(
            images.x, images.x_test, images.y, images.y_test, scale, pixels[0], images.classes,
            given,
        )  # fmt: skip
    else:
        data = _own(Path(given), seed)
    for name, x in (("x", data.x), ("x_test", data.x_test)):
        if shape is not None and x.shape[1:] != shape:
            what = f"has samples of shape {list(x.shape[1:])}, the model takes {list(shape)}"
            raise CompileError("E212", f"{given}: {name}", what)
    return data


def _own(path: Path, seed: int) -> Data:
    hint = "pass --data my.npz with inputs x and classes y, or one of " + ", ".join(NAMED)
    arrays = dataset.arrays_of(path, "inputs", hint)
    x, y = arrays["x"], arrays.get("y")
    x_test, y_test = arrays.get("x_test"), arrays.get("y_test")
    _check_inputs(f"{path}: x", x)
    y = None if y is None else dataset.indices(f"{path}: y", y, len(x))
    if x_test is None:
        order = np.random.default_rng(seed).permutation(len(x))
        held = max(1, round(HELD_OUT * len(x)))
        if held == len(x):
            raise CompileError("E212", f"{path}: x", "has one sample: give two or more")
        test, train = order[:held], order[held:]
        x, x_test = x[train], x[test]
        y, y_test = (None, None) if y is None else (y[train], y[test])
    else:
        _check_inputs(f"{path}: x_test", x_test)
        if (y is None) != (y_test is None):
            raise dataset.missing(path, "y" if y is None else "y_test", "inputs")
        if y_test is not None:
            y_test = dataset.indices(f"{path}: y_test", y_test, len(x_test))
    classes = 0 if y is None else int(max(y.max(), 0 if y_test is None else y_test.max())) + 1
    return Data(x, x_test, y, y_test, classes=classes, name=str(path))


def _check_inputs(origin: str, x: Array) -> None:
    if x.dtype.kind not in "iuf":
        raise CompileError("E213", origin, f"has dtype {x.dtype}", "inputs are numbers")
    if x.ndim < 2 or 0 in x.shape:
        raise CompileError("E212", origin, f"has shape {list(x.shape)}", "it is [n, ...]")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise CompileError("E214", origin, "holds NaN or infinity")
