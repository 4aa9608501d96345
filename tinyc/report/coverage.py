"""What became of a folder of models, see `tinyc.coverage`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import CompileError, kind_of
from .facts import Report
from .verdicts import Verdict


def coverage(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> Report:
    """The object of ``tinyc ops --check --json``. about: its first entries, see
    `tinyc.report.objects.Coverage`."""
    exact = [row for row in rows if row["exact"]]
    return {
        **about,
        "checked": len(rows),
        "build": sum(row["builds"] for row in rows),
        "exact": len(exact),
        "by_runtime": sum("runtime" in row for row in exact),
        "models": list(rows),
        "reasons": _reasons(rows),
    }


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The kinds of problems, those of most models first."""
    firsts: dict[tuple[str, ...], tuple[str, Mapping[str, Any]]] = {}
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        kinds: dict[tuple[str, ...], Mapping[str, Any]] = {}
        for facts in row["reasons"]:
            error = CompileError(facts["id"], facts["place"], facts["what"], facts["hint"])
            kinds.setdefault(kind_of(error), facts)
        for kind, facts in kinds.items():
            firsts.setdefault(kind, (row["model"], facts))
        counts.update(kinds.keys())
    return [
        {"id": facts["id"], "what": _told(facts), "models": counts[kind], "first": model}
        for kind, (model, facts) in sorted(firsts.items(), key=lambda item: -counts[item[0]])
    ]


def _told(facts: Mapping[str, Any]) -> str:
    """What is wrong, with the operator that it is about."""
    _, bracket, operator = facts["place"].rpartition("(")
    return f"{operator[:-1]}: {facts['what']}" if bracket else facts["what"]


def coverage_table(result: Report) -> tuple[list[str], list[list[str]]]:
    """A heading and a row of text for each model."""
    heading = ["model", "builds", "exact", "board", "flash", "RAM", "reason"]
    rows = []
    for row in result["models"]:
        more = f" (and {len(row['copies'])} like it)" if row["copies"] else ""
        exact = {True: "yes", False: "no", None: ""}[row["exact"]]
        board = (row["board"] or "none holds it") if "board" in row else ""
        sizes = [f"{row[key]:,}" if key in row else "" for key in ("flash_bytes", "ram_bytes")]
        why = "; ".join(f"{r['id']} {_told(r)}" for r in row["reasons"][:1])
        builds = "yes" if row["builds"] else "no"
        rows.append([row["model"] + more, builds, exact, board, *sizes, why])
    return heading, rows


def coverage_verdict(result: Report) -> Verdict:
    """Whether every model builds and is exact (E505)."""
    keys = ("checked", "build", "exact", "by_runtime")
    count, build, exact, known = (result[key] for key in keys)
    detail = f"{build} of {count} models build, {exact} are exact"
    if known:
        detail += f", {known} of them by their format's runtime, too"
    error = CompileError("E505", result["folder"], detail)
    return Verdict("coverage", detail, error if exact < count else None)
