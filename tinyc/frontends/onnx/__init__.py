"""Read an ONNX file: bytes -> a checked `onnx.ModelProto` -> typed `Graph`."""

from pathlib import Path

from ..base import Frontend, Model, register
from .lift import read
from .rule import OnnxOp, family, rule

__all__ = ["OnnxOp", "family", "read", "rule"]


def _read(model: str, trust: bool) -> Model:
    return Model(read(Path(model)))


register(Frontend("onnx", lambda model: Path(model).suffix == ".onnx", _read))
