"""The choice of a kernel for each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import CompileError
from ..ir import Array, Graph, Node
from ..ir.names import identifier
from ..kernels.base import Binding, Constant, Kernel, Schedule, kernels_of, tvm_kernels_of
from ..kernels.cost import core_of, quicker
from .step import Step


def workload(node: Node, kernel: Kernel, core: str) -> str:
    """What the cycles of a kernel depend on: the kernel, the core, the operator with its
    attributes and the shapes."""
    shapes = ", ".join(str(v.type) for v in node.inputs)
    return f"{kernel.name} on {core}: {node.op} of {shapes} -> {node.output.type}"


@dataclass(frozen=True)
class Choice:
    """What computes a layer: a kernel by its name, and of a kernel that TVM makes the schedule."""

    kernel: str
    schedule: Schedule | None = None


def choices(node: Node, features: frozenset[str], backend: str) -> list[Choice]:
    """Every way to compute a node on a core, whatever a build optimizes: those of ``templates``,
    of ``tvm`` (where it has none, of the templates), or of both for ``auto``."""
    op = type(node.op)
    templates = [Choice(k.name) for k in kernels_of(op) if _refusal(k, node, features) is None]
    if backend == "templates":
        return templates
    tvm = [
        Choice(kernel.name, schedule)
        for kernel in tvm_kernels_of(op)
        if kernel.schedules is not None and _refusal(kernel, node, features) is None
        for schedule in kernel.schedules(node)
    ]
    return [*templates, *tvm] if backend == "auto" else tvm or templates


def why_not(node: Node, choice: Choice, features: frozenset[str]) -> str | None:
    """Why a node cannot be computed so, None if it can."""
    kernel = _named(node, choice)
    if kernel is None:
        return f"{type(node.op).__name__} has no kernel {choice.kernel}"
    allowed = [] if kernel.schedules is None else kernel.schedules(node)
    if choice.schedule is not None and choice.schedule not in allowed:
        return f"{choice.kernel} has no such schedule any more"
    return _refusal(kernel, node, features)


def kernel_of(node: Node, choice: Choice) -> Kernel:
    """The kernel of a choice that `why_not` has nothing against."""
    found = _named(node, choice)
    assert found is not None, choice
    return found


def _named(node: Node, choice: Choice) -> Kernel | None:
    op = type(node.op)
    known = kernels_of(op) if choice.schedule is None else tvm_kernels_of(op)
    return next((kernel for kernel in known if kernel.name == choice.kernel), None)


def _refusal(kernel: Kernel, node: Node, features: frozenset[str]) -> str | None:
    missing = kernel.requires - features
    return f"the core has no {', '.join(sorted(missing))}" if missing else kernel.reject(node)


def choose(
    graph: Graph,
    core: str,
    features: frozenset[str],
    backend: str | Sequence[str],
    schedules: Mapping[str, Schedule],
    optimize: str,
    forced: Mapping[int, Choice],
) -> tuple[Step, ...]:
    priced = core_of(core, features)
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
        rejected = [
            (note.form, note.reason)
            for note in graph.missed
            if note.origin == node.origin and isinstance(node.op, note.op)
        ]
        schedule: Schedule | None = None
        if choice := forced.get(index):
            if reason := why_not(node, choice, features):
                raise CompileError("E306", node.origin, f"cannot be as it is forced to: {reason}")
            kernel, schedule, binding = kernel_of(node, choice), choice.schedule, None
        else:
            by_tvm = (backend if isinstance(backend, str) else backend[index]) == "tvm"
            kernel, binding = _chosen(node, features, by_tvm, optimize, priced, rejected)
            if kernel.schedules is not None:
                schedule = _schedule(node, kernel, core, schedules)
        if schedule is not None and kernel.scheduled is not None:
            binding = kernel.scheduled(node, schedule)
        elif binding is None:
            binding = kernel.bind(node)
        binding = replace(binding, constants=tuple(shared(c) for c in binding.constants))
        name = _layer_name(node)
        symbol = f"{graph.name}_{index}_{name}"
        steps.append(
            Step(
                index, node, kernel, binding, tuple(rejected), name, symbol, schedule=schedule
            )
        )  # fmt: skip
    return tuple(steps)


def _chosen(
    node: Node,
    features: frozenset[str],
    by_tvm: bool,
    optimize: str,
    core: str,
    rejected: list[tuple[str, str]],
) -> tuple[Kernel, Binding | None]:
    """The first kernel that the core, the node and what is optimized allow, or one of those behind
    it that costs less by the prices of ``core``, and its binding, if it is known; those before the
    first are added to ``rejected``."""
    tvm = tvm_kernels_of(type(node.op))
    if by_tvm and not tvm:
        rejected.append(("tvm", f"{type(node.op).__name__} has no TIR form"))
    allowed: list[Kernel] = []
    for kernel in (*(tvm if by_tvm else ()), *kernels_of(type(node.op))):
        if optimize not in kernel.aims:
            continue
        reason = _refusal(kernel, node, features)
        if reason is None:
            allowed.append(kernel)
        elif not allowed and not kernel.special:
            rejected.append((kernel.name, reason))
    if allowed:
        return quicker(node, allowed, core, optimize)
    raise CompileError(
        "E306", node.origin,
        "no kernel computes it: " + "; ".join(f"{n}: {r}" for n, r in rejected),
        "use int8 or float32 types as docs/operators.md lists them",
    )  # fmt: skip


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
