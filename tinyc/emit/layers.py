"""The function of a layer: what it is given, and its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..plan import Step
from .render import render

SCRATCH = "uint8_t *scratch"
STRIP = "const struct tinyc_strip *strip"


def signature(step: Step) -> tuple[list[str], list[str]]:
    """The parameters for what a step reads and the one thing that it makes, and their names."""
    ins, (out,) = step.node.variable_inputs, step.node.outputs
    names = ["in"] if len(ins) == 1 else [f"in{i}" for i in range(len(ins))]
    parameters = [f"const {v.type.dtype.c} *{n}" for v, n in zip(ins, names, strict=True)]
    return [*parameters, f"{out.type.dtype.c} *out"], [*names, "out"]


def takes_strips(step: Step) -> bool:
    """Whether a step's function is told which part of its output it makes."""
    return step.part in ("strip", "sum")


def rendered(step: Step, name: str, arrays: Mapping[str, str], more: Mapping[str, Any]) -> str:
    """The function ``name`` of a step's template. arrays: what the template reads, by suffix; more:
    what it is told in the place of parameters, and ``more``, with which its arguments end."""
    assert "more" not in step.binding.params, f"{step.kernel.name}: `more` ends the arguments"
    template = f"kernels/{step.kernel.template.removesuffix('.j2')}"
    values = {
        "fn": name,
        "c": arrays,
        "strip": takes_strips(step),
        "sized": any(name in more for name in step.kernel.sized),
        **step.binding.params,
        **more,
    }
    return render(template, **values).strip()
