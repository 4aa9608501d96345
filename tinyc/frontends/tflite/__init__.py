"""Read a TFLite file: bytes -> `Source` (the file's own tables) -> typed `Graph`."""

from pathlib import Path

from ..base import Frontend, Model, register
from .lift import lift, read
from .parse import parse
from .rule import TfliteOp
from .runtime import compute, tensors
from .source import MAX_ELEMENTS, Source, SourceOp, SourceTensor

__all__ = [
    "MAX_ELEMENTS",
    "Source",
    "SourceOp",
    "SourceTensor",
    "TfliteOp",
    "lift",
    "parse",
    "read",
]


def _read(model: str, trust: bool) -> Model:
    return Model(read(Path(model)))


register(Frontend("tflite", lambda model: Path(model).suffix == ".tflite", _read, compute, tensors))
