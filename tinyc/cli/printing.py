"""What the command line prints: tables and JSON on stdout; messages and progress on stderr."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from ..errors import CompileErrors, printable
from ..listener import Listener

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod
    from rich.progress import Progress, Task

    from ..report import Verdict


@dataclass
class Log:
    """Messages on stderr: level 0 says what is being done, 1 more, -1 nothing, and of reports the
    verdict alone. printed: whether
    the command's one JSON object is on stdout."""

    level: int = 0
    printed: bool = False

    def warn(self, text: str) -> None:
        self.info(f"warning: {text}")

    def info(self, text: str) -> None:
        if self.level >= 0:
            print(printable(text), file=sys.stderr)

    def detail(self, text: str) -> None:
        if self.level >= 1:
            print(printable(text), file=sys.stderr)


log = Log()


class Terminal(Listener):
    """Tells on stderr how far a job is."""

    def warn(self, text: str) -> None:
        log.warn(text)

    def info(self, text: str) -> None:
        log.info(text)

    def detail(self, text: str) -> None:
        log.detail(text)

    def progress(
        self, text: str, total: int | None = None
    ) -> contextlib.AbstractContextManager[Any]:
        return progress(text, total)


@contextlib.contextmanager
def progress(text: str, total: int | None = None) -> Iterator[Any]:
    """A bar on stderr (a spinner without ``total``); yields what advances it, by one as a rule."""
    with _bars() as bar:
        task = bar.add_task(text, total=total)
        yield lambda steps=1: bar.advance(task, steps)


@contextlib.contextmanager
def train_progress() -> Iterator[tuple[Any, Any]]:
    """A bar over the steps of a training; yields what `tinyc.train.run.train` reports to."""
    with _bars() as bar:

        def started(done: int, total: int) -> Any:
            if done:
                log.info(f"going on after step {done:,} of {total:,}")
            task = bar.add_task("training", total=total, completed=done)
            return lambda step: bar.update(task, completed=step)

        def on_epoch(epoch: Any) -> None:
            log.info(
                f"epoch {epoch.number}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.4f}, "
                f"held out {epoch.held_out:.4f}"
            )

        yield started, on_epoch


@contextlib.contextmanager
def search_progress() -> Iterator[Any]:
    """A bar over the trials of a search, with the best so far and the time that is left; yields
    what takes a `tinyc.search.study.Status`."""
    with _bars() as bar:
        task = bar.add_task("searching", total=None)

        def watch(status: Any) -> None:
            best = ""
            if status.front:
                least = min(status.front, key=lambda p: p.figures.flash_bytes)
                right = max(p.figures.accuracy or 0 for p in status.front)
                best = f"; {len(status.front)} on the front, from {least.figures.flash_bytes:,} "
                best += f"bytes of flash, accuracy up to {right:.4f}"
            bar.update(task, completed=status.done, total=status.total, left=status.left)
            log.info(f"{status.done} of {status.total}: {status.last}{best}")

        yield watch


def _bars() -> Progress:
    """Bars on stderr, of which nothing is left behind them: what is done, a bar, how much of it,
    how fast, and what time it has left. None without a terminal, and with ``-q``."""
    from rich import progress
    from rich.text import Text

    class Pace(progress.ProgressColumn):
        def render(self, task: progress.Task) -> Text:
            return Text(pace(task))

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=20),
        Pace(),
        console=rich_console(stderr=True),
        transient=True,
        disable=log.level < 0 or not sys.stderr.isatty(),
    )


def pace(task: Task) -> str:
    """How much of a task is done, how fast it goes, and what time is left, as far as one can tell:
    ``12/100, 3.4/s, 0:26 left``. A field ``left``, in seconds, knows that better."""
    spent = _clock(task.elapsed or 0)
    if task.total is None:
        return spent
    found = [f"{task.completed:,.0f}/{task.total:,.0f}"]
    if speed := task.finished_speed or task.speed:
        found.append(f"{speed:,.1f}/s" if speed >= 1 else f"{1 / speed:,.1f} s each")
    left = task.fields.get("left")
    left = task.time_remaining if left is None else left
    return ", ".join([*found, spent if left is None else f"{_clock(left)} left"])


def _clock(seconds: float) -> str:
    """``0:26``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rich_console(stderr: bool = False) -> Console:
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr, highlight=False, markup=False, emoji=False,
        no_color=not terminal or None, width=None if terminal else 160,
    )  # fmt: skip


def print_json(kind: str, value: Mapping[str, Any]) -> None:
    """Print the command's one object. kind: see `tinyc.report.schema.KINDS`."""
    from ..report import schema
    from ..report.json import text

    typer.echo(text(schema.stamped(kind, value)))
    log.printed = True


