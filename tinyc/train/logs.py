"""Curves for TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..compress.keras.curves import Curves


@dataclass(frozen=True)
class Epoch:
    """number: how many epochs are done; loss and accuracy: means over the training images as
    they were seen; held_out: accuracy 0..1 on the held-out ones."""

    number: int
    loss: float
    accuracy: float
    held_out: float


class Logs:
    """Event files in ``folder``: loss, accuracy and learning rate after each epoch."""

    def __init__(self, folder: Path) -> None:
        self._curves = Curves(folder)

    def write(self, step: int, epoch: Epoch, rate: float) -> None:
        """Add the points of one epoch at ``step``."""
        points = {
            "training/loss": epoch.loss, "training/accuracy": epoch.accuracy,
            "held_out/accuracy": epoch.held_out, "training/learning_rate": rate,
        }  # fmt: skip
        self._curves.write(step, points)
