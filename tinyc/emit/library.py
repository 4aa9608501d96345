"""Emit: Plan -> C99 text through jinja2. Pure: no disk is written, same plan, same bytes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..files.paths import resource
from ..ir import Value
from ..ir.ports import Port, input_ports
from ..kernels.base import Constant
from ..plan import ALIGN, Plan, Step
from ..plan.heads import heads

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
    """A file of kernels without its guard and its lines that include others of them: the generated
    file has those before it."""
    text = (resource("firmware") / "kernels" / name).read_text()
    text = re.sub(r'^#include "tinyc_\w+\.h"\n', "", text, flags=re.MULTILINE)
    text = re.sub(r"^#ifndef (TINYC_\w+_H)\n#define \1\n(.*)#endif\n\Z", r"\2", text,
                  flags=re.MULTILINE | re.DOTALL)  # fmt: skip
    return text.strip()


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
    arrays, stored = _stored(plan)
    copies = []
    for index, value in enumerate(dict.fromkeys(graph.outputs)):
        if value.data is not None:
            name = f"{prefix}_output_{index}_constant"
            constant = Constant("constant", value.data, f"output {value.type}, a constant")
            arrays.append(_named_array(name, constant))
            copies.append(_copy("an output that does not depend on the input", plan, value, name))
    for index, (exit, entry) in enumerate(plan.carries):
        name = f"a + {plan.offsets[exit]}" if exit.data is None else f"{prefix}_kept_{index}"
        if exit.data is not None:
            arrays.append(_named_array(name, Constant("kept", exit.data, f"state {exit.type}")))
        copies.append(_copy(f"state '{comment(entry.name)}' for the next run", plan, entry, name))
    resets = []
    for index, state in enumerate(graph.states):
        entry = state.entry
        caption = f"{entry.type} '{comment(entry.name)}'"
        byte = _only_byte(state.initial)
        name = f"{prefix}_state_{index}"
        if byte is None:
            constant = Constant("state", state.initial, f"state {entry.type} at the start")
            arrays.append(_named_array(name, constant))
        resets.append({**_copy(caption, plan, entry, name), "byte": byte})
    header = env.get_template("model.h.j2").render(
        **common,
        summary=", ".join(
            [*(f"in {v.type}" for v in graph.inputs), *(f"out {v.type}" for v in graph.outputs)]
        ),
        arena_bytes=plan.arena_bytes,
        align=ALIGN,
        inputs=[_port(plan, "input", port) for port in input_ports(graph)],
        outputs=[_port(plan, "output", h.port) | {"threshold": h.least} for h in heads(graph)],
        states=len(resets),
    )
    parts = [_support_text(name) for name in support]
    layers = [_layer(step, stored) for step in plan.steps]
    code = env.get_template("model.c.j2").render(
        **common,
        floats=any(re.search(r"\bfloat\b", text) for text in (*parts, *layers)),
        support=parts,
        declarations=[a["declaration"] for a in arrays],
        layers=layers,
        calls=[_call(plan, step) for step in plan.steps],
        copies=copies,
        resets=resets,
    )
    weights = env.get_template("weights.c.j2").render(**common, arrays=arrays)
    return {
        f"include/{prefix}.h": header,
        f"src/{prefix}.c": code,
        f"src/{prefix}_weights.c": weights,
    }


def _copy(caption: str, plan: Plan, value: Value, source: str) -> dict[str, Any]:
    """Bytes that go from ``source`` to where ``value`` lies."""
    to, bytes = plan.offsets[value], value.type.bytes
    return {"caption": caption, "to": to, "source": source, "bytes": bytes}


def _only_byte(data: np.ndarray) -> int | None:
    """The byte that all of an array's bytes are; None if there are several."""
    found = np.unique(np.frombuffer(data.tobytes(), np.uint8))
    return int(found[0]) if len(found) == 1 else None


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


def _layer(step: Step, stored: Mapping[Constant, str]) -> str:
    """stored: the symbol of each array, see `_stored`."""
    context = {
        "fn": step.symbol,
        "c": {constant.suffix: stored[constant] for constant in step.binding.constants},
        **step.binding.params,
    }
    return environment().get_template(f"kernels/{step.kernel.template}").render(context).strip()


def _call(plan: Plan, step: Step) -> dict[str, Any]:
    ins, outs = step.node.variable_inputs, step.node.outputs
    args = [_pointer("const ", plan, v) for v in ins] + [_pointer("", plan, v) for v in outs]
    if step.binding.scratch:
        args.append(f"a + {step.scratch_offset}")
    shapes = (", ".join(str(v.type) for v in values) for values in (ins, outs))
    places = (", ".join(f"@{plan.offsets[v]}" for v in values) for values in (ins, outs))
    moved, lying = " -> ".join(shapes), ", out ".join(places)
    macs = f" | {step.macs} MAC" if step.macs else ""
    caption = f"{step.index}  {step.name}  {moved}{macs} | in {lying}"
    return {"caption": caption, "symbol": step.symbol, "args": args}


def _pointer(const: str, plan: Plan, value: Value) -> str:
    return f"({const}{value.type.dtype.c} *)({const}void *)(a + {plan.offsets[value]})"


def _stored(plan: Plan) -> tuple[list[dict[str, str]], dict[Constant, str]]:
    """The arrays of all layers, equal ones once; and the symbol of each constant's."""
    arrays, names = [], {}
    known: dict[tuple[str, bytes], str] = {}
    for step in plan.steps:
        for constant in step.binding.constants:
            name = f"{step.symbol}_{constant.suffix}"
            names[constant] = known.setdefault(constant.contents, name)
            if names[constant] == name:
                arrays.append(_named_array(name, constant))
    return arrays, names


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