def show(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


_NUMBER = re.compile(r"(?:[+-]?\d[\d,]*(?:\.\d+)?%?)?")  # also none
# What a table goes without, in this order, where the terminal is too narrow.
_SPARE = (
    "cycles before", "cycles after", "not taken", "op", "schedule", "bits", "index", "clock_hz",
    "constant_bytes", "mismatches", "milliseconds", "straddled", "templates_cycles", "tvm_cycles",
    "cycles_per_binary_mac", "x flash", "x cycles", "build s", "on board", "cycles/MAC", "MHz",
)  # fmt: skip
_GAP = 3
"""Blanks between columns; one less where names would be broken."""


def print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Whole names and numbers: columns of `_SPARE` are left out before one of them is broken."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = rich_console()
    columns = {name: [printable(row[i]) for row in rows] for i, name in enumerate(heading)}
    texts = {name: (_label(name), *cells) for name, cells in columns.items()}
    widths = {name: max(map(len, cells)) for name, cells in texts.items()}
    words = {
        n: max(len(w) for c in cells for w in (c or " ").split(" ")) for n, cells in texts.items()
    }

    def missing(widths: Mapping[str, int], gap: int = _GAP) -> int:
        """By how much the terminal is too narrow."""
        return sum(widths[name] + gap for name in columns) + 1 - console.width

    left_out = []
    for name in _SPARE:
        if name in columns and missing(words) > 0:
            left_out.append(_label(name))
            del columns[name]
    gap = _GAP if missing(words) <= 0 else _GAP - 1
    numeric = {n: len(columns) > 2 and all(map(_NUMBER.fullmatch, c)) for n, c in columns.items()}

    def gives(name: str) -> tuple[int, bool, float]:
        """What has most words to wrap gives way, then what is one word, the first column late and
        numbers last."""
        weight = widths[name] * (0.5 if name == next(iter(columns)) else 1)
        return max(widths[name] - words[name], 0), not numeric[name], weight

    while missing(widths, gap) > 0:
        widths[max(columns, key=gives)] -= 1
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, gap - 2))
    for name in columns:
        justify: JustifyMethod = "right" if numeric[name] else "left"
        width = max(widths[name], 1)
        table.add_column(_label(name), justify=justify, overflow="fold", width=width)
        columns[name] = [_folded(cell, width) for cell in columns[name]]
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    console.print(table)
    if left_out:
        log.info(f"too narrow for {', '.join(left_out)}: widen the terminal, or see --json")


_CLASSES = 24
"""Of a table on a terminal."""


_SEAM = re.compile(r"(?<=[_/:,-])(?=\w)|(?<=\.)(?=[A-Za-z])|(?<=[a-z0-9])(?=[A-Z])")


def _folded(text: str, width: int) -> str:
    """``text`` whose words that are wider than ``width`` go on in the next line, from one of their
    parts on (``depthwise_`` ``conv2d``) where these are not too wide themselves."""
    found = []
    for word in text.split(" "):
        lines = [""]
        for part in _SEAM.split(word) if len(word) > width else [word]:
            if lines[-1] and len(lines[-1]) + len(part) > width:
                lines.append("")
            lines[-1] += part
        found.append("\n".join(lines))
    return " ".join(found)


def _label(name: str) -> str:
    return name.replace("_", " ")


def print_front(result: Mapping[str, Any]) -> None:
    """The front of a search, its chosen point marked, and what failed."""
    heading = ["", "model", "accuracy", "flash", "RAM", "cycles", "x flash", "x cycles", "folder"]
    rows = []
    for point in result["front"]:
        figures, ratios = point["figures"], point["ratios"] or {}
        right = figures["error"] if figures["accuracy"] is None else figures["accuracy"]
        mark = "*" if point["chosen"] else "" if point["kept"] else "over"
        costs = [show(figures[key]) for key in ("flash_bytes", "ram_bytes", "cycles")]
        times = [show(ratios.get(key, "")) for key in ("flash", "cycles")]
        rows.append([mark, point["text"], f"{right or 0:.4f}", *costs, *times, point["folder"]])
    print_table(heading, rows)
    facts = [f"{result['trained']} trained", f"{result['estimated']} estimated"]
    if result["failed"]:
        facts.append(f"{len(result['failed'])} failed")
    if not result["complete"]:
        facts.append("not done: the same command goes on")
    log.info(", ".join(facts))


def print_report(
    kind: str, result: dict[str, Any], as_json: bool, checks: Sequence[Verdict] = ()
) -> None:
    """A report and its verdicts; with ``-q`` the verdict alone."""
    from .. import report

    if as_json:
        print_json(kind, result)
        return
    if log.level < 0:
        print_verdict(f"{result['model']} on {result['board']}", checks, report.gist(result))
        return
    print_table(["what", "value"], report.rows(result))
    for name, heading, classes in report.class_tables(result):
        if len(result["outputs"]) > 1:
            log.info(f"classes of '{name}'")
        print_table(heading, classes[:_CLASSES])
        if len(classes) > _CLASSES:
            log.info(f"{len(classes) - _CLASSES} more classes, see --json")
    heading, rows = report.layer_table(result)
    if rows:
        print_table(heading, rows)


_MOST_TOLD = 4


def print_verdict(what: str, checks: Sequence[Verdict], facts: Sequence[str]) -> None:
    """``pass`` or ``FAIL`` in a line, and the checks that made it so; ``facts`` where nothing was
    checked."""
    failed = [check for check in checks if check.error is not None]
    told = [f"{check.name} {check.detail}" for check in failed or checks]
    if more := told[_MOST_TOLD:]:
        told[_MOST_TOLD:] = [f"and {len(more)} more"]
    text = "; ".join(told) or ", ".join(facts)
    typer.echo(printable(f"{'FAIL' if failed else 'pass'}  {what}: {text}"))


def judge(checks: Sequence[Verdict]) -> None:
    errors = tuple(check.error for check in checks if check.error is not None)
    if errors:
        raise CompileErrors(errors)
