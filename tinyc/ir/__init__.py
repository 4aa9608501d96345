"""The intermediate representation: frozen values, checked after every pass."""

from .graph import Graph, Missed, State
from .interpret import interpret, kept
from .node import Node, Op, OpT, Order, Value, applies
from .types import Array, DType, Quant, TensorType
from .verify import verify

__all__ = [
    "Array",
    "DType",
    "Graph",
    "Missed",
    "Node",
    "Op",
    "OpT",
    "Order",
    "Quant",
    "State",
    "TensorType",
    "Value",
    "applies",
    "interpret",
    "kept",
    "verify",
]
