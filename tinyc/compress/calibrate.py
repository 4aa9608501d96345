"""Give a float network int8 numbers, by the ranges that sample data reach.

The result is a graph of its own, close to the float one but not equal to it, and it is what a
firmware is then compared with. Scales and zero points are those that TensorFlow Lite's
converter would choose: weights symmetric for each output channel, everything else per tensor
over the range seen, which is stretched to hold 0. How an operator's int8 form is quantized, the
operator tells (`tinyc.ops.base.Op`).

Numbers that count or point stay what they are: integers, and float32 that a CAST turns into
integers or has made of them, until something computes with it; so does float32 that is compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..errors import CompileError
from ..ir import Array, DType, Graph, Node, TensorType, Value, applies, interpret, kept, verify
from ..ops._move import Lookup, Movement
from ..ops.add import Add
from ..ops.gather import GatherComputed
from ..ops.gather_nd import GatherNd
from ..ops.hard_swish import HardSwish
from ..ops.max_pool import MaxPool2d
from ..ops.maximum_minimum import Maximum
from ..ops.reduce import ReduceMax
from ..ops.relu import Relu
from ..ops.select import Select
from ..ops.softmax import Softmax
from ..passes._pointwise import Region
from ._inputs import centred, coarse, raised, same_bytes
from ._integers import Rewrite
from ._kinds import Kinds, exact_nodes, float_nodes, is_float
from ._types import Ranges, types_of

__all__ = ["calibrate", "coarse", "exact_nodes", "float_nodes"]

_PICKING = (Movement, Lookup, MaxPool2d, Maximum, ReduceMax, Relu, Select)
"""Operators of whose output each number is one of the inputs', or a bound."""

_LARGEST = 2.0**100
"""What is beyond has overflowed, or will."""

_FADED = 10.0
"""How far below the greatest of its row a number is nothing to a softmax: exp(-10) is a hundredth
of a step of its int8 output. Masks set what is not to be seen as low as float32 goes."""


def calibrate(
    graph: Graph, samples: Iterable[Sequence[Array]], normal: Sequence[Region] = ()
) -> Graph:
    """``graph`` with int8 in the place of float32, its inputs and outputs included, but for
    those that hold indices (see `exact_nodes`).

    samples: inputs of the graph as `tinyc.ir.interpret` takes them, at least one; where the graph
    keeps states, they are one sequence. normal: what of inputs is to stay float32, see `coarse`.
    Raises CompileError E308 for an operator that has no int8 form.
    """
    ranges, least = _ranges(graph, samples)
    _narrow_ranges(graph, ranges, least)
    _check(ranges)
    graph = _clip_masks(graph, ranges)
    graph, moved = centred(graph, ranges)
    needed: set[Node] = set()
    while True:
        absorbed = _absorbed_relus(graph, ranges, needed)
        values = {node.output: x for node, x in absorbed.items()}
        without = graph.substitute(values, [*absorbed])
        kinds = Kinds.of(without, normal, moved)
        without = _take_inputs(without, kinds, ranges)
        types = types_of(without, kinds, ranges)
        # What shares its numbers with others may not saturate where the activation ends.
        more = {node for node, x in absorbed.items() if not _saturates(node, types[x])}
        if not more:
            return verify(Rewrite(without, kinds, types).graph())
        needed |= more


def _check(ranges: Ranges) -> None:
    for value, (low, high) in ranges.items():
        worst = low if -low > high else high
        if not abs(worst) <= _LARGEST:
            raise CompileError(
                "E308", value.origin, f"'{value.name}' becomes {worst:.3g} on the samples",
                "check the calibration data: are they scaled as in training?",
            )  # fmt: skip


def _ranges(graph: Graph, samples: Iterable[Sequence[Array]]) -> tuple[Ranges, dict[Node, float]]:
    """The range of each value, and for each SOFTMAX what no row has to reach below."""
    ranges: Ranges = {}
    least: dict[Node, float] = {}
    inputs = set(graph.inputs)

    def see(value: Value, array: Array) -> None:
        low, high = float(array.min()), float(array.max())
        # An input may be far from 0, see `_take_inputs`; all else can be 0, as a border is.
        before, most = ranges.get(value, (low, high) if value in inputs else (0.0, 0.0))
        # NaN if any number is, and for good.
        ranges[value] = float(np.minimum(before, low)), float(np.maximum(most, high))

    states = None
    for arrays in samples:
        values = interpret(graph, arrays, states)
        states = kept(graph, values)
        for value, array in values.items():
            if is_float(value):
                see(value, array)
        for node in graph.nodes:
            if isinstance(node.op, Softmax) and node.inputs[0] in values:
                peak = float(values[node.inputs[0]].max(-1).min())
                faded = peak - _FADED / node.op.beta
                least[node] = min(least.get(node, 0.0), faded)
    for node in graph.nodes:
        table = node.inputs[0] if isinstance(node.op, (GatherComputed, GatherNd)) else None
        if table is not None and table.data is not None and is_float(table):
            see(table, table.data)  # other data pick other rows
    return ranges, least


