"""The choice of a kernel for each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import CompileError
from ..ir import Array, Graph, Node
from ..ir.names import identifier
from ..kernels.base import Constant, Kernel, Schedule, kernels_of, tvm_kernels_of
from .plan import Step


def workload(node: Node, kernel: Kernel, core: str) -> str:
    """What the cycles of a TVM kernel depend on: the kernel, the core, the operator with its
    attributes and the shapes."""
    shapes = ", ".join(str(v.type) for v in node.inputs)
    return f"{kernel.name} on {core}: {node.op} of {shapes} -> {node.output.type}"


def choose(
    graph: Graph,
    core: str,
    features: frozenset[str],
    backend: str | Sequence[str],
    schedules: Mapping[str, Schedule],
    optimize: str,
) -> tuple[Step, ...]:
    steps: list[Step] = []
    known: dict[tuple[str, bytes], Array] = {}

    def shared(constant: Constant) -> Constant:
        """With the array of an equal one before it, if there is any: it is held once."""
        data = known.setdefault(constant.contents, constant.data)
        return constant if data is constant.data else replace(constant, data=data)

    for node in graph.nodes:
        if node.op.view:
            continue
        index = len(steps)
        by_tvm = (backend if isinstance(backend, str) else backend[index]) == "tvm"
        rejected = [
            (note.form, note.reason)
            for note in graph.missed
            if note.origin == node.origin and isinstance(node.op, note.op)
        ]
        tvm = tvm_kernels_of(type(node.op))
        if by_tvm and not tvm:
            rejected.append(("tvm", f"{type(node.op).__name__} has no TIR form"))
        for kernel in (*(tvm if by_tvm else ()), *kernels_of(type(node.op))):
            if optimize not in kernel.aims:
                continue
            missing = kernel.requires - features
            reason = (
                f"the core has no {', '.join(sorted(missing))}" if missing else kernel.reject(node)
            )
            if reason is None:
                break
            rejected.append((kernel.name, reason))
        else:
            raise CompileError(
                "E306", node.origin,
                "no kernel computes it: " + "; ".join(f"{n}: {r}" for n, r in rejected),
                "use int8 or float32 types as docs/operators.md lists them",
            )  # fmt: skip
        schedule: Schedule | None = None
        if kernel.schedules is None or kernel.scheduled is None:
            binding = kernel.bind(node)
        else:
            schedule = _schedule(node, kernel, core, schedules)
            binding = kernel.scheduled(node, schedule)
        binding = replace(binding, constants=tuple(shared(c) for c in binding.constants))
        name = _layer_name(node)
        symbol = f"{graph.name}_{index}_{name}"
        steps.append(
            Step(
                index, node, kernel, binding, tuple(rejected), name, symbol, schedule=schedule
            )
        )  # fmt: skip
    return tuple(steps)


def _schedule(node: Node, kernel: Kernel, core: str, schedules: Mapping[str, Schedule]) -> Schedule:
    """The schedule found for a workload if it is still one of the kernel's, else the default."""
    assert kernel.schedules is not None
    allowed = kernel.schedules(node)
    found = schedules.get(workload(node, kernel, core))
    return found if found is not None and found in allowed else allowed[0]


def _layer_name(node: Node) -> str:
    """A short identifier: the last telling part of the output's name, else the operator's."""
    parts = [p for p in node.outputs[0].name.split(";")[0].split("/") if p]
    op = identifier(type(node.op).__name__)
    generic = (
        "biasadd",
        "relu",
        "relu6",
        "conv2d",
        "matmul",
        "add",
        "fusedbatchnormv3",
        "fusedbatchnorm",
    )
    telling = [p for p in parts if identifier(p) not in generic]
    return identifier(telling[-1])[:24].strip("_") if telling else op
