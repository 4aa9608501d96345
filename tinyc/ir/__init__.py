"""The intermediate representation: frozen values, checked after every pass."""

from .graph import Frames, Graph, Missed, SideHead, State
from .interpret import interpret, kept
from .node import Along, Node, Op, OpT, Order, Value, applies
from .types import Array, DType, Quant, TensorType
from .verify import verify

__all__ = [
    "Along",
    "Array",
    "DType",
    "Frames",
    "Graph",
    "Missed",
    "Node",
    "Op",
    "OpT",
    "Order",
    "Quant",
    "SideHead",
    "State",
    "TensorType",
    "Value",
    "applies",
    "interpret",
    "kept",
    "verify",
]
