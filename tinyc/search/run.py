"""One chain of techniques on one model: trained, exported, measured, and the files of it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..compress.keras import chain
from ..compress.keras.base import Data, Training, Work
from ..files.folder import written
from ..listener import SILENT, Listener
from ..settings import Config
from ..target.boards import load_board
from ..train.files import check_writable
from .measure import Figures, measure

BASELINE = "int8"
"""The chain that others are held against."""


def start(
    model: str, data: Data, training: Training, teacher: str | None, trust: bool, listener: Listener
) -> Work:
    """The work before the first technique. Raises those of `tinyc.compress.keras.load.load`."""
    import tensorflow as tf

    from ..compress.keras.load import load

    loaded = load(model, trust)
    tf.config.experimental.enable_op_determinism()
    taught = loaded if teacher is None else load(teacher, trust)
    return Work(loaded, data, training, taught, listener=listener)


def compressed(work: Work, stages: tuple[chain.Stage, ...], folder: Path | None = None) -> Work:
    """The work after the last of ``stages``; folder: takes the model after each of them."""
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


def copied(model: Any) -> Any:
    """``model`` with weights of its own, so that training one leaves the other."""
    import tf_keras

    made = tf_keras.models.clone_model(model)
    made.set_weights(model.get_weights())
    return made


def compress(
    model: str,
    text: str,
    data: Data,
    training: Training,
    settings: Config,
    folder: Path,
    teacher: str | None = None,
    listener: Listener = SILENT,
) -> dict[str, Any]:
    """What ``tinyc compress --with`` prints, written as ``result.json`` too.

    model, teacher: see `tinyc.compress.keras.load.load`; text: the chain; settings: of the builds
    that are measured; folder: takes ``<name>.tflite``, ``int8.tflite``, of the model as it was
    given, ``stages/`` and ``logs/``. Raises CompileError E209, E360 to E362, and those of builds.
    """
    from ..compress.keras.export import convert

    stages = chain.parse(text)
    check_writable(folder)
    training = replace(training, folder=folder / "logs")
    core = load_board(str(settings.board)).core
    work = replace(start(model, data, training, teacher, settings.trust, listener), core=core)
    chain.check(stages, work)
    began = time.monotonic()
    before = _written(folder / f"{BASELINE}.tflite", convert(work))
    made = compressed(work, stages, folder / "stages")
    seconds = time.monotonic() - began
    path = _written(folder / f"{Path(model.split(':')[0]).stem}.tflite", convert(made))
    # Sizes of a Keras model that is wrapped by TFMOT say nothing.
    first, last = (measure(p, settings, data) for p in (before, path))
    result = {
        "model": model,
        "techniques": list(made.done),
        "board": str(settings.board),
        "optimize": settings.optimize,
        "data": data.name,
        "seed": training.seed,
        "epochs": training.epochs,
        "before": first.facts,
        "after": last.facts,
        "ratios": ratios(first, last),
        "file": str(path),
        "seconds": round(seconds, 1),
    }
    with written(folder / "result.json") as file:
        file.write((json.dumps(result, indent=2) + "\n").encode())
    with written(folder / "recipe.toml") as file:
        file.write(_recipe(model, text, data, training, settings).encode())
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


def _recipe(model: str, text: str, data: Data, training: Training, settings: Config) -> str:
    """A recipe by which ``tinyc compress recipe.toml`` comes to the same."""
    plain = {k: v for k, v in asdict(training).items() if k != "folder"}
    lines = [
        f"model = {json.dumps(model)}",
        f"data = {json.dumps(data.name)}",
        f"with = {json.dumps(text)}",
        f"board = {json.dumps(str(settings.board))}",
        f"optimize = {json.dumps(settings.optimize)}",
        "",
        "[training]",
        *(f"{key} = {json.dumps(value)}" for key, value in plain.items()),
    ]
    return "\n".join(lines) + "\n"
