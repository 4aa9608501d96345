"""The intermediate representation: frozen values, checked after every pass."""

from .graph import Graph, Missed, State
from .interpret import interpret, kept
from .node import Node, Op, Value
from .types import DType, Quant, TensorType
from .verify import verify

__all__ = [
    "DType",
    "Graph",
    "Missed",
    "Node",
    "Op",
    "Quant",
    "State",
    "TensorType",
    "Value",
    "interpret",
    "kept",
    "verify",
]
