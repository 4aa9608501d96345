"""Chains of layers that go by rows, as C (see ``firmware/kernels/tinyc_rows.h``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir import Value
from ..plan import Chain, Plan, Step
from ..plan.rows import height, row_bytes
from .layers import takes_strips

ROWS = "tinyc_rows.h"
"""The file of ``firmware/kernels/`` that chains are made with."""


def chain_symbol(plan: Plan, chain: Chain) -> str:
    """The function in which its layers take turns."""
    return f"{plan.prefix}_rows_{chain.first}_{chain.last}"


def described(step: Step) -> str:
    """A step in a caption: what it makes of what."""
    values = (step.node.variable_inputs, step.node.outputs)
    moved = " -> ".join(", ".join(str(v.type) for v in group) for group in values)
    macs = f" | {step.macs} MAC" if step.macs else ""
    return f"{step.index}  {step.name}  {moved}{macs}"


def chained(plan: Plan) -> list[dict[str, Any]]:
    """What ``chain.c.j2`` prints of each chain."""
    return [_chain(plan, chain) for chain in plan.chains]


def _chain(plan: Plan, chain: Chain) -> dict[str, Any]:
    steps = {stage.step.index: stage.step for stage in chain.stages}
    made = {step.node.output: f"made_{index}" for index, step in steps.items()}
    read = [value for value in chain.readers if value not in made and value is not chain.fed]
    names = {**{value: f"read_{i}" for i, value in enumerate(read)}, **made}
    if chain.fed is not None:
        names = {chain.fed: "fed", **names}
    ends = [v for v in made if v not in chain.rings or not chain.readers[v]]
    unfinished = " || ".join(f"{names[v]}.end < {names[v]}.height" for v in ends)
    return {
        "symbol": chain_symbol(plan, chain),
        **_fed(plan, chain, names, unfinished),
        "first": chain.first,
        "last": chain.last,
        "most": chain.most,
        "images": [_image(plan, chain, value, name) for value, name in names.items()],
        "unfinished": unfinished,
        "reaches": [
            {"name": f"reach_{s.step.index}", "reach": s.reach}
            for s in chain.stages
            if s.part != "sum"
        ],
        "sums": [s.step.index for s in chain.stages if s.part == "sum"],
        "branches": any(len(chain.readers[v]) > 1 for v in chain.rings),
        "layers": [_layer(plan, chain, i, names) for i in range(len(chain.stages))],
    }


def _fed(plan: Plan, chain: Chain, names: Mapping[Value, str], unfinished: str) -> dict[str, Any]:
    """What a chain that is fed has besides: where it keeps which rows there are, and when there is
    a turn."""
    first = chain.stages[0]
    if chain.fed is None:
        return {"fed": False}
    index, most = first.step.index, chain.most
    if first.part == "sum":
        has_turn = f"fed.end < fed.height ? fed.end - taken_{index} >= {most} : {unfinished}"
    else:
        args = f"&fed, &{names[first.output]}, &reach_{index}, {most}, {unfinished}"
        has_turn = f"tinyc_has_turn({args})"
    return {"fed": True, "counted": plan.counted, "has_turn": has_turn}


def _image(plan: Plan, chain: Chain, value: Value, name: str) -> dict[str, Any]:
    rows = height(value)
    ring = chain.rings.get(value)
    held = f"{ring.rows} of {rows} rows" if ring else f"all {rows} rows"
    given = value is not chain.fed and all(stage.output is not value for stage in chain.stages)
    return {
        "name": name,
        "offset": plan.parked.get(value, plan.offsets[value]),
        "bytes": row_bytes(value),
        "height": rows,
        "end": rows if given else 0,
        "caption": f"{value.type}, {held}",
    }


def _layer(plan: Plan, chain: Chain, index: int, names: Mapping[Value, str]) -> dict[str, Any]:
    stage = chain.stages[index]
    step = plan.steps[stage.step.index]
    ins, output = step.node.variable_inputs, step.node.output
    out = names[output]
    args = [_first_row(stage.part, names[v], out) for v in ins]
    args.append(f"tinyc_next_row(&{out})")
    if step.binding.scratch:
        args.append(f"a + {step.scratch_offset}")
    if takes_strips(step):
        args.append("&strip")
    return {
        "index": step.index,
        "caption": described(step),
        "part": stage.part,
        "symbol": step.symbol,
        "ins": [names[v] for v in ins],
        "out": out,
        "args": args,
        "fetched": [
            {"name": names[v], "to": plan.offsets[v]} for v in (output, *ins) if v in plan.parked
        ],
        "gone": [
            {
                "image": names[v],
                "needed": _needed(chain, v, names),
                "to": plan.parked.get(v),
            }
            for v in ins
            if v in chain.rings and chain.readers[v][-1] is stage
        ],
    }


def _first_row(part: str, image: str, out: str) -> str:
    """Where a layer's input begins."""
    if part == "row":
        return f"tinyc_row_of(&{image}, {out}.end)"
    return f"tinyc_strip_in(&{image}, &strip)"


def _needed(chain: Chain, value: Value, names: Mapping[Value, str]) -> list[str]:
    """The first row of an image that each of those who read it still reads."""
    image = names[value]
    return [
        f"taken_{s.step.index}"
        if s.part == "sum"
        else f"tinyc_first_seen(&{image}, {names[s.output]}.end, &reach_{s.step.index})"
        for s in chain.readers[value]
    ]
