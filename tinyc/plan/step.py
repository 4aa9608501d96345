"""A layer as it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..ir import DType, Graph, Node, Value
from ..kernels.base import Binding, Kernel, Schedule


@dataclass(frozen=True, eq=False)
class Step:
    """One call of the generated code.

    index: position in the order; name: short name for captions; symbol: the C function;
    rejected: (kernel, reason) of each faster kernel that was not taken, and of each form that
    a pass could not bring the node into;
    scratch_offset: where its working memory lies in the arena, in bytes;
    part: what of its output a call makes, "" for all of it, else see `tinyc.plan.rows.Stage`;
    schedule: what TVM lowered it with, None for a template; cycles: of each backend, measured,
    where the backend was chosen by them.
    """

    index: int
    node: Node
    kernel: Kernel
    binding: Binding
    rejected: tuple[tuple[str, str], ...]
    name: str
    symbol: str
    scratch_offset: int = 0
    part: str = ""
    schedule: Schedule | None = None
    cycles: Mapping[str, int] = field(default_factory=dict)

    @property
    def backend(self) -> str:
        """``tvm`` or ``templates``: what makes the C."""
        return "templates" if self.schedule is None else "tvm"

    @property
    def floats(self) -> bool:
        """Whether its C computes with float32: an input, an output or a table of it is."""
        values = (*self.node.inputs, *self.node.outputs)
        return any(v.type.dtype is DType.F32 for v in values) or any(
            c.data.dtype.kind == "f" for c in self.binding.constants
        )

    def reads(self, graph: Graph) -> tuple[Value, ...]:
        """What has to be there until it has ended: its variable inputs, and where a run may end
        behind it what the output is then."""
        side, node = graph.side, self.node
        if side is None or side.sure not in node.outputs:
            return node.variable_inputs
        return (*node.variable_inputs, side.scores)

    @property
    def macs(self) -> int:
        return self.node.op.macs(self.node)

    @property
    def binary_macs(self) -> int:
        return self.node.op.binary_macs(self.node)
