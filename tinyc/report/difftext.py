"""What `tinyc diff` found, as tables and as Markdown for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import printable
from .diff import BUDGETS, changed, number
from .facts import Report
from .markdown import markdown_table
from .verdicts import Verdict


def diff_sides(result: Report) -> list[list[str]]:
    """What is compared, and where the numbers are from, as (what, value)."""
    found = [[key, _described(result[key])] for key in ("before", "after")]
    side = result["after"]
    if side["cycles_source"]:
        found.append(["cycles", side["cycles_source"].removeprefix("cycles ").strip("()")])
    if side["emulator"]:
        found.append(["instructions", f"of one inference, executed ({side['emulator']})"])
    return found


def _described(side: Report) -> str:
    facts = f"{side['model']} on {side['board']}"
    return f"{printable(side['name'])}: {facts}" + (
        f" ({side['toolchain']})" if side["toolchain"] else ""
    )


def diff_totals(result: Report) -> tuple[list[str], list[list[str]]]:
    """A heading, and a row of each total that a side knows."""
    table = [
        [
            total["name"],
            number(total["name"], total["before"]),
            number(total["name"], total["after"]),
            changed(total),
            total.get("incomparable", ""),
        ]
        for total in result["totals"]
        if total["before"] is not None or total["after"] is not None
    ]
    heading = ["total", "before", "after", "change", "does not compare"]
    return _without_empty(heading, table)


def diff_gist(result: Report) -> list[str]:
    """What has become of each total that one limit for all is for, in a few words."""
    return [
        f"{total['name']} {changed(total)}"
        for total in result["totals"]
        if total["name"] in BUDGETS and total["change"] is not None
    ]


def diff_layers(result: Report) -> tuple[list[str], list[list[str]]]:
    """A heading, and a row of each layer whose costs are others, largest growth first."""
    table = []
    for layer in _changed(result):
        before, after = layer["before"] or {}, layer["after"] or {}
        percent = layer["cycles_percent"]
        table.append(
            [
                _called(layer),
                (after or before)["op"],
                layer["state"],
                _count(before.get("cycles")),
                _count(after.get("cycles")),
                _signed(layer["cycles_change"]),
                "" if percent is None or layer["state"] != "changed" else f"{percent:+.2f}%",
                _signed(layer["constant_bytes_change"]),
            ]
        )
    heading = ["layer", "op", "state", "cycles before", "cycles after", "cycles", "percent",
               "constants"]  # fmt: skip
    return _without_empty(heading, table)


def diff_kernels(result: Report) -> tuple[list[str], list[list[str]]]:
    """A heading, and a row of each layer that has another kernel, or for which a faster one is not
    taken for a reason that is new."""
    table = []
    for layer in _changed(result):
        before, after = layer["before"], layer["after"]
        if before is None or after is None:
            continue
        kernel = after["kernel"]
        if kernel != before["kernel"]:
            kernel = f"{kernel}, was {before['kernel']}"
        elif not layer["not_taken"]:
            continue
        reasons = [f"{r['kernel']}: {r['reason']}" for r in layer["not_taken"]]
        table.append([_called(layer), kernel, "; ".join(reasons)])
    return _without_empty(["layer", "kernel", "faster, but refused now"], table)


def diff_markdown(result: Report, checks: Sequence[Verdict] = ()) -> str:
    """A comment: the totals first, the layers folded. The first line, which is not shown, tells a
    comment from those of other builds."""
    after = result["after"]
    title = f"{after['model']} on {after['board']}"
    lines = [f"<!-- tinyc diff: {title} -->", f"### tinyc: {title}", ""]
    lines += markdown_table(*diff_totals(result))
    if checks:
        lines += ["", *(f"- **FAIL** {check.name}: {check.detail}" for check in checks
                        if check.error is not None)]  # fmt: skip
        if all(check.error is None for check in checks):
            lines.append(f"- pass: {', '.join(check.name for check in checks)}")
    if result["notes"]:
        lines += ["", *(f"- {_inert(note)}" for note in result["notes"])]
    moved, total = _changed(result), len(result["layers"])
    if total and not moved:
        lines += ["", f"All {total} layers are the same."]
    elif total:
        lines += ["", f"<details><summary>{len(moved)} of {total} layers differ</summary>", ""]
        for heading, table in (diff_layers(result), diff_kernels(result)):
            if table:
                lines += [*markdown_table(heading, table), ""]
        lines.append("</details>")
    sources = [f"{what}: {_inert(text)}" for what, text in diff_sides(result)]
    lines += ["", f"<sub>{'; '.join(sources)}</sub>"]
    return "\n".join(lines) + "\n"


def _inert(text: str) -> str:
    """``text`` that neither opens a tag nor calls anybody in a comment."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")


def _changed(result: Report) -> list[Report]:
    return [layer for layer in result["layers"] if layer["state"] != "same"]


def _called(layer: Report) -> str:
    names = [side["name"] for side in (layer["after"], layer["before"]) if side is not None]
    return ", was ".join(dict.fromkeys(names))


def _without_empty(
    heading: Sequence[str], table: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """The same without columns in which no row has anything."""
    kept = [i for i in range(len(heading)) if not table or any(row[i] for row in table)]
    return [heading[i] for i in kept], [[row[i] for i in kept] for row in table]


def _count(value: Any) -> str:
    return "" if value is None else f"{value:,}"


def _signed(value: Any) -> str:
    return "" if value is None else f"{value:+,}" if value else "0"
