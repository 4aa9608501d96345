"""Read a TFLite file: bytes -> `Source` (the file's own tables) -> typed `Graph`."""

from .lift import lift, read
from .names import identifier, model_name
from .parse import parse
from .rule import TfliteOp
from .source import CONVERT_AGAIN, MAX_ELEMENTS, Source, SourceOp, SourceTensor

__all__ = [
    "CONVERT_AGAIN",
    "MAX_ELEMENTS",
    "Source",
    "SourceOp",
    "SourceTensor",
    "TfliteOp",
    "identifier",
    "lift",
    "model_name",
    "parse",
    "read",
]
