"""``tinyc bench``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import CompileError
from . import completion
from .call import Call
from .options import verb
from .printing import judge, log, print_json, print_table, print_verdict, progress

_FORMS = ("packed", "i8", "f32")
_AXES = ("board", "optimize", "backend", "toolchain")


@verb(
    "* calibrate compress float_glue stream feed early_exit trust lock emulator seed as_json "
    "verbose quiet",
)
def bench(
    call: Call,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]", help="Else tinyc.toml's.", autocompletion=completion.models
        ),
    ] = None,
    board: Annotated[
        list[str] | None,
        typer.Option(
            "--board",
            "-b",
            help="Several by commas [tinyc.toml's, else all cores'].",
            autocompletion=completion.listed(completion.boards),
        ),
    ] = None,
    optimize: Annotated[
        list[str] | None,
        typer.Option(
            help="balanced, speed, ram, flash: several by commas.",
            autocompletion=completion.listed(completion.words("balanced", "speed", "ram", "flash")),
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help="templates, tvm, auto: several by commas.",
            autocompletion=completion.listed(completion.words("templates", "tvm", "auto")),
        ),
    ] = None,
    toolchain: Annotated[
        list[str] | None,
        typer.Option(
            help="gcc, clang: several by commas.",
            autocompletion=completion.listed(completion.words("gcc", "clang")),
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="What --json wrote earlier: fail where a number is worse.",
            autocompletion=completion.files(".json"),
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="By how many percent it may be [0].")] = 0,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", "-k", help="Rows that fail do not fail the command.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="How many at once [one for each processor].")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Of a Dask cluster that is to measure, as tcp://host:8786.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table so.")] = False,
    no_times: Annotated[
        bool, typer.Option("--no-times", help="Leave out what no two runs have alike.")
    ] = False,
    kernels: Annotated[
        str | None,
        typer.Option(
            metavar="FORM",
            help="Cycles of a binary MAC instead, layer by layer, with such outputs: packed, i8, "
            "f32.",
            autocompletion=completion.words(*_FORMS),
        ),
    ] = None,
    negative: Annotated[
        float, typer.Option(min=0, max=1, help="For that: the part of the inputs that are -1.")
    ] = 0.5,
) -> None:
    """Cycles, RAM, flash and build time of models on boards under settings, in one table."""
    axes = [_several(values) for values in (board, optimize, backend, toolchain)]
    if kernels is not None:
        _kernels(call, axes[0], kernels, negative)
        return
    from .. import report, sweep

    known = report.read_bench(Path(against)) if against else []
    cells = _cells(call, models or [], axes)
    called = sweep.names([str(cell.model) for cell in cells])
    rows: dict[int, Any] = {}
    log.info(f"measuring {len(cells)} builds")
    with progress("measuring", len(cells)) as advance:
        if scheduler is None:
            found = sweep.here(cells, called, jobs)
        else:
            found = sweep.on_cluster(scheduler, cells, called)
        for index, row in found:
            rows[index] = row
            advance()
    result = report.bench([rows[index] for index in range(len(cells))], not no_times)
    table = result["rows"]
    checks = report.bench_verdicts(table, keep_going, against, known, tolerance)
    if call.as_json:
        print_json("bench", {**result, "verdicts": [check.facts for check in checks]})
    elif log.level < 0 and not markdown:
        count = len(table)
        facts = [f"{sum('error' not in row for row in table)} measured and right"]
        print_verdict(f"{count} row{'s' if count > 1 else ''}", checks, facts)
    else:
        _print(table, known, markdown)
    for note in report.bench_notes(table, known) if against else ():
        log.warn(note)
    judge(checks)


def _several(values: Sequence[str] | None) -> list[str | None]:
    """What an option that may be repeated, and hold several by commas, comes to."""
    named = [part for value in values or () for part in value.split(",") if part]
    return list(dict.fromkeys(named)) or [None]


def _cells(call: Call, models: Sequence[str], axes: Sequence[Sequence[str | None]]) -> list[Any]:
    """The settings of each row. Raises CompileError(s) E201 (no model) and those of
    `tinyc.config.load`."""
    from .. import config
    from ..target.boards import load_board
    from ..tuning.bench import default_boards

    usual = config.load(call.given)
    found = []
    given, *others = axes
    boards = [usual.board] if usual.board else list(default_boards())
    boards = [name for name in given if name is not None] or boards
    named = list(dict.fromkeys(models)) or list(filter(None, [usual.model]))
    if not named:
        hint = 'name models: `tinyc bench a.tflite b.tflite`, or model = "..." in tinyc.toml'
        raise CompileError("E201", call.verb, "no model is named", hint)
    for values in itertools.product(named, boards, *others):
        settings = dict(zip(("model", *_AXES), values, strict=True))
        lock = call.given.get("lock") or "none"  # which is for one goal
        found.append(config.load({**call.given, **settings, "lock": lock}))
    for name in boards:
        load_board(name)  # so that a name that there is not is told at once
    return found


def _print(rows: Sequence[Any], known: Sequence[Any], markdown: bool) -> None:
    from .. import report

    sources = [list(pair) for pair in report.bench_sources(rows)]
    heading, table = report.bench_table(rows, known)
    if markdown:
        lines = [*report.markdown_table(heading, table), ""]
        lines += report.markdown_table(["what", "value"], sources)
        typer.echo("\n".join(lines))
        return
    print_table(["what", "value"], sources)
    print_table(heading, table)


def _kernels(call: Call, board: Sequence[str | None], form: str, negative: float) -> None:
    """Cycles of a binary MAC: 3x3 convolutions of 64, 128 and 256 channels, core by core."""
    from .. import report
    from ..tuning import bench as measuring

    if form not in _FORMS:
        raise CompileError("E201", "--kernels", f"'{form}' is unknown", "packed, i8 or f32")
    boards = tuple(filter(None, board)) or measuring.default_boards()
    found = []
    with progress("measuring", len(boards) * len(measuring.BINARY_LAYERS)) as advance:
        for entry in measuring.binary_kernels(boards, form, negative):
            found.append(entry)
            advance()
    sources = ("toolchain", "cycles_source")
    shared = {"negative_inputs": negative, "toolchain": found[0]["toolchain"]}
    shared |= {"cycles": "modelled, zero wait states"}
    if call.as_json:
        print_json("kernels", {**shared, "layers": found})
        return
    print_table(["what", "value"], [[k.replace("_", " "), str(v)] for k, v in shared.items()])
    rows = [{k: v for k, v in entry.items() if k not in sources} for entry in found]
    heading, table = report.layer_table({"layers": rows})
    print_table(heading, table)
