"""What was measured, as a file of JSON lines: one for each way to compute each workload.

A later search measures only what is not there; ``--backend tvm`` takes the best schedules of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CompileError
from ..files.folder import written
from ..kernels.base import Schedule
from ..target.toolchain import find_toolchain


@dataclass(frozen=True)
class Record:
    """A layer alone in a firmware, measured.

    workload: see `tinyc.plan.workload`; compiler: gcc or clang; schedule: empty for a template;
    cycles: modelled; source: a digest of the C that the kernel consists of, and the compiler's
    version; flash: bytes of that firmware; scratch: bytes of the layer's working memory.
    """

    workload: str
    compiler: str
    schedule: Schedule
    cycles: int
    source: str = ""
    flash: int = 0
    scratch: int = 0

    @property
    def way(self) -> tuple[str, str, str]:
        return self.workload, self.compiler, json.dumps(self.schedule, sort_keys=True)

    @property
    def key(self) -> tuple[str, ...]:
        return *self.way, self.source

    def line(self) -> str:
        return json.dumps(vars(self), sort_keys=True) + "\n"


def read(path: Path) -> list[Record]:
    """The records of a database, none where there is no file. A line that was cut short, as by a
    power failure, is left out if it is the last. Raises CompileError E240 (not a database)."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise CompileError("E240", str(path), f"is no database of schedules: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            record = Record(**entry)
            if not isinstance(record.schedule, dict) or not isinstance(record.cycles, int):
                raise TypeError("a schedule is an object, and cycles are a number")
            found.append(record)
        except (ValueError, TypeError) as error:
            if number == len(lines):
                break
            raise CompileError(
                "E240", f"{path}: line {number}", f"is no record of a schedule: {error}",
                "remove the line, or the file",
            ) from None  # fmt: skip
    return found


def extended(path: Path, records: Iterable[Record]) -> Iterator[Record]:
    """``records``, each when it stands in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _repair(path)
    with path.open("a", encoding="utf-8") as file:
        for record in records:
            file.write(record.line())
            file.flush()
            yield record


def _repair(path: Path) -> None:
    """End a last line that was cut short, so that the next record is a line of its own."""
    if not path.exists():
        return
    text = path.read_bytes()
    if text and not text.endswith(b"\n"):
        whole = text[: text.rfind(b"\n") + 1]
        with written(path) as file:
            file.write(whole)


def best(records: Sequence[Record], compiler: str) -> dict[str, Schedule]:
    """Workload -> the schedule of the fewest cycles, of equals the first; of each the latest
    measurement counts."""
    latest = {record.way: record for record in records if record.compiler == compiler}
    found: dict[str, Record] = {}
    for record in latest.values():
        rival = found.get(record.workload)
        if record.schedule and (rival is None or record.cycles < rival.cycles):
            found[record.workload] = record
    return {name: record.schedule for name, record in found.items()}


def schedules(path: Path, toolchain: str | None) -> dict[str, Schedule]:
    """What a build is to lower with."""
    records = read(path)
    return best(records, find_toolchain(toolchain).kind) if records else {}
