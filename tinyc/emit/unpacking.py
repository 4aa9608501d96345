"""The functions of layers whose constants are packed. What unpacks them is shared with the body: a
layer's own function names the body and what is unpacked."""

from __future__ import annotations

from collections.abc import Mapping

from ..kernels.base import Constant, Packing
from ..plan import Step
from .layers import SCRATCH, rendered, signature
from .names import CTYPES, Field
from .render import render


def body(step: Step, name: str) -> str:
    """What layers share: the numbers in which they differ, the kernel, what unpacks for it."""
    packing = _packing(step)
    fields = {n: Field(member, unit) for n, (member, unit) in packing.fields.items()}
    struct = f"struct {name}_numbers"
    layer = f"const {struct} *layer" if fields else "const uint8_t *layer"
    places = {n: str(fields.get(n, at)) for n, at in packing.places.items()}
    arrays = {
        a.suffix: f"TINYC_UNPACKED({CTYPES[a.dtype]}, layer, {places[f'{a.suffix}_at']})"
        for a in packing.arrays
    }
    others = step.binding.constants[1:]
    arrays |= {c.suffix: c.suffix for c in others}
    given = [f"const {CTYPES[c.data.dtype.name]} *{c.suffix}" for c in others]
    more = {**fields, "more": "".join(f", {parameter}" for parameter in (layer, *given))}
    parameters, names = signature(step)
    return render(
        "unpacking.c",
        fn=name,
        ctype=_ctype(step),
        unpack=packing.unpack,
        struct=struct if fields else "",
        members=[f"{CTYPES[packing.dtype]} {n};" for n in packing.members],
        kernel=rendered(step, name, arrays, more),
        parameters=[*parameters, SCRATCH, f"const {_ctype(step)} *packed", *given],
        names=names,
        scratch=places.get("scratch_at"),
        others=[c.suffix for c in others],
    ).strip()


def call(step: Step, body: str, symbols: Mapping[Constant, str]) -> str:
    """The function of one layer of a body."""
    packing, (packed, *others) = _packing(step), step.binding.constants
    parameters, names = signature(step)
    return render(
        "unpacked.c",
        fn=step.symbol,
        body=body,
        parameters=[*parameters, SCRATCH],
        names=[*names, "scratch"],
        ctype=_ctype(step),
        packing=packing,
        packed=symbols[packed],
        others=[symbols[c] for c in others],
    ).strip()


def _ctype(step: Step) -> str:
    """Of what is unpacked."""
    return CTYPES[step.binding.constants[0].data.dtype.name]


def _packing(step: Step) -> Packing:
    found = step.binding.packing
    assert found is not None
    return found
