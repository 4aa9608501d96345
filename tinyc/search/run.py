"""One recipe: its chain of techniques run, exported, measured, and the files of it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..compress.keras import chain
from ..compress.keras.base import Data, Work
from ..files.folder import written
from ..frontends.packages import KERAS2, TFMOT, prepare, quiet
from ..listener import SILENT, Listener
from ..settings import Config
from ..target.boards import load_board
from ..train.files import check_writable
from . import data as datas
from .layers import layers
from .measure import Figures, figures_of, measure, opened
from .page import Point, page
from .recipe import Recipe, Result, dumps, moved

BASELINE = "int8"
"""The chain that others are held against."""


def start(
    recipe: Recipe,
    trust: bool,
    cache: Path,
    folder: Path | None = None,
    listener: Listener = SILENT,
) -> Work:
    """The work before the first technique, the same whatever the process did before.

    cache: keeps decoded images; folder: of TensorBoard's logs. Raises those of
    `tinyc.compress.keras.load.load` and of `tinyc.search.data.load`.
    """
    from ..compress.keras.load import load

    ready(recipe.model or recipe.name, recipe.training.threads, listener)
    if recipe.model is not None:
        loaded = load(recipe.model, trust)
        data = _data(recipe, cache, tuple(loaded.input_shape[1:]))
    else:
        data = _data(recipe, cache, None)
        loaded = _described(recipe, data)
    taught = loaded if recipe.teacher is None else load(recipe.teacher, trust)
    training, core = recipe.training.training(folder), load_board(recipe.board).core
    return Work(loaded, data, training, taught, core=core, listener=listener)


def ready(origin: str, threads: int = 0, listener: Listener = SILENT) -> None:
    """Bring TensorFlow into the state in which a training depends on what it is given alone.

    origin: what needs it; threads: see `tinyc.compress.keras.base.Training`. Raises CompileError
    E705 (a package is missing).
    """
    prepare(origin, KERAS2 | TFMOT)
    with quiet():
        import tensorflow as tf
        import tf_keras

    tf.get_logger().setLevel("ERROR")  # or it tells of each training that it is traced anew
    tf_keras.backend.clear_session()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        listener.warn("TensorFlow computes already, by another number of threads")
    tf.config.experimental.enable_op_determinism()


def _data(recipe: Recipe, cache: Path, shape: tuple[int, ...] | None) -> Data:
    return _loaded(recipe.data, shape, cache, recipe.pixels, recipe.training.seed)


@lru_cache(maxsize=1)
def _loaded(
    given: str, shape: tuple[int, ...] | None, cache: Path, pixels: tuple[float, float], seed: int
) -> Data:
    return datas.load(given, shape, cache, pixels, seed)


def _described(recipe: Recipe, data: Data) -> Any:
    from . import supernet
    from .network import build

    seed = recipe.training.seed
    if recipe.network is not None:
        return build(recipe.network, data.x.shape[1:], data.classes, seed)
    assert recipe.supernet is not None and recipe.subnet is not None
    return supernet.cut(supernet.load(Path(recipe.supernet)), recipe.subnet, data, seed)


def compressed(work: Work, stages: tuple[chain.Stage, ...], folder: Path | None = None) -> Work:
    """The work after the last of ``stages``; folder: takes the model after each of them."""
    from ..compress.keras.training import copied

    chain.check(stages, work)
    work = replace(work, model=copied(work.model))
    for index, made in enumerate(chain.run(stages, work), 1):
        work = made
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            name = stages[index - 1].technique.name
            if not work.wrapped:
                work.model.save(folder / f"{index}-{name}.keras")
    return work


def made(
    recipe: Recipe, settings: Config, cache: Path, folder: Path, few: int | None = None
) -> tuple[Figures, bytes]:
    """What a recipe comes to, and the contents of the file, whose place is in ``folder``.

    cache: see `start`; few: how many of the samples held out judge it, None for all. Raises
    CompileError E209, E311, E360 to E362, and those of builds.
    """
    from ..compress.keras.export import convert

    stages = chain.parse(recipe.with_)
    work = compressed(start(recipe, settings.trust, cache), stages)
    content = convert(work)
    path = _written(folder / "model.tflite", content)
    data = work.data
    held = replace(
        data, x_test=data.x_test[:few], y_test=None if data.y_test is None else data.y_test[:few]
    )
    settings = replace(recipe.settings(settings), early_exit=work.early_exit)
    return measure(path, settings, held, any_size=True), content


def compress(
    recipe: Recipe, settings: Config, folder: Path, listener: Listener = SILENT
) -> dict[str, Any]:
    """What ``tinyc compress`` prints of one recipe, written as ``result.json`` too.

    recipe: with absolute paths; settings: of the builds that are measured; folder: takes the model,
    ``int8.tflite``, of the model as it was given, ``recipe.toml``, ``report.html``, ``stages/`` and
    ``logs/``.
    Raises CompileError E209, E360 to E362, and those of builds.
    """
    from ..compress.keras.export import convert

    stages = chain.parse(recipe.with_)
    check_writable(folder)
    settings = recipe.settings(settings)
    work = start(recipe, settings.trust, folder.parent, folder / "logs", listener)
    began = time.monotonic()
    done = compressed(work, stages, folder / "stages")
    seconds = time.monotonic() - began
    content = convert(done)
    path = _written(folder / f"{recipe.name}.tflite", content)
    project = opened(path, replace(settings, early_exit=done.early_exit))
    last, after = figures_of(project, work.data), layers(project)
    first, before = None, []
    if recipe.model is not None:  # what is described has none before it is trained
        plain = opened(_written(folder / f"{BASELINE}.tflite", convert(work)), settings)
        first, before = figures_of(plain, work.data), layers(plain)
    sha256 = hashlib.sha256(content).hexdigest()
    known = recipe.result
    if known is not None and known.sha256 != sha256:
        listener.warn(f"the recipe's file has SHA-256 {known.sha256[:16]}, this one {sha256[:16]}")
    result = {
        "model": recipe.name if recipe.model is None else recipe.model,
        "techniques": list(done.done),
        "board": str(settings.board),
        "optimize": settings.optimize,
        "data": work.data.name,
        "seed": recipe.training.seed,
        "epochs": recipe.training.epochs,
        "before": None if first is None else first.facts,
        "after": last.facts,
        "ratios": None if first is None else ratios(first, last),
        "file": str(path),
        "sha256": sha256,
        "repeats": None if known is None else known.sha256 == sha256,
        "seconds": round(seconds, 1),
    }
    _written(folder / "result.json", (json.dumps(result, indent=2) + "\n").encode())
    told = recipe.model_copy(update={"result": Result(**last.facts, sha256=sha256)})
    _written(folder / "recipe.toml", dumps(moved(told, folder, back=True)).encode())
    points = [Point(recipe.with_, last.facts, chosen=True)]
    if first is not None:
        points.insert(0, Point(BASELINE, first.facts))
    _written(folder / "report.html", page(recipe.name, points, before, after).encode())
    return result


def ratios(first: Figures, last: Figures) -> dict[str, float | None]:
    """Of the second's flash, RAM and cycles to the first's, and what accuracy changed by."""
    cycles = last.cycles / first.cycles if first.cycles and last.cycles else None
    change = None
    if first.accuracy is not None and last.accuracy is not None:
        change = round(last.accuracy - first.accuracy, 4)
    return {
        "flash": round(last.flash_bytes / first.flash_bytes, 3),
        "ram": round(last.ram_bytes / first.ram_bytes, 3),
        "cycles": None if cycles is None else round(cycles, 3),
        "accuracy": change,
    }


def _written(path: Path, content: bytes) -> Path:
    with written(path) as file:
        file.write(content)
    return path
