"""What techniques on Keras models are tested with: small data, and what a chain did to firmware."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Data, Training, Work
from tinyc.search.measure import Figures, measure
from tinyc.search.run import compressed
from tinyc.settings import Config

BOARD = "stm32f4_discovery"
"""Of a Cortex-M4."""

TRAINING = Training(epochs=4, batch=32, learning_rate=0.01, precision="float32")


def squares(count: int = 700, size: int = 8, classes: int = 5) -> Data:
    """Images [n, size, size, 3] of noise with a bright square in one of ``classes`` places."""
    rng = np.random.default_rng(6)
    y = rng.integers(0, classes, count)
    x = rng.normal(0, 0.3, (count, size, size, 3)).astype(np.float32)
    for image, label in zip(x, y, strict=True):
        row, column = divmod(int(label), 3)
        image[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += 1
    held = count // 5
    return Data(x[held:], x[:held], y[held:], y[:held], classes=classes, name="squares")


def trained(model: Any, data: Data, training: Training = TRAINING) -> Work:
    """A work whose model is trained already."""
    work = Work(model, data, training, model)
    return compressed(work, chain.parse("finetune"))


def effect(
    work: Work, text: str, folder: Path, board: str = BOARD, optimize: str = "speed"
) -> tuple[Figures, Figures]:
    """(before, after): of the firmware of a work's model by int8 alone and by the chain ``text``,
    with the accuracy of what was exported, by the generated C; and ``before.tflite`` and
    ``after.tflite`` in ``folder``."""
    from tinyc.compress.keras.export import convert

    found = []
    for name, stages in (("before", "int8"), ("after", text)):
        path = folder / f"{name}.tflite"
        path.write_bytes(convert(compressed(replace(work, done=()), chain.parse(stages))))
        settings = Config(board=board, output_dir=str(folder / name), optimize=optimize)
        found.append(measure(path, settings, work.data))
    return found[0], found[1]
