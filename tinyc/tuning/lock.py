"""``tinyc.lock``: the kernel and schedule of each layer that `tinyc tune` chose, for later builds.

JSON (docs/schemas/lock.json) with an entry for each model, core and goal that was tuned. A build
whose layers are not those of its entry any more is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CompileError
from ..files.folder import written
from ..files.inputs import check_file
from ..ir import Graph, Value
from ..plan import Choice, Plan, plan
from ..target.boards import Board

NAME, NONE = "tinyc.lock", "none"
"""The file where none is named, and what is named where there shall be none."""
VERSION = 1
"""Of the file's form."""

_AGAIN = "run `tinyc tune` again, or build without it by --lock none"

Entry = dict[str, Any]
"""`tinyc.report.objects.TunedBuild`."""


@dataclass(frozen=True)
class Locked:
    """A plan by a lock: the entry, and where it stands."""

    plan: Plan
    entry: Entry
    path: Path


def digest(graph: Graph) -> str:
    """SHA-256 of what a graph computes: its operators, types and constants, whatever they are
    called."""
    sha, places = hashlib.sha256(), dict[Value, int]()

    def tell(value: Value) -> None:
        if value not in places:
            places[value] = len(places)
            sha.update(repr(value.type).encode())
            if value.data is not None:
                sha.update(value.data.tobytes())
        sha.update(f" {places[value]}".encode())

    for value in graph.sources:
        tell(value)
    for node in graph.nodes:
        sha.update(f"\n{node.op!r}".encode())
        for value in (*node.inputs, *node.outputs):
            tell(value)
    for value in graph.results:
        tell(value)
    return sha.hexdigest()


def read(path: Path) -> list[Entry]:
    """The entries of a lock. Raises CompileError E202 (there is none), E203 (it cannot be read),
    E245 (no file), E255 (no lock, or of a later version)."""
    if not check_file(path):
        raise CompileError("E202", str(path), "no such lock", "`tinyc tune` writes one")
    hint = "remove it, and run `tinyc tune` again"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version = found["schema_version"]
        if version != VERSION:
            what = f"is of version {version!r}, and this tinyc knows {VERSION}"
            raise CompileError("E255", str(path), what, "take the tinyc that wrote it")
        entries: list[Entry] = found["builds"]
        for entry in entries:
            _key(entry), entry["graph"], entry["order"], _choices(entry)
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"is no lock: {type(error).__name__}: {error}"
        raise CompileError("E255", str(path), what, hint) from None
    return entries


def write(path: Path, entry: Entry) -> None:
    """Put ``entry`` into the lock, in the place of that of the same model, core and goal. Raises
    CompileError E255 (another file is there), OSError."""
    known = read(path) if path.exists() else []
    entries = [*(e for e in known if _key(e) != _key(entry)), entry]
    text = json.dumps({"schema_version": VERSION, "builds": sorted(entries, key=_key)}, indent=2)
    with written(path) as file:
        file.write(f"{text}\n".encode())


def locked(
    path: Path, graph: Graph, board: Board, optimize: str, feed: str = "whole"
) -> Locked | str | None:
    """The plan of ``graph`` as the lock has it, fed as `tinyc.plan.plan` says; a word where it has
    nothing for this build; None where there is no lock.

    A file of another name than `NAME` has to be there and to have the build. Raises CompileError
    E254 (it does not fit the build), E355, and those of `read`.
    """
    if path.name == NONE or (str(path) == NAME and not path.exists()):
        return None
    core, entries = board.core.title, read(path)
    mine = {_key(entry): entry for entry in entries}.get((graph.name, core, optimize))
    if mine is None:
        what = f"has nothing for {graph.name} on a {core} with --optimize {optimize}"
        if path.name != NAME:
            raise CompileError("E254", str(path), what, "`tinyc tune` adds it")
        return f"{path} {what}: `tinyc tune` adds it"
    return Locked(_planned(path, graph, board, mine, feed), mine, path)


def _planned(path: Path, graph: Graph, board: Board, entry: Entry, feed: str) -> Plan:
    if entry["graph"] != digest(graph):
        what = (
            f"does not fit {graph.name} any more: the model, what it is calibrated or compressed "
            f"by, or what tinyc makes of it has changed since tinyc {entry.get('tinyc')} tuned it"
        )
        raise CompileError("E254", str(path), what, _AGAIN)
    chosen, core = _choices(entry), board.core
    try:
        made = plan(
            graph, core.title, core.features, optimize=entry["order"], forced=chosen, feed=feed
        )
    except CompileError as error:
        if error.id != "E306":
            raise
        what = f"does not fit tinyc's kernels any more: {error.origin}: {error.what}"
        raise CompileError("E254", str(path), what, _AGAIN) from None
    if len(made.steps) != len(chosen):
        what = f"has {len(chosen)} layers of {graph.name}, which has {len(made.steps)}"
        raise CompileError("E254", str(path), what, _AGAIN)
    return made


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(entry["model"]), str(entry["core"]), str(entry["optimize"])


def _choices(entry: Mapping[str, Any]) -> dict[int, Choice]:
    return {
        index: Choice(
            str(layer["kernel"]), dict(layer["schedule"]) if "schedule" in layer else None
        )
        for index, layer in enumerate(entry["layers"])
    }
