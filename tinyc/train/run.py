"""A whole training: from a recipe to the files that it leaves in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError
from ..files.folder import written
from .files import check_writable
from .recipe import Recipe


def train(
    name: str,
    recipe: Recipe,
    data: Path | None,
    folder: Path,
    resume: bool,
    started: Callable[[int, int], Any],
    on_epoch: Callable[[Any], Any],
) -> dict[str, Any]:
    """Train, export and measure; returns what ``result.json`` says.

    data: an ``.npz`` to train with in the place of the recipe's data, or where CIFAR-10 lies, None
    for the default; folder: takes ``checkpoint.npz``, ``logs/``, ``<name>.tflite``,
    ``<name>.keras``, which `tinyc compress` takes, ``calibration.npz`` (x: 256 training inputs,
    float32), ``test.npz`` (x, y: all that is held out, float16, which holds pixels exactly) and
    ``result.json``, its parent the decoded images; resume: go on from a checkpoint; started: given
    the steps done and those of the whole training, returns what is called with the steps done after
    each;
    on_epoch: called with a `tinyc.train.loop.Epoch`. Raises CompileError E223 (a file that the
    recipe does not train with), and those of `tinyc.train.dataset.load`,
    `tinyc.train.loop.Training` and `tinyc.train.packages`.
    """
    from . import dataset, export, packages
    from .loop import Training

    if data is not None and data.suffix == ".npz":
        recipe = recipe.model_copy(update={"data": str(data)})
    elif data is not None and data.is_file() and recipe.data != "cifar10":
        what = f"{data} was given, but {name} trains with {recipe.data}"
        hint = "pass an .npz with x and y, or leave it out"
        raise CompileError("E223", "--data", what, hint)
    packages.tensorflow(recipe.model.body == "binary", recipe.data == "digits")
    place = data or dataset.default_folder()
    images = dataset.load(recipe.data, place, folder.parent, recipe.seed)
    check_writable(folder)
    training = Training(recipe, images, folder, resume)
    training.run(started(training.done, training.total), on_epoch)
    trained = training.trained()
    content = export.convert(recipe, trained, images)
    result = {
        "recipe": name,
        "accuracy": export.accuracy(recipe, content, images),
        "held_out_images": len(images.x_test),
        "parameters": training.model.count_params(),
        "file_bytes": len(content),
        "epochs": recipe.epochs,
        "seed": recipe.seed,
        "seconds": round(training.seconds, 1),
        "precision": training.precision,
        "versions": packages.versions(),
    }
    with written(folder / f"{name}.tflite") as file:
        file.write(content)
    trained.save(folder / f"{name}.keras")
    with written(folder / "calibration.npz") as file:
        np.savez(file, x=export.calibration(images, recipe.seed))
    with written(folder / "test.npz") as file:
        x = images.normalized(images.x_test).astype(np.float16)
        np.savez_compressed(file, x=x, y=images.y_test)
    with written(folder / "result.json") as file:
        file.write((json.dumps(result, indent=2) + "\n").encode())
    return result
