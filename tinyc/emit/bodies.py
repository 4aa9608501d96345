"""The functions of the layers. Layers that differ in nothing but arrays and some numbers share one
body, which is given both; each keeps a function of its own, so that debuggers and profilers can
name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..kernels.base import Constant
from ..plan import Step
from . import unpacking
from .layers import SCRATCH, STRIP, rendered, signature, takes_strips
from .names import CTYPES, Field, literal
from .render import render


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
        if group[0].binding.packing is not None:
            text = unpacking.body(group[0], body)
            calls = [unpacking.call(step, body, symbols) for step in group]
        else:
            fields = _fields(group)
            text = _body(group[0], body, fields)
            calls = [_call(step, body, fields, symbols) for step in group]
        found |= zip(group, calls, strict=True)
        found[group[0]] = f"{text}\n\n{calls[0]}"
    return [found[step] if step in found else _own(step, symbols) for step in steps]


def _shape(step: Step) -> tuple[object, ...]:
    """What steps with the same body have in common; no two have it in kernels that share none."""
    kernel = step.kernel
    if step.binding.packing is not None:
        return (unpacking.body(step, "body"),)
    if kernel.varying is None:
        return (step,)
    numbers: dict[str, object] = {name: type(step.binding.params[name]) for name in _varying(step)}
    body = _body(step, "body", tuple(numbers))
    return kernel.name, body, tuple(_arrays(step)), tuple(numbers.items())


def _arrays(step: Step) -> list[tuple[str, str]]:
    """Suffix and element type, as numpy calls it, of each array that the template reads."""
    return [(c.suffix, c.data.dtype.name) for c in step.binding.constants]


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
    return rendered(step, step.symbol, arrays, {"more": _strip(step)})


def _body(step: Step, name: str, fields: Sequence[str]) -> str:
    """The shared function. fields: names of the numbers that come with ``layer``."""
    arrays = {suffix: str(Field(suffix)) for suffix, _ in _arrays(step)}
    members = [f"const {CTYPES[dtype]} *{suffix};" for suffix, dtype in _arrays(step)]
    for field in fields:
        ctype = "float" if isinstance(step.binding.params[field], float) else "int32_t"
        members.append(f"{ctype} {field};")
    struct = "\n".join([f"struct {name} {{", *(f"    {m}" for m in members), "};"])
    more = f"{_strip(step)}, const struct {name} *layer"
    text = rendered(step, name, arrays, {f: Field(f) for f in fields} | {"more": more})
    return f"{struct}\n\n{text}"


def _call(step: Step, body: str, fields: Sequence[str], symbols: Mapping[Constant, str]) -> str:
    """The function of one layer of a body."""
    members = [f".{c.suffix} = {symbols[c]}," for c in step.binding.constants]
    members += [f".{field} = {literal(step.binding.params[field])}," for field in fields]
    parameters, names = signature(step)
    if step.binding.scratch:
        parameters.append(SCRATCH)
        names.append("scratch")
    if takes_strips(step):
        parameters.append(STRIP)
        names.append("strip")
    return render(
        "layer.c", fn=step.symbol, body=body, parameters=parameters, members=members, names=names
    ).strip()


def _strip(step: Step) -> str:
    """What its arguments end with then."""
    return f", {STRIP}" if takes_strips(step) else ""
