"""Emit: Plan -> C99 text through jinja2. Pure: no disk is written, same plan, same bytes."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..heads import heads
from ..op import Constant
from ..paths import resource
from ..plan import ALIGN, Plan, Step
from ..ports import Port, input_ports

if TYPE_CHECKING:
    import jinja2

_CTYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t",
    "int32": "int32_t", "uint32": "uint32_t", "int64": "int64_t", "float32": "float",
    "bool": "uint8_t",
}  # fmt: skip


def f32(value: float) -> str:
    """The shortest C literal that is exactly this float32."""
    number = np.float32(value)
    if np.isnan(number):
        return "(0.0f / 0.0f)"
    if np.isinf(number):
        return "(1.0f / 0.0f)" if number > 0 else "(-1.0f / 0.0f)"
    text = np.format_float_positional(number, unique=True, trim="0")
    if len(text) > 24:
        text = np.format_float_scientific(number, unique=True, trim="0")
    return f"{text}f"


def comment(text: str, limit: int = 60) -> str:
    """Text from a model, safe inside a C comment: printable ASCII without ``*/``, ``/*``, ``??``
    or a backslash, on one line."""
    text = re.sub(r"[^ -~]", "?", text).replace("\\", "?")
    text = text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
    text = text if len(text) <= limit else f"{text[: limit - 3]}..."
    return text.rstrip("?/*") if text.endswith(("?", "/", "*")) else text


@cache
def environment() -> jinja2.Environment:
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    env.filters["f32"] = f32
    return env


@cache
def _support_text(name: str) -> str:
    return (resource("firmware") / "kernels" / name).read_text().rstrip()


def emit(plan: Plan) -> dict[str, str]:
    """The generated library: ``{"include/<model>.h", "src/<model>.c", "src/<model>_weights.c"}``
    and their text."""
    graph, prefix = plan.graph, plan.prefix
    env = environment()
    common = {
        "prefix": prefix,
        "PREFIX": prefix.upper(),
        "version": __version__,
        "sha256": graph.sha256 or "(none: built from a graph in memory)",
        "core": plan.core,
    }
    support = list(dict.fromkeys(name for s in plan.steps for name in s.binding.support))
    arrays = [_array(step, constant) for step in plan.steps for constant in step.binding.constants]
    copies = []
    for value in graph.outputs:
        if value.data is not None:
            name = f"{prefix}_output_{graph.outputs.index(value)}_constant"
            constant = Constant("constant", value.data, f"output {value.type}, a constant")
            arrays.append(_named_array(name, constant))
            copies.append(
                {
                    "caption": "an output that does not depend on the input",
                    "to": plan.offsets[value], "source": name, "bytes": value.type.bytes,
                }
            )  # fmt: skip
    header = env.get_template("model.h.j2").render(
        **common,
        summary=", ".join(
            [*(f"in {v.type}" for v in graph.inputs), *(f"out {v.type}" for v in graph.outputs)]
        ),
        arena_bytes=plan.arena_bytes,
        align=ALIGN,
        inputs=[_port(plan, "input", port) for port in input_ports(graph)],
        outputs=[_port(plan, "output", h.port) | {"threshold": h.least} for h in heads(graph)],
    )
    parts = [_support_text(name) for name in support]
    layers = [_layer(step) for step in plan.steps]
    code = env.get_template("model.c.j2").render(
        **common,
        floats=any(re.search(r"\bfloat\b", text) for text in (*parts, *layers)),
        support=parts,
        declarations=[a["declaration"] for a in arrays],
        layers=layers,
        calls=[_call(plan, step) for step in plan.steps],
        copies=copies,
    )
    weights = env.get_template("weights.c.j2").render(**common, arrays=arrays)
    return {
        f"include/{prefix}.h": header,
        f"src/{prefix}.c": code,
        f"src/{prefix}_weights.c": weights,
    }


def _port(plan: Plan, role: str, port: Port) -> dict[str, Any]:
    value, index = port.value, port.index
    per_tensor = value.type.quant is not None and not value.type.quant.per_channel
    return {
        "role": role,
        "index": index,
        "name": comment(port.name),
        "caption": f"'{comment(port.name)}', {value.type}",
        "macro": f"{plan.prefix.upper()}_{role.upper()}_{index}",
        "function": f"{plan.prefix}_{role}_{index}",
        "alias": f"{plan.prefix}_{role}_{port.identifier}",
        "ctype": value.type.dtype.c,
        "bytes": value.type.bytes,
        "elements": value.type.elements,
        "shape": value.type.shape or (1,),
        "scale": value.type.scale if per_tensor else 1.0,
        "zero_point": value.type.zero_point if per_tensor else 0,
        "offset": plan.offsets[value],
    }


def _layer(step: Step) -> str:
    context = {
        "fn": step.symbol,
        "c": {k.suffix: f"{step.symbol}_{k.suffix}" for k in step.binding.constants},
        **step.binding.params,
    }
    return environment().get_template(f"kernels/{step.kernel.template}").render(context).strip()


def _call(plan: Plan, step: Step) -> dict[str, Any]:
    node = step.node
    args = [
        f"({'const ' if i < len(node.variable_inputs) else ''}{v.type.dtype.c} *)"
        f"({'const ' if i < len(node.variable_inputs) else ''}void *)(a + {plan.offsets[v]})"
        for i, v in enumerate([*node.variable_inputs, *node.outputs])
    ]
    if step.binding.scratch:
        args.append(f"a + {step.scratch_offset}")
    ins = ", ".join(str(v.type) for v in node.variable_inputs)
    outs = ", ".join(str(v.type) for v in node.outputs)
    place_in = ", ".join(f"@{plan.offsets[v]}" for v in node.variable_inputs)
    place_out = ", ".join(f"@{plan.offsets[v]}" for v in node.outputs)
    macs = f" | {step.macs} MAC" if step.macs else ""
    caption = f"{step.index}  {step.name}  {ins} -> {outs}{macs} | in {place_in}, out {place_out}"
    return {"caption": caption, "symbol": step.symbol, "args": args}


def _array(step: Step, constant: Constant) -> dict[str, str]:
    return _named_array(f"{step.symbol}_{constant.suffix}", constant)


def _named_array(name: str, constant: Constant) -> dict[str, str]:
    data = np.ascontiguousarray(constant.data)
    ctype = _CTYPES[data.dtype.name]
    aligned = " __attribute__((aligned(4)))" if data.dtype.itemsize < 4 else ""
    return {
        "declaration": f"const {ctype} {name}[{data.size}]{aligned}",
        "note": constant.note,
        "text": _numbers(data),
    }


def _numbers(data: np.ndarray) -> str:
    if data.dtype == np.float32:
        items = [f32(x) for x in data.ravel()]
    elif data.dtype == np.int32:
        items = ["INT32_MIN" if x == -(1 << 31) else str(x) for x in data.ravel().tolist()]
    elif data.dtype == np.int64:
        items = ["INT64_MIN" if x == -(1 << 63) else f"{x}LL" for x in data.ravel().tolist()]
    else:
        items = list(map(str, data.ravel().astype(np.int64).tolist()))
    if not items:
        return "    0"
    width = max(map(len, items))
    per_line = max(1, 96 // (width + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return textwrap.indent(",\n".join(lines), "    ")