def _narrow_ranges(graph: Graph, ranges: Ranges, faded: Mapping[Node, float]) -> None:
    """Where a node picks or clamps numbers that it alone reads, let them reach no farther than its
    output: what is beyond may saturate before it as well as in it. What HARD_SWISH reads starts
    at -3, from where on downwards its output is 0, and what a SOFTMAX reads at ``faded``."""
    uses, ends = graph.uses(), {*graph.sources, *graph.results}
    for node in reversed(graph.nodes):
        made = [ranges[v] for v in node.outputs if v in ranges]
        if isinstance(node.op, HardSwish):
            least, most = -3.0, np.inf
        elif node in faded:
            least, most = faded[node], np.inf
        elif made and (isinstance(node.op, _PICKING) or node.op.view):
            least, most = min(low for low, _ in made), max(high for _, high in made)
        else:
            continue
        for x in node.variable_inputs:
            if x in ranges and x not in ends and set(uses[x]) == {node}:
                low, high = ranges[x]
                ranges[x] = max(low, least), min(high, most)


def _clip_masks(graph: Graph, ranges: Ranges) -> Graph:
    """Let the constants that an ADD adds reach no lower than its output can follow them."""
    nodes = []
    for node in graph.nodes:
        if type(node.op) is Add and node.output in ranges:
            for i, value in enumerate(node.inputs):
                other = ranges.get(node.inputs[1 - i], (0.0, 0.0))
                if value.data is not None and is_float(value):
                    least = np.float32(ranges[node.output][0] - other[1])
                    clipped = replace(value, data=np.maximum(value.data, least))
                    node = replace(
                        node, inputs=tuple(clipped if v is value else v for v in node.inputs)
                    )
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _take_inputs(graph: Graph, kinds: Kinds, ranges: Ranges) -> Graph:
    """Fold what only scales and moves an input into its quantization: ``kinds`` gets the types,
    the layers behind it what is less than a step."""
    uses, results = graph.uses(), set(graph.results)
    for region in kinds.regions.values():
        x, y = region.source, region.output
        inside = set(uses[x]) <= set(region.nodes) and x not in results
        if x not in graph.inputs or x in kinds.wide or not is_float(x) or not inside:
            continue
        found = same_bytes(region, *ranges[x])
        if found is not None:
            before, after, amount = found
            kinds.same.update(region.nodes)
            kinds.fixed[x] = TensorType(x.type.shape, DType.I8, before)
            kinds.fixed[y] = TensorType(y.type.shape, DType.I8, after)
            graph = raised(graph, y, amount)
    return graph


def _absorbed_relus(
    graph: Graph, ranges: Ranges, needed: Collection[Node]
) -> dict[Node[Relu], Value]:
    """Each RELU and RELU6, but for those ``needed``, behind a value that only it reads and whose
    range is that of its output, and this value: it starts at 0, where whatever computes the value
    then saturates."""
    uses, producers, kinds = graph.uses(), graph.producers(), Kinds.of(graph)
    outputs = set(graph.results)
    found: dict[Node[Relu], Value] = {}
    # Behind what a region reads, not within it, where nothing saturates.
    first = {r.nodes[0] for r in kinds.regions.values()}
    for node in graph.nodes:
        if not applies(node, Relu) or node.op.activation == "relu_n1_to_1" or node in needed:
            continue
        x = node.inputs[0]
        before = producers.get(x)
        if (
            before is not None
            and x in ranges
            and (node not in kinds.exact or node in first)
            and not isinstance(before.op, Relu)
            and not before.op.keeps_quant
            and x not in kinds.fixed
            and x not in kinds.wide
            and uses[x] == [node]
            and outputs.isdisjoint((x, node.output))
        ):
            found[node] = x
    return found


def _saturates(node: Node[Relu], type: TensorType) -> bool:
    """Whether numbers of ``type`` end where those of an activation do."""
    low, high = ((q - type.zero_point) * type.scale for q in type.dtype.limits)
    return low == 0 and (node.op.activation == "relu" or high <= 6 * (1 + 1e-6))
