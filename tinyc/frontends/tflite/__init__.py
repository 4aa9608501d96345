"""Read a TFLite file: bytes -> `Source` (the file's own tables) -> typed `Graph`."""

from .lift import lift, read
from .parse import parse
from .rule import TfliteOp
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
