"""Fine-tune: train further, as a base for other techniques or to win back what one has cost."""

from __future__ import annotations

from pydantic import Field

from .base import Params, Space, Technique, Work, register
from .training import fit


class Finetune(Params):
    """epochs: other than the training's."""

    epochs: float | None = Field(None, gt=0)


def finetune(work: Work, params: Finetune) -> Work:
    """The model trained further, within what earlier techniques left."""
    fit(work, epochs=params.epochs, label="finetune")
    return work


_SPACE = Space("training", lambda trial, known: "finetune")
register(Technique("finetune", "train further", Finetune, finetune, space=_SPACE))
