"""The page of the techniques: what each takes, and what it has brought where it was measured."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..compress.keras.base import Technique, techniques
from .table import RECIPE, Network, Row, measured, table

_INTRODUCTION = """\
# Compression: techniques, and what they bring

Made by `make docs`. [Smaller networks](compress.md) is the guide. A chain is techniques with commas
between them, `NAME[:VALUE][:KEY=VALUE]...`: the first parameter is the value (`prune:0.7`), the
others have names (`prune:0.7:begin=0.3`), and where a technique has `layers`, a layer's name says
its own value (`bits:4:conv2d_1=8`).

"""
_MEASURED = """\
## What they bring

Measured by `python -m tinyc.search.table`, which trains and measures each line anew that is not in
`tinyc/search/measured.json`; with the data of MLPerf Tiny and CIFAR-10 in the folder that
`TINYC_DATA` names. The ratio is that of the bytes of the linked firmware for a Cortex-M4 to those
of the network as int8, the speed-ups are those of modelled cycles at zero wait states, and the
change of accuracy, in points, is that of the generated C on all samples held out, which the
emulated core equals. A speed-up under 1 is slower. Where a technique does not pay on a
microcontroller, that is its line. The large network trains for one epoch a line, which tells lines
apart, not what more training wins back: [the guide](compress.md) has some that trained longer.
"""


def page() -> str:
    """docs/compression.md."""
    parts = [_INTRODUCTION, *_tables(), "## Techniques\n"]
    parts += [_technique(found) for found in techniques().values()]
    return "\n".join(parts)


def _technique(found: Technique[Any]) -> str:
    told = inspect.getdoc(found.params) or ""
    fields = ", ".join(
        f"`{name}` [{field.default}]"
        for name, field in found.params.model_fields.items()
        if name != "layers"
    )
    classes = {True: "needs classes", False: "needs no classes"}
    needs = [
        "trains" if found.trains else "trains nothing",
        "may need classes" if callable(found.labels) else classes[found.labels],
    ]
    more = f" Parameters: {fields}." if fields else ""
    return (
        f"### {found.name}\n\n{found.help[:1].upper()}{found.help[1:]}; {' and '.join(needs)}."
        + (f"{more}\n\n{_plain(told)}\n" if fields else "\n")
    )


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def _tables() -> Iterator[str]:
    wanted, known = table(), measured()
    if not known:
        return
    yield _MEASURED
    for name, network in wanted.networks.items():
        rows = known.get(name, {})
        if "int8" not in rows:
            continue
        yield f"### {network.title}\n"
        yield _facts(name, network, rows["int8"])
        listed = [row for row in wanted.rows if name in row.on and row.chain in rows]
        yield _table(listed, rows)


def _facts(name: str, network: Network, base: Mapping[str, Any]) -> str:
    m4, m0 = base["m4"], base["m0plus"]
    right = f", accuracy {m4['accuracy']:.2%}" if m4["accuracy"] is not None else ""
    trained = (
        f" Each line that trains does so for {network.epochs:g} epoch{'s' * (network.epochs != 1)}"
    )
    trained += f", after `{network.first}`." if network.first else "."
    return (
        f"As int8: {m4['flash_bytes']:,} bytes of flash, {m4['cycles']:,} cycles on Cortex-M4, "
        f"{m0['cycles']:,} on Cortex-M0+{right}.{trained if network.epochs else ''} "
        f"`python -m tinyc.search.table {name}`\n"
    )


def _table(listed: Sequence[Row], rows: Mapping[str, Mapping[str, Any]]) -> str:
    base = rows["int8"]
    lines = [
        "| technique | `--with` | flash | accuracy | M4 | M0+ | hardware | use it when |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in listed:
        found = rows[row.chain]
        flash = found["m4"]["flash_bytes"] / base["m4"]["flash_bytes"]
        quicker = [base[core]["cycles"] / found[core]["cycles"] for core in ("m4", "m0plus")]
        change = ""
        if found["m4"]["accuracy"] is not None and base["m4"]["accuracy"] is not None:
            change = f"{100 * (found['m4']['accuracy'] - base['m4']['accuracy']):+.2f}"
        chain = (
            f"`tinyc train {row.chain.removeprefix(RECIPE)}`"
            if row.chain.startswith(RECIPE)
            else f"`{row.chain}`"
        )
        lines.append(
            f"| {row.title} | {chain} | {flash:.2f}x | {change} | {quicker[0]:.2f}x | "
            f"{quicker[1]:.2f}x | {row.hardware} | {row.when} |"
        )
    return "\n".join(lines) + "\n"
