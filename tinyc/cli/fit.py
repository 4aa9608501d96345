"""``tinyc fit``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import completion
from .call import Call
from .options import verb
from .printing import Terminal, log, print_json, print_table, show
from .quantities import amount, hertz

if TYPE_CHECKING:
    from ..fitting import Row


@verb(
    "model * toolchain calibrate compress float_glue trust optimize stream feed early_exit seed "
    "as_json verbose quiet",
)
def fit(
    call: Call,
    board: Annotated[
        list[str] | None,
        typer.Option(
            "--board",
            "-b",
            help="Several by commas, that it has to fit all [any].",
            autocompletion=completion.listed(completion.boards),
        ),
    ] = None,
    core: Annotated[
        list[str] | None, typer.Option(help="Boards of such cores alone, as m4 or m0plus,m33.")
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="Boards whose core has them, as dsp,fpu.")
    ] = None,
    min_flash: Annotated[str | None, typer.Option(help="Least bytes of a flash, as 512K.")] = None,
    min_ram: Annotated[str | None, typer.Option(help="Least bytes of a RAM, as 64K.")] = None,
    min_clock: Annotated[str | None, typer.Option(help="Slowest clock, as 48M.")] = None,
    max_milliseconds: Annotated[
        float | None, typer.Option(min=0, help="Most that an inference may take.")
    ] = None,
    max_microjoules: Annotated[
        float | None, typer.Option(min=0, help="Most energy of an inference, where it is known.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="How many at once [one for each processor].")
    ] = None,
) -> None:
    """Which boards a model fits, how fast it is there, and what would make it fit."""
    from .. import config, fitting
    from ..errors import CompileError

    settings = config.load(call.given)
    if not settings.model:
        hint = "`tinyc fit MODEL.tflite`"
        raise CompileError("E201", call.verb, "no model is named", hint)
    asked = fitting.Asked(
        _several(board), _several(core), _several(feature), amount(min_flash, "--min-flash"),
        amount(min_ram, "--min-ram"), hertz(min_clock, "--min-clock"), max_milliseconds,
        max_microjoules,
    )  # fmt: skip
    name, found = fitting.rows(settings, asked, jobs, Terminal())
    error = fitting.refused(name, found, asked)
    if call.as_json:
        print_json("fit", fitting.facts(name, found))
    else:
        if log.level >= 0:
            _print(found, bool(asked.boards))
        typer.echo(f"{'FAIL' if error else 'pass'}  {_verdict(name, found)}")
    if error is not None:
        raise error


def _several(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(part for value in values or () for part in value.split(",") if part)


def _print(found: Sequence[Row], named: bool) -> None:
    heading = ["board", "core", "fits", "flash", "RAM", "ms"]
    energy = any(row.microjoules is not None for row in found)
    print_table(
        [*heading, *(["uJ"] if energy else [])],
        [
            [
                row.board.name,
                row.board.core.name.removeprefix("cortex-").replace("-", " "),
                row.why or ("yes" if row.fits else "no"),
                _memory(row, "flash"),
                _memory(row, "ram"),
                "" if row.milliseconds is None else _few(row.milliseconds),
                *(["" if row.microjoules is None else _few(row.microjoules)] if energy else []),
            ]
            for row in found
        ],
    )
    ways = list(_ways(found, named))
    if ways:
        print_table(["board", "what would make it fit", "saves", "fits", "source"], ways)
    for text in _notes(found):
        log.info(text)


def _few(number: float) -> str:
    """With a digit after the point, or two that count."""
    return f"{number:,.1f}" if number >= 1 else f"{number:.2g}"


def _memory(row: Row, kind: str) -> str:
    """What is used of a kind of memory, and which part; or by how much it is over."""
    used = [(row.used[m.name], m.size) for m in row.board.memory
            if m.kind == kind and row.used.get(m.name)]  # fmt: skip
    if over := sum(max(0, bytes - size) for bytes, size in used):
        return f"{over:,} over"
    if not used:
        return ""
    taken = sum(bytes for bytes, _ in used)
    return f"{taken:,} {taken / sum(size for _, size in used):.0%}"


def _ways(found: Sequence[Row], named: bool) -> Iterator[list[str]]:
    for row in found:
        told = [way for way in row.ways if named or way["fits"]]
        for way in told or row.ways[:1]:
            saved = [
                f"{show(way[key])} {word}"
                for key, word in (("flash_saved_bytes", "flash"), ("ram_saved_bytes", "RAM"))
                if way[key] > 0
            ]
            fits = "yes" if way["fits"] else "no"
            source = re.split("[:,]", way["source"])[0]
            yield [row.board.name, way["options"], ", ".join(saved), fits, source]


def _notes(found: Sequence[Row]) -> Iterator[str]:
    """Where the numbers come from."""
    known = [row for row in found if "board_milliseconds" in row.facts]
    if any(row.milliseconds is not None for row in found):
        told = ", ".join(row.board.name for row in known)
        yield (
            "ms: cycles (modelled, of the emulated core) at the board's clock, at zero wait states"
            + (f"; with those of the flash on {told}" if known else "")
        )
    if any(not row.fits and not row.source.startswith("linked") for row in found):
        yield "what is over: at least, by the weights and the activations alone, before linking"
    if any(way["source"].startswith("expected") for row in found for way in row.ways):
        yield "expected: by what it brought where it was measured, see docs/compression.md"
    for row in found:
        if row.error is not None and not row.too_large:
            yield f"{row.board.name}: {row.error['what']}"


def _verdict(name: str, found: Sequence[Row]) -> str:
    good = [row for row in found if row.fits and row.why is None]
    boards = f"{len(found)} board{'s' if len(found) > 1 else ''}"
    if len(found) == 1:
        return _one(name, found[0])
    if not good:
        fits = sum(row.fits for row in found)
        return (
            f"{name} fits {fits} of {boards}, none as asked"
            if fits
            else (f"{name} fits none of {boards}")
        )
    best = good[0]
    spent = "" if best.milliseconds is None else f" with {_few(best.milliseconds)} ms an inference"
    return f"{name} fits {len(good)} of {boards}: the fastest is {best.board.name}{spent}"


def _one(name: str, row: Row) -> str:
    sizes: dict[str, Any] = {m.name: m.size for m in row.board.memory}
    told = [f"{m} {row.used[m]:,} of {sizes[m]:,} bytes" for m in sizes if row.used.get(m)]
    if row.milliseconds is not None:
        told.append(f"{_few(row.milliseconds)} ms")
    verdict = "fits" if row.fits else "does not fit"
    why = f" but is not as asked ({row.why})" if row.why else ""
    return f"{name} {verdict} {row.board.name}{why}: {', '.join(told)}"
