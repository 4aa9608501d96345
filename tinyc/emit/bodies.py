"""The functions of the layers. Layers that differ in nothing but arrays and some numbers share one
body, which is given both; each keeps a function of its own, so that debuggers and profilers can
name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..kernels.base import Constant, Unpacked
from ..plan import Step
from .names import CTYPES, literal
from .render import render


@dataclass(frozen=True, eq=False)
class _Field:
    """A member of what a shared body is given, in the place of a number that a template prints.
    Whatever else a template does with it (a test, a sum) is an error: the number must then not be
    in `Kernel.varying`."""

    name: str

    def __str__(self) -> str:
        return f"layer->{self.name}"

    def __eq__(self, other: object) -> bool:
        raise TypeError(f"a template compares {self.name}, in which layers may differ")

    def __bool__(self) -> bool:
        raise TypeError(f"a template tests {self.name}, in which layers may differ")

    __hash__ = None  # type: ignore[assignment] # neither does it look it up


def functions(steps: Sequence[Step], symbols: Mapping[Constant, str], prefix: str) -> list[str]:
    """The C of each step, that of a shared body before the first that calls it.

    symbols: of the array of each constant; prefix: of every symbol.
    """
    alike: dict[tuple[object, ...], list[Step]] = {}
    for step in steps:
        alike.setdefault(_shape(step), []).append(step)
    found: dict[Step, str] = {}
    shared = [g for g in alike.values() if len(g) > 1 or g[0].binding.packing is not None]
    for number, group in enumerate(shared):
        body = f"{prefix}_{group[0].kernel.name}_{number}"
        fields = _fields(group)
        for step in group:
            found[step] = _call(step, body, fields, symbols)
        found[group[0]] = f"{_body(group[0], body, fields)}\n\n{found[group[0]]}"
    return [found[step] if step in found else _own(step, symbols) for step in steps]


def _shape(step: Step) -> tuple[object, ...]:
    """What steps with the same body have in common; no two have it in kernels that share none."""
    kernel = step.kernel
    if kernel.varying is None:
        return (step,)
    numbers: dict[str, object] = {name: type(step.binding.params[name]) for name in _varying(step)}
    body = _body(step, "body", tuple(numbers))
    return kernel.name, body, tuple(_arrays(step)), tuple(numbers.items())


def _arrays(step: Step) -> list[tuple[str, str]]:
    """Suffix and element type, as numpy calls it, of each array that the template reads."""
    packing, constants = step.binding.packing, step.binding.constants
    unpacked = [] if packing is None else [(a.suffix, a.dtype) for a in packing.arrays]
    others = constants if packing is None else constants[1:]
    return unpacked + [(c.suffix, c.data.dtype.name) for c in others]


def _varying(step: Step) -> tuple[str, ...]:
    return tuple(name for name in step.kernel.varying or () if name in step.binding.params)


def _fields(group: Sequence[Step]) -> tuple[str, ...]:
    """The numbers in which the steps differ."""
    return tuple(
        name
        for name in _varying(group[0])
        if len({step.binding.params[name] for step in group}) > 1
    )


def _own(step: Step, symbols: Mapping[Constant, str]) -> str:
    arrays = {c.suffix: symbols[c] for c in step.binding.constants}
    return _rendered(step, step.symbol, arrays, {})


def _body(step: Step, name: str, fields: Sequence[str]) -> str:
    """The shared function. fields: names of the numbers that come with ``layer``."""
    arrays = {suffix: str(_Field(suffix)) for suffix, _ in _arrays(step)}
    members = [f"const {CTYPES[dtype]} *{suffix};" for suffix, dtype in _arrays(step)]
    for field in fields:
        ctype = "float" if isinstance(step.binding.params[field], float) else "int32_t"
        members.append(f"{ctype} {field};")
    struct = "\n".join([f"struct {name} {{", *(f"    {m}" for m in members), "};"])
    more = f"{_strip(step)}, const struct {name} *layer"
    text = _rendered(step, name, arrays, {f: _Field(f) for f in fields} | {"more": more})
    return f"{struct}\n\n{text}"


def _call(step: Step, body: str, fields: Sequence[str], symbols: Mapping[Constant, str]) -> str:
    """The function of one layer of a body."""
    packing, constants = step.binding.packing, step.binding.constants
    members = [] if packing is None else [f".{a.suffix} = {_unpacked(a)}," for a in packing.arrays]
    others = constants if packing is None else constants[1:]
    members += [f".{c.suffix} = {symbols[c]}," for c in others]
    members += [f".{field} = {literal(step.binding.params[field])}," for field in fields]
    ins, outs = step.node.variable_inputs, step.node.outputs
    names = ["in"] if len(ins) == 1 else [f"in{i}" for i in range(len(ins))]
    parameters = [f"const {v.type.dtype.c} *{n}" for v, n in zip(ins, names, strict=True)]
    (out,) = outs
    parameters.append(f"{out.type.dtype.c} *out")
    names.append("out")
    if step.binding.scratch:
        parameters.append("uint8_t *scratch")
    if step.binding.scratch if packing is None else packing.scratch:
        names.append("scratch")
    if takes_strips(step):
        parameters.append(STRIP)
        names.append("strip")
    return render(
        "layer.c",
        fn=step.symbol,
        body=body,
        parameters=parameters,
        members=members,
        names=names,
        packing=packing,
        packed=symbols[constants[0]] if packing is not None else "",
    ).strip()


STRIP = "const struct tinyc_strip *strip"


def takes_strips(step: Step) -> bool:
    """Whether a step's function is told which part of its output it makes."""
    return step.part in ("strip", "sum")


def _strip(step: Step) -> str:
    """What its arguments end with then."""
    return f", {STRIP}" if takes_strips(step) else ""


def _unpacked(array: Unpacked) -> str:
    """Where a layer's function unpacks an array to."""
    ctype = CTYPES[array.dtype]
    return f"(const {ctype} *)(const void *)(scratch + {array.offset})"


def _rendered(step: Step, name: str, arrays: Mapping[str, str], more: Mapping[str, Any]) -> str:
    template = f"kernels/{step.kernel.template.removesuffix('.j2')}"
    values = {
        "fn": name,
        "c": arrays,
        "strip": takes_strips(step),
        "more": _strip(step),
        **step.binding.params,
        **more,
    }
    return render(template, **values).strip()
