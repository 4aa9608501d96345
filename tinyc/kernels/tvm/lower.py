"""A scheduled TIR function -> the binding of a kernel, through TVM's passes and the printer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...ir import Node, OpT
from ...kernels.base import Binding, Constant, Kernel, Schedule
from . import tvm
from .printer import print_body

_CTYPES = {"int8": "int8_t", "int32": "int32_t", "float32": "float"}


@dataclass(frozen=True)
class Form:
    """A node's TIR form under one schedule.

    caption: for the comment above the function; schedule: ``tvm.s_tir.Schedule`` of a function
    over the node's variable inputs, then the constants, then the output; constants: in the
    order of their parameters; inputs: how many parameters come before them; support, inplace:
    as in `Binding`.
    """

    caption: str
    schedule: Any
    constants: tuple[Constant, ...] = ()
    inputs: int = 1
    support: tuple[str, ...] = ()
    inplace: int | None = None


def kernel(
    name: str,
    requires: frozenset[str],
    reject: Callable[[Node[OpT]], str | None],
    schedules: Callable[[Node[OpT]], Sequence[Schedule]],
    form: Callable[[Node[OpT], Schedule], Form],
) -> Kernel[OpT]:
    """A kernel whose text TVM makes.

    schedules: what a node may be lowered with, the default first; form: the node under one.
    """

    def bind(node: Node[OpT]) -> Binding:
        return scheduled(node, schedules(node)[0])

    def scheduled(node: Node[OpT], schedule: Schedule) -> Binding:
        return binding(form(node, schedule))

    return Kernel(name, "tir.c.j2", requires, reject, bind, schedules, scheduled)


def binding(form: Form) -> Binding:
    """Lower and print a form."""
    module = tvm()
    function = _passes(module)(form.schedule.mod)["main"]
    parameters = list(function.params)
    first, last = form.inputs, len(parameters) - 1
    pointers = ["in"] if first == 1 else [f"in{i}" for i in range(first)]
    names = [*pointers, *(c.suffix for c in form.constants), "out"]
    assert len(names) == len(parameters), (names, parameters)
    body = print_body(
        module, function.body, {hash(p): n for p, n in zip(parameters, names, strict=True)}
    )
    # TVM's simplifier may find that an output depends on no input, as of x - x.
    unused = [f"    (void){n};" for n in pointers if n not in body.used]
    arguments = [
        f"{'const ' if i < last else ''}{_CTYPES[p.dtype]} *{n}"
        for i, (p, n) in enumerate(zip(parameters, names, strict=True))
        if i < first or i == last
    ]
    return Binding(
        params={
            "caption": form.caption,
            "arguments": [*arguments, *(["uint8_t *scratch"] if body.scratch else [])],
            "aliases": [
                (f"const {_pointed(c)} *const {c.suffix}", c.suffix) for c in form.constants
            ],
            "body": [*unused, *body.lines],
        },
        constants=form.constants,
        scratch=body.scratch,
        support=form.support,
        inplace=form.inplace,
    )


def _pointed(constant: Constant) -> str:
    name = constant.data.dtype.name
    return "float" if name == "float32" else f"{name}_t"


def _passes(module: Any) -> Any:
    """From blocks to loops over flat buffers: the passes of TVM's own pipeline that matter
    where there is neither a target nor a runtime."""
    s_tir, tirx = module.s_tir.transform, module.tirx.transform
    return module.transform.Sequential(
        [
            s_tir.CanonicalizeLoop(),
            s_tir.LowerInitBlock(),
            s_tir.PlanAndUpdateBufferAllocationLocation(),
            s_tir.ConvertBlocksToOpaque(),
            s_tir.CompactBufferAllocation(),
            s_tir.LowerMatchBuffer(),
            s_tir.StmtSimplify(),
            s_tir.LowerOpaqueBlock(),
            tirx.FlattenBuffer(),
            tirx.NarrowDataType(32),
            tirx.UnrollLoop(),
            s_tir.RenormalizeSplitPattern(),
            tirx.StmtSimplify(),
            tirx.RemoveNoOp(),
        ]
    )
