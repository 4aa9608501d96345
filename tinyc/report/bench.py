"""What a sweep over models, boards and settings measured (see `tinyc.sweep`), as a table, and held
against what an earlier one wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import CompileError
from ..files.inputs import check_file
from .facts import Report
from .verdicts import Verdict

Row = Mapping[str, Any]

_KEY = ("model", "board", "optimize", "backend", "toolchain")
"""What tells the rows of a file apart."""
_JUDGED = {"cycles": "cycles", "instructions": "instructions", "ram_bytes": "bytes of RAM",
           "flash_bytes": "bytes of flash"}  # fmt: skip
_SHOWN = {"cycles": "cycles", "cycles_per_mac": "cycles/MAC",
          "board_cycles": "on board", "instructions": "instructions",
          "ram_bytes": "RAM", "flash_bytes": "flash", "build_seconds": "build s"}  # fmt: skip


def read_bench(path: Path) -> list[Row]:
    """The rows of a file that ``tinyc bench --json`` wrote. Raises CompileError E202 (there is
    none), E203 (it cannot be read), E245 (no file), E253 (another file)."""
    if not check_file(path):
        raise CompileError("E202", str(path), "no such file", "`tinyc bench --json` writes one")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows: list[Row] = found["rows"]
        for row in rows:
            known = [row[key] for key in (*_KEY, *_JUDGED)]
            if not all(isinstance(value, (str, int, type(None))) for value in known):
                raise TypeError("a row has a value of another type")
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        what = f"is nothing that `tinyc bench --json` wrote: {type(error).__name__}: {error}"
        raise CompileError("E253", str(path), what, "name such a file") from None
    return rows


def bench_verdicts(
    rows: Sequence[Row],
    keep_going: bool = False,
    against: str | None = None,
    known: Sequence[Row] = (),
    tolerance: float = 0,
) -> list[Verdict]:
    """Whether each row could be measured (unless ``keep_going``, or it failed so in ``known``
    too), and, where it is in ``known``, whether a number grew by more than ``tolerance`` percent
    (E605). against: the path of the file that has ``known``."""
    before = {_key(row): row for row in known}
    found = []
    for row in rows:
        name, old = _named(row), before.get(_key(row))
        if (facts := row.get("error")) is not None:
            expected = old is not None and old.get("error", {}).get("id") == facts["id"]
            error = CompileError(facts["id"], facts["place"], facts["what"], facts["hint"])
            passed = keep_going or expected
            found.append(Verdict(name, f"{facts['id']} {facts['what']}", None if passed else error))
        if old is not None:
            found += [
                _held(f"{against}", name, what, row[key], old[key], tolerance)
                for key, what in _JUDGED.items()
                if row[key] is not None and old[key] is not None
            ]
    return found


def _held(against: str, name: str, what: str, value: int, limit: int, tolerance: float) -> Verdict:
    change = f"{value:,} {what}, {_percent(value, limit)} of {limit:,}"
    if value <= limit * (1 + tolerance / 100):
        return Verdict(f"{name}: {what}", change)
    error = CompileError(
        "E605", against,
        f"{name} takes {value:,} {what}, {value - limit:,} ({_percent(value, limit)}) more than "
        f"the {limit:,} there",
        "find what made it worse, or write the file anew if that is meant",
    )  # fmt: skip
    return Verdict(f"{name}: {what}", change, error)


def bench_notes(rows: Sequence[Row], known: Sequence[Row]) -> list[str]:
    """What to know of a comparison: models that have changed, other compilers, rows that only one
    side has."""
    before = {_key(row): row for row in known}
    pairs = [(row, before[_key(row)]) for row in rows if _key(row) in before]
    notes = []
    for key, what in (("sha256", "is another file"), ("compiler", "is of another compiler")):
        changed = [_named(row) for row, old in pairs if row[key] != old.get(key)]
        if changed:
            more = f" (and {len(changed) - 1} more)" if changed[1:] else ""
            notes.append(f"what it is held against {what}: {changed[0]}{more}")
    if new := len(rows) - len(pairs):
        notes.append(f"{new} of {len(rows)} rows are new and held against nothing")
    return notes


def bench_table(
    rows: Sequence[Row], known: Sequence[Row] = ()
) -> tuple[list[str], list[list[str]]]:
    """A heading and a row of text for each; of the settings those in which the rows differ. known:
    what the change is from."""
    before = {_key(row): row for row in known}
    varying = [key for key in _KEY[2:] if len({row[key] for row in rows}) > 1]
    failed = any("error" in row for row in rows)
    shown = {k: v for k, v in _SHOWN.items() if any(row.get(k) is not None for row in rows)}
    heading = ["model", "board", *varying, *shown.values()]
    heading += [*(["change"] if known else []), *(["error"] if failed else [])]
    table = []
    for row in rows:
        texts = [_cell(row.get(key)) for key in ("model", "board", *varying, *shown)]
        if known:
            texts.append(_change(row, before.get(_key(row))))
        if failed:
            error = row.get("error")
            texts.append(f"{error['id']} {error['what'].partition(':')[0]}" if error else "")
        table.append(texts)
    return heading, table


def bench_sources(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What all rows have in common, and where the numbers are from."""
    compilers = sorted({row["compiler"] for row in rows if row["compiler"]})
    alike = [(key, {row[key] for row in rows}) for key in ("optimize", "backend")]
    emulators = ", ".join(sorted({row["emulator"] for row in rows}))
    sources = sorted({row["cycles_source"] for row in rows if row["cycles_source"]})
    found = [(key, str(*values)) for key, values in alike if len(values) == 1]
    found.append(("toolchain", ", ".join(compilers)))
    found += [("cycles", source.removeprefix("cycles ").strip("()")) for source in sources]
    if exits := [row["early_exit"] for row in rows if "early_exit" in row]:
        known = not any(exit["left_early"] for exit in exits)
        text = "the worst case, an inference that goes on to the final head"
        found.append(("early exit", text if known else "of some rows the way that ends early"))
    if any(row.get("board_cycles") for row in rows):
        found.append(("on board", "cycles with the board's flash at its clock"))
    found.append(("instructions", f"of one inference of a random input, executed ({emulators})"))
    found.append(("RAM, flash", "bytes of the linked ELF, RAM with the deepest stack"))
    return found


def bench(rows: Sequence[Row], times: bool) -> Report:
    """The object of ``tinyc bench --json``. times: whether with what no two runs have alike."""
    kept = [{k: v for k, v in row.items() if times or k != "build_seconds"} for row in rows]
    return {"rows": kept}


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[key] for key in _KEY)


def _named(row: Row) -> str:
    settings = ", ".join(str(row[key]) for key in _KEY[2:])
    return f"{row['model']} on {row['board']} ({settings})"


def _change(row: Row, old: Row | None) -> str:
    if old is None:
        return "new"
    moved = [
        f"{what.removeprefix('bytes of ')} {_percent(row[key], old[key])}"
        for key, what in _JUDGED.items()
        if row[key] is not None and old[key] is not None and row[key] != old[key]
    ]
    return ", ".join(moved)


def _percent(value: int, limit: int) -> str:
    return f"{(value - limit) / limit:+.2%}" if limit else f"{value - limit:+,}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
