"""Which values of a float network that is calibrated stay float32, and which numbers of others
are given by what computes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..ir import DType, Graph, Node, Quant, TensorType, Value
from ..ops._move import Lookup, Movement
from ..ops._unary import BYTES
from ..ops.add import Add
from ..ops.cast import Cast
from ..ops.comparison import Comparison
from ..ops.dequantize import Dequantize
from ..ops.mul import Mul
from ..ops.quantize import INTEGERS
from ..ops.relu import Relu
from ..passes._pointwise import Region, Regions

WHOLE = Quant((1.0,), (0,))
"""The quantization of an integer that stands for itself."""


def float_nodes(graph: Graph) -> list[Node]:
    """The nodes that compute with float32."""
    return [
        n
        for n in graph.nodes
        if any(v.type.dtype is DType.F32 for v in (*n.variable_inputs, *n.outputs))
    ]


def exact_nodes(graph: Graph) -> set[Node]:
    """The nodes that make integers or bool of float32: each such CAST, each comparison, and what
    moves, scales or clamps numbers for nothing else. int8 has too few numbers for them."""
    uses, outputs = graph.uses(), set(graph.results)
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        if isinstance(node.op, (Cast, Comparison)) and not is_float(node.output):
            if is_float(node.inputs[0]):
                found.add(node)
            continue
        readers = [n for v in node.outputs for n in uses.get(v, ())]
        if (
            (node.op.keeps_quant or isinstance(node.op, (Add, Mul, Relu, Cast)))
            and readers
            and all(map(is_float, node.outputs))
            and found.issuperset(readers)
            and outputs.isdisjoint(node.outputs)
        ):
            found.add(node)
    return found


def is_float(value: Value) -> bool:
    return value.type.dtype is DType.F32


@dataclass(frozen=True)
class Kinds:
    """Which nodes compute with float32 still: exact, see `exact_nodes`, and those of regions; wide:
    the values that stay float32; fixed: what else the node that computes a value makes its type;
    regions: by their outputs, which alone become int8, so that each is one table in the end; same:
    the nodes of those that leave their bytes as they are."""

    exact: set[Node]
    wide: set[Value]
    fixed: dict[Value, TensorType]
    regions: dict[Value, Region] = field(default_factory=dict)
    same: set[Node] = field(default_factory=set)

    @classmethod
    def of(cls, graph: Graph, normal: Iterable[Region] = (), moved: Iterable[Region] = ()) -> Kinds:
        """normal: what normalizes inputs that have to stay float32; moved: what centres others."""
        exact = exact_nodes(graph)
        sources = {r.source for r in normal}
        ends = {r.output: r for r in (*normal, *moved, *_regions(graph, exact, sources))}
        wide = {v for v in graph.sources if is_float(v)}
        wide &= sources.union(*(n.inputs for n in exact))
        exact |= {n for r in ends.values() for n in r.nodes}
        wide |= {v for n in exact for v in n.outputs if is_float(v) and v not in ends}
        fixed: dict[Value, TensorType] = {}
        uses = graph.uses()
        for node in graph.nodes:
            made = [v for v in node.outputs if is_float(v)]
            if made and made[0] in ends and node.op.fixed_quant is not None:
                fixed[made[0]] = TensorType(made[0].type.shape, DType.I8, node.op.fixed_quant)
            if not made or node in exact:
                continue
            reads = [v for v in node.variable_inputs if is_float(v)]
            integer = as_integer_type(node)
            moves = isinstance(node.op, (Movement, Lookup)) or node.op.view
            whole = isinstance(node.op, Cast) and integer is None
            if wide.issuperset(reads) and (whole or (moves and reads)):
                wide.update(made)
            elif integer is not None:
                # What is an output and nothing else can be what is dequantized.
                if made[0] not in uses and not any(made[0] is s.exit for s in graph.states):
                    fixed[made[0]] = integer
                elif (as_int8 := int8_of(integer)) is not None:
                    fixed[made[0]] = as_int8
            elif node.op.fixed_quant is not None:
                for v in made:
                    fixed[v] = TensorType(v.type.shape, DType.I8, node.op.fixed_quant)
        for state in graph.states:
            if state.exit in fixed and state.entry not in wide:
                fixed[state.entry] = fixed[state.exit]
        return cls(exact, wide, fixed, ends)

    def keeps(self, node: Node) -> bool:
        """Whether ``node`` has an int8 form with one quantization for all."""
        made = node.outputs[0]
        return (
            node.op.keeps_quant
            and is_float(made)
            and node not in self.exact
            and made not in self.wide
            and made not in self.fixed
        )


def _regions(graph: Graph, exact: set[Node], wide: set[Value]) -> list[Region]:
    """Where several float nodes compute a function of one number: as a table it is rounded once."""
    regions = Regions(graph)
    made = {v for n in exact for v in n.outputs}
    found: list[Region] = []
    inner: set[Node] = set()

    def starts(x: Value) -> bool:
        return x.type.dtype in BYTES or (is_float(x) and x not in wide and x not in made)

    for node in reversed(graph.nodes):
        if node in inner or node in exact or not is_float(node.outputs[0]):
            continue
        region = regions.largest(node, starts)
        if region is not None and len(region.nodes) > 1:
            found.append(region)
            inner.update(region.nodes)
    return found


def as_integer_type(node: Node) -> TensorType | None:
    """The quantized integers, of 8 or 16 bits, that a DEQUANTIZE or a CAST makes float32."""
    if not isinstance(node.op, (Dequantize, Cast)) or not is_float(node.output):
        return None
    x = whole(node.inputs[0].type)
    known = x.dtype in INTEGERS and (isinstance(node.op, Dequantize) or x.quant == WHOLE)
    return x if known else None


def whole(type: TensorType) -> TensorType:
    """``type``; integers without a quantization get the one by which they stand for themselves,
    so that QUANTIZE can read them."""
    if type.dtype in INTEGERS and type.quant is None:
        return replace(type, quant=WHOLE)
    return type


def int8_of(type: TensorType) -> TensorType | None:
    """The int8 type of exactly the numbers of an 8-bit one."""
    if type.dtype is DType.I8:
        return type
    if type.dtype is DType.U8 and type.quant is not None:
        return TensorType(type.shape, DType.I8, Quant((type.scale,), (type.zero_point - 128,)))
    return None


def quant_in(type: TensorType) -> Quant:
    assert type.quant is not None
    return type.quant
