"""The command line: data on stdout, messages and progress on stderr, one line for an error.

Nothing heavy is imported here at module level: each verb imports what it runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CompileError, CompileErrors, disk_error, printable
from ..job import Job

if TYPE_CHECKING:
    from rich.console import Console

    from ..target.boards import Board

# typer carries its own click from 0.16 on; this is the class of either.
_UsageError = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="tinyc",
    help="Compile a trained neural network into Cortex-M firmware, proven in an emulator.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is there in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)
boards_app = typer.Typer(help="List the boards, or show one.", invoke_without_command=True)
app.add_typer(boards_app, name="boards")
bench_app = typer.Typer(help="Measure what tinyc's kernels cost.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")


@dataclass
class _Log:
    """Messages on stderr: level 0 says what is being done, 1 more, -1 nothing. printed: whether
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


_log = _Log()


def _louder(value: bool) -> bool:
    if value:
        _log.level = 1
    return value


def _quieter(value: bool) -> bool:
    if value:
        _log.level = -1
    return value


def _env(name: str) -> str:
    return f"TINYC_{name}"


ModelArg = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]",
        envvar=_env("MODEL"),
        help="A .tflite file, a Keras model, or file.py:function; else tinyc.toml's.",
    ),
]
BoardOpt = Annotated[
    str | None,
    typer.Option(
        "--board",
        "-b",
        envvar=_env("BOARD"),
        help="Name or alias (see `tinyc boards`), or a .toml of your own.",
    ),
]
OutputOpt = Annotated[
    str | None,
    typer.Option("--output-dir", "-o", envvar=_env("OUTPUT_DIR"), help="Where builds go [build]."),
]
ToolchainOpt = Annotated[
    str | None,
    typer.Option(envvar=_env("TOOLCHAIN"), help="gcc or clang; else gcc where it is installed."),
]
EmulatorOpt = Annotated[
    str | None,
    typer.Option(envvar=_env("EMULATOR"), help="unicorn, qemu, renode or host [unicorn]."),
]
StrictOpt = Annotated[
    bool | None,
    typer.Option(
        "--strict",
        envvar=_env("STRICT"),
        help="A slower kernel or form than the core allows is an error.",
    ),
]
CalibrateOpt = Annotated[
    str | None,
    typer.Option(
        envvar=_env("CALIBRATE"), help="An .npz with typical inputs x: float layers become int8."
    ),
]
FloatGlueOpt = Annotated[
    bool | None,
    typer.Option(
        "--float-glue", envvar=_env("FLOAT_GLUE"), help="Keep float32 between binary layers."
    ),
]
TrustOpt = Annotated[
    bool | None,
    typer.Option(
        "--trust", envvar=_env("TRUST"), help="Run the code that came with a Keras model's file."
    ),
]
MainOpt = Annotated[
    str | None,
    typer.Option(
        envvar=_env("MAIN"),
        help="demo: one inference and its cycles; serial: MLPerf Tiny's protocol [demo].",
    ),
]
ModelIdOpt = Annotated[
    str | None,
    typer.Option(
        envvar=_env("MODEL_ID"), help="What the protocol calls the model, as kws01 [its name]."
    ),
]
BackendOpt = Annotated[
    str | None,
    typer.Option(
        envvar=_env("BACKEND"), help="templates, tvm, or auto: the faster for each layer."
    ),
]
DatabaseOpt = Annotated[
    str | None,
    typer.Option(
        envvar=_env("DATABASE"), help="Schedules that `tinyc tune` found [schedules.jsonl]."
    ),
]
DataOpt = Annotated[
    str | None,
    typer.Option(
        envvar=_env("TEST_DATA"), help="An .npz with x and optionally y; else random inputs."
    ),
]
SamplesOpt = Annotated[
    int | None,
    typer.Option(
        envvar=_env("SAMPLES"),
        min=1,
        max=1_000_000,
        help="How many inputs: random ones [10], or the first of the data [all].",
    ),
]
SeedOpt = Annotated[
    int | None, typer.Option(envvar=_env("SEED"), min=0, help="Seed of random inputs [0].")
]
AccuracyOpt = Annotated[
    float | None,
    typer.Option(
        envvar=_env("MIN_ACCURACY"), min=0, max=1, help="Least accuracy on the board, 0 to 1."
    ),
]
AgreementOpt = Annotated[
    float | None,
    typer.Option(
        envvar=_env("MIN_AGREEMENT"), min=0, max=1,
        help="Least agreement with the model before calibration or binarization [0.98].",
    ),
]  # fmt: skip
CyclesOpt = Annotated[
    int | None,
    typer.Option(envvar=_env("MAX_CYCLES"), min=0, help="Most modelled cycles of an inference."),
]
InstructionsOpt = Annotated[
    int | None,
    typer.Option(envvar=_env("MAX_INSTRUCTIONS"), min=0, help="Most instructions of an inference."),
]
FlashOpt = Annotated[
    int | None, typer.Option(envvar=_env("MAX_FLASH"), min=0, help="Most bytes of flash.")
]
RamOpt = Annotated[
    int | None, typer.Option(envvar=_env("MAX_RAM"), min=0, help="Most bytes of RAM.")
]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
VerboseOpt = Annotated[
    bool, typer.Option("--verbose", "-v", callback=_louder, is_eager=True, help="Say more.")
]
QuietOpt = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=_quieter, is_eager=True, help="Say nothing but results."
    ),
]

_PRINTING = ("as_json", "verbose", "quiet")


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print tinyc's version; with -v also those of its tools."),
    ] = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    if version:
        _print_versions()
        raise typer.Exit()
    if ctx.invoked_subcommand is None:
        raise _UsageError("Missing command.", ctx)


def _print_versions() -> None:
    from .. import __version__

    typer.echo(f"tinyc {__version__}")
    if _log.level <= 0:
        return
    import platform

    from ..deploy import doctor

    typer.echo(f"Python {platform.python_version()}")
    for tool in doctor.inspect(("compilers", "emulators")):
        typer.echo(f"{tool['tool']} {_found(tool)}")


@app.command()
def build(
    ctx: typer.Context,
    model: ModelArg = None,
    board: BoardOpt = None,
    output_dir: OutputOpt = None,
    toolchain: ToolchainOpt = None,
    main: MainOpt = None,
    model_id: ModelIdOpt = None,
    strict: StrictOpt = None,
    calibrate: CalibrateOpt = None,
    float_glue: FloatGlueOpt = None,
    trust: TrustOpt = None,
    max_flash: FlashOpt = None,
    max_ram: RamOpt = None,
    backend: BackendOpt = None,
    database: DatabaseOpt = None,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Compile a model into firmware and a drop-in C library."""
    job = _Job.start(ctx)
    result, checks = job.reported()
    _print_report(result, as_json)
    _log.info(f"wrote {job.folder}")
    _judge(checks)


@app.command()
def test(
    ctx: typer.Context,
    model: ModelArg = None,
    board: BoardOpt = None,
    data: DataOpt = None,
    emulator: EmulatorOpt = None,
    output_dir: OutputOpt = None,
    toolchain: ToolchainOpt = None,
    samples: SamplesOpt = None,
    seed: SeedOpt = None,
    min_accuracy: AccuracyOpt = None,
    min_agreement: AgreementOpt = None,
    max_cycles: CyclesOpt = None,
    max_instructions: InstructionsOpt = None,
    max_flash: FlashOpt = None,
    max_ram: RamOpt = None,
    strict: StrictOpt = None,
    calibrate: CalibrateOpt = None,
    float_glue: FloatGlueOpt = None,
    trust: TrustOpt = None,
    backend: BackendOpt = None,
    database: DatabaseOpt = None,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Run the firmware in an emulator: bit-exactness, accuracy, cycles, budgets."""
    job = _Job.start(ctx)
    from .. import report

    inputs = job.samples()
    built = job.built()
    result = job.tested(inputs)
    checks = report.verdicts(job.config.expect, built, result)
    result["verdicts"] = [check.facts for check in checks]
    job.write_report({"build": built, "test": result}, checks)
    _print_report(result, as_json)
    for check in checks:
        _log.info(f"{'FAIL' if check.error else 'pass'}  {check.name}: {check.detail}")
    _judge(checks)


@app.command()
def profile(
    ctx: typer.Context,
    model: ModelArg = None,
    board: BoardOpt = None,
    emulator: EmulatorOpt = None,
    output_dir: OutputOpt = None,
    toolchain: ToolchainOpt = None,
    seed: SeedOpt = None,
    strict: StrictOpt = None,
    calibrate: CalibrateOpt = None,
    float_glue: FloatGlueOpt = None,
    max_cycles: CyclesOpt = None,
    max_instructions: InstructionsOpt = None,
    max_flash: FlashOpt = None,
    max_ram: RamOpt = None,
    trust: TrustOpt = None,
    backend: BackendOpt = None,
    database: DatabaseOpt = None,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Count instructions and modelled cycles of one inference, layer by layer."""
    job = _Job.start(ctx)
    from .. import report

    built, _ = job.reported()
    trace = job.run(job.samples(1), profile=True)
    result = report.profile_report(job.compiled.plan, job.board, job.config.emulator, trace)
    checks = report.budgets(job.config.expect, built, result)
    job.write_report({"build": built, "profile": result}, checks)
    result["verdicts"] = [check.facts for check in checks]
    _print_report(result, as_json)
    _judge(checks)


@app.command()
def serve(
    ctx: typer.Context,
    model: ModelArg = None,
    board: BoardOpt = None,
    emulator: Annotated[
        str | None,
        typer.Option(
            envvar=_env("EMULATOR"), help="qemu or renode [the first of them that has the board]."
        ),
    ] = None,
    link: Annotated[
        Path | None, typer.Option(help="A symbolic link to the terminal, made and removed.")
    ] = None,
    output_dir: OutputOpt = None,
    toolchain: ToolchainOpt = None,
    model_id: ModelIdOpt = None,
    strict: StrictOpt = None,
    calibrate: CalibrateOpt = None,
    float_glue: FloatGlueOpt = None,
    trust: TrustOpt = None,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Offer an emulated board's UART as a terminal that speaks MLPerf Tiny's protocol."""
    from ..run.serve import choose
    from ..run.serve import serve as offer

    params = {k: v for k, v in ctx.params.items() if k not in ("link", "emulator")}
    job = _Job.of(params | {"main": "serial"}, "tinyc serve")
    emulator = choose(job.board, emulator)
    image = job.image(job.folder.with_name(f".{job.name}-serial"), "serial")
    with contextlib.suppress(KeyboardInterrupt), offer(image, emulator, link) as (path, process):
        typer.echo(path)
        sys.stdout.flush()
        _log.info(f"{job.name} on an emulated {job.board.name} ({emulator}); Ctrl-C ends it")
        process.wait()


@app.command()
def compare(
    ctx: typer.Context,
    models: Annotated[list[str], typer.Argument(metavar="MODEL MODEL...", help="Two or more.")],
    board: BoardOpt = None,
    data: DataOpt = None,
    emulator: EmulatorOpt = None,
    output_dir: OutputOpt = None,
    toolchain: ToolchainOpt = None,
    samples: SamplesOpt = None,
    seed: SeedOpt = None,
    calibrate: CalibrateOpt = None,
    trust: TrustOpt = None,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Put models side by side: accuracy, flash, RAM, cycles. Those with float32 are calibrated."""
    from .. import report

    options = {k: v for k, v in ctx.params.items() if k != "models"}
    found = []
    folders: dict[Path, str] = {}
    for number, model in enumerate(models, 1):
        job = _Job.of({**options, "model": model}, "tinyc compare", optional_calibration=True)
        if folders.setdefault(job.folder, model) != model:  # another of the same name
            place = str(Path(job.config.output_dir) / str(number))
            job.config = job.config.model_copy(update={"output_dir": place})
        inputs = job.samples()
        built = job.built()
        tested = job.tested(inputs)
        checks = report.verdicts(job.config.expect, built, tested)
        if tested["mismatches"]:
            _judge(checks)
        for check in checks:
            if check.name == "agreement" and check.error:
                _log.warn(check.error.what)
        found.append((built, tested, report.macs(job.compiled.plan)))
    result = report.comparison(found)
    if as_json:
        _print_json(result)
        return
    _print_table(["what", "value"], report.rows(result))
    heading, rows = report.layer_table({"layers": result["models"]})
    _print_table(heading, rows)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A name, or the path of a .toml.")],
    output_dir: OutputOpt = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Other than the recipe's.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="An .npz with images x and classes y, or CIFAR-10's archive or folder "
            "[in the folder that TINYC_DATA names]."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on from a checkpoint, or start anew.")
    ] = True,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Train the network of a recipe: weights, TensorBoard logs, a checkpoint to go on from."""
    from ..train import recipe as recipes
    from ..train.run import train as run_training

    name, settings = recipes.load(recipe)
    settings = settings.model_copy(update={"epochs": epochs} if epochs else {})
    folder = Path(output_dir or "build") / "train" / name
    _log.info(f"training {name} in {folder}")
    try:
        with _train_progress() as (started, on_epoch):
            result = run_training(name, settings, data, folder, resume, started, on_epoch)
    except KeyboardInterrupt:
        checkpoint = folder / "checkpoint.npz"
        if checkpoint.exists():
            again = "the same command" if resume else "the same command without --fresh"
            _log.info(f"stopped; {again} goes on from {checkpoint}")
        raise
    if as_json:
        _print_json(result)
    else:
        _print_table(
            ["what", "value"], [[k, _show(v)] for k, v in result.items() if k != "versions"]
        )
    _log.info(f"wrote {folder / name}.tflite")


@bench_app.command("kernels")
def bench_kernels(
    board: Annotated[
        list[str] | None,
        typer.Option("--board", "-b", help="Repeat for several [one of each core]."),
    ] = None,
    output: Annotated[str, typer.Option(help="packed, i8 or f32.")] = "packed",
    negative: Annotated[
        float, typer.Option(min=0, max=1, help="The part of the inputs that are -1.")
    ] = 0.5,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Cycles of a binary MAC: 3x3 convolutions of 64, 128 and 256 channels, core by core."""
    from .. import report
    from ..tuning import bench

    if output not in ("packed", "i8", "f32"):
        raise CompileError("E201", "--output", f"'{output}' is unknown", "packed, i8 or f32")
    boards = tuple(board) if board else bench.default_boards()
    found = []
    with _progress("measuring", len(boards) * len(bench.BINARY_LAYERS)) as advance:
        for entry in bench.binary_kernels(boards, output, negative):
            found.append(entry)
            advance()
    sources = ("toolchain", "cycles_source")
    shared = {"negative_inputs": negative, "toolchain": found[0]["toolchain"]}
    shared |= {"cycles": "modelled, zero wait states"}
    if as_json:
        _print_json({**shared, "layers": found})
        return
    _print_table(["what", "value"], [[k.replace("_", " "), str(v)] for k, v in shared.items()])
    rows = [{k: v for k, v in entry.items() if k not in sources} for entry in found]
    heading, table = report.layer_table({"layers": rows})
    _print_table(heading, table)


@boards_app.callback(invoke_without_command=True)
def boards(ctx: typer.Context, as_json: JsonOpt = False) -> None:
    if ctx.invoked_subcommand is None:
        _list_boards(as_json)


@boards_app.command("list")
def boards_list(as_json: JsonOpt = False) -> None:
    """List the boards."""
    _list_boards(as_json)


@boards_app.command("show")
def boards_show(name: str, as_json: JsonOpt = False) -> None:
    """Show one board."""
    from ..target.boards import load_board

    board = load_board(name)
    facts = {"title": board.title, **_board_facts(board), **_board_details(board)}
    if as_json:
        _print_json(facts)
        return
    rows = []
    for key, value in facts.items():
        lines = value.items() if isinstance(value, dict) else [("", value)]
        rows += [[f"{key} {name}".strip(), _show(item)] for name, item in lines if item]
    _print_table(["what", "value"], rows)


def _board_details(board: Board) -> dict[str, Any]:
    """What `tinyc boards show` tells besides what the list does."""
    memories = {m.name: f"0x{m.origin:08x}, {m.size:,} bytes of {m.kind}" for m in board.memory}
    return {
        "memory": memories,
        "console": f"{board.console.uart}, 115200 baud",
        "counter": board.counter.name if board.counter else "SysTick",
        "qemu": board.qemu.machine if board.qemu else None,
        "renode": board.renode.platform if board.renode else None,
        "flashed_by": list(board.debug.flashers) if board.debug else [],
        "sources": board.sources,
    }


def _board_facts(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "aliases": list(board.aliases),
        "core": board.core.name,
        "clock_hz": board.clock_hz,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
    }


def _list_boards(as_json: bool) -> None:
    from ..target.boards import all_boards

    facts = [_board_facts(board) for board in all_boards()]
    if as_json:
        _print_json({"boards": facts})
        return
    keys = ("name", "aliases", "core", "clock_hz", "flash_bytes", "ram_bytes")
    _print_table(list(keys), [[_show(f[k]) for k in keys] for f in facts])


ImageOpt = Annotated[
    Path | None,
    typer.Option("--image", help="A finished ELF: nothing is built, and no model is needed."),
]
ToolOpt = Annotated[
    str | None,
    typer.Option("--tool", envvar=_env("TOOL"), help="Else the board's first that is installed."),
]
ProbeOpt = Annotated[
    str | None,
    typer.Option(
        "--probe", envvar=_env("PROBE"), help="Serial number, VID:PID:SERIAL, or bossac's port."
    ),
]
VolumeOpt = Annotated[
    Path | None,
    typer.Option("--volume", help="Where the board's drive is mounted; else it is looked for."),
]
DryRunOpt = Annotated[
    bool, typer.Option("--dry-run", help="Print the commands, and run none of them.")
]


@app.command()
def flash(
    ctx: typer.Context,
    model: ModelArg = None,
    board: BoardOpt = None,
    image: ImageOpt = None,
    tool: ToolOpt = None,
    probe: ProbeOpt = None,
    volume: VolumeOpt = None,
    dry_run: DryRunOpt = False,
    output_dir: OutputOpt = None,
    toolchain: ToolchainOpt = None,
    strict: StrictOpt = None,
    calibrate: CalibrateOpt = None,
    float_glue: FloatGlueOpt = None,
    trust: TrustOpt = None,
    max_flash: FlashOpt = None,
    max_ram: RamOpt = None,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Build a model and write it to a board, by the first of its tools that is installed."""
    from ..deploy import flash as flashing

    name, target = _target(ctx)
    chosen = flashing.TOOLS[name]
    commands = [*map(flashing.located, chosen.flash(target))]
    _print_commands(ctx, name, target, commands)
    if not dry_run:
        flashing.run(chosen, commands, target.debug)
        _log.info(f"flashed {target.elf} on {target.board.name}")


@app.command()
def debug(
    ctx: typer.Context,
    model: ModelArg = None,
    board: BoardOpt = None,
    image: ImageOpt = None,
    tool: ToolOpt = None,
    probe: ProbeOpt = None,
    server_only: Annotated[
        bool, typer.Option("--server-only", help="Start the GDB server, and no GDB.")
    ] = False,
    dry_run: DryRunOpt = False,
    output_dir: OutputOpt = None,
    toolchain: ToolchainOpt = None,
    strict: StrictOpt = None,
    calibrate: CalibrateOpt = None,
    float_glue: FloatGlueOpt = None,
    trust: TrustOpt = None,
    max_flash: FlashOpt = None,
    max_ram: RamOpt = None,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Build a model and debug it on a board: a GDB server, and GDB stopped at main."""
    from ..deploy import flash as flashing

    name, target = _target(ctx, server=True)
    chosen = flashing.TOOLS[name]
    assert chosen.serve is not None
    before = [] if chosen.loads else [*map(flashing.located, chosen.flash(target))]
    server = flashing.located(chosen.serve(target))
    gdb = None if server_only else flashing.find_gdb()
    client = [flashing.located(flashing.gdb_command(gdb, chosen, target))] if gdb else []
    _print_commands(ctx, name, target, [*before, server, *client])
    if dry_run:
        return
    flashing.run(chosen, before, target.debug)
    if client:
        flashing.session(chosen, server, client[0], target.debug)
        return
    if not server_only:
        _log.info(f"no GDB is installed ({' or '.join(flashing.GDBS)})")
    _log.info(f"GDB can connect to localhost:{flashing.PORT}; Ctrl-C ends the server")
    flashing.serve(chosen, server, target.debug)


_FLASHING = ("image", "tool", "probe", "volume", "dry_run", "server_only")


def _target(ctx: typer.Context, server: bool = False) -> tuple[str, Any]:
    """The tool's name and what it is to flash: the ELF given, or the one built now."""
    from .. import config
    from ..deploy import flash as flashing
    from ..files.inputs import check_file
    from ..target.boards import load_board

    params, verb = ctx.params, f"tinyc {ctx.command.name}"
    options = {k: v for k, v in params.items() if k not in (*_FLASHING, *_PRINTING)}
    settings = config.load(options)
    elf, volume = params["image"], params.get("volume")
    if not settings.board:
        raise CompileError("E201", verb, "no board is named", "pass --board; see `tinyc boards`")
    if elf is not None:
        check_file(elf)
    board = load_board(settings.board)
    source = ctx.get_parameter_source("model")
    if elf is not None and source is not None and source.name == "COMMANDLINE":
        raise CompileError("E201", verb, "takes a model or --image", "leave one of them out")
    # Before anything is built: it need not be, if nothing can flash it.
    name = flashing.choose(board, params["tool"], volume, server)
    flashing.check_probe(name, params["probe"])
    if elf is None:
        job = _Job.of(options, verb)
        _, checks = job.reported()
        _judge(checks)
        elf = job.folder / f"{job.name}.elf"
    flashing.check_image(elf, board)
    return name, flashing.Target(elf, board, params["probe"], volume)


def _print_commands(ctx: typer.Context, name: str, target: Any, commands: Sequence[Any]) -> None:
    """On stdout where they are the result, else on stderr."""
    from ..deploy import flash as flashing

    params = ctx.params
    if params["as_json"]:
        _print_json(
            {
                "tool": name,
                "board": target.board.name,
                "image": str(target.elf),
                "commands": [list(command) for command in commands],
            }
        )
    for command in commands:
        if params["dry_run"] and not params["as_json"]:
            typer.echo(flashing.shown(command))
        else:
            _log.info(flashing.shown(command))


@app.command()
def export(
    ctx: typer.Context,
    to: Annotated[
        str, typer.Option(help="arduino, platformio, zephyr, cmsis-pack, cubeide or library.")
    ],
    model: ModelArg = None,
    board: BoardOpt = None,
    output_dir: OutputOpt = None,
    strict: StrictOpt = None,
    calibrate: CalibrateOpt = None,
    float_glue: FloatGlueOpt = None,
    trust: TrustOpt = None,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Write the model as a library or project of another ecosystem, with an example."""
    from ..deploy import export as exporter

    exporter.check_form(to)
    job = _Job.of({k: v for k, v in ctx.params.items() if k != "to"}, "tinyc export")
    folder = Path(job.config.output_dir) / "export" / to / job.name
    files = exporter.export(
        job.compiled.plan, job.compiled.sources, job.board, to, folder, job.config.model
    )
    names = [path.relative_to(folder.absolute()).as_posix() for path in files]
    if as_json:
        _print_json({"form": to, "folder": str(folder), "files": names})
    else:
        for name in names:
            typer.echo(folder / name)
    _log.info(f"wrote {folder}")


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Made if it is missing [this one].")
    ] = Path(),
    board: Annotated[
        str,
        typer.Option("--board", "-b", envvar=_env("BOARD"), help="Name or alias [stm32]."),
    ] = "stm32",
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Start from this one in the place of the sample."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write anew what `tinyc init` wrote and nobody changed.")
    ] = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Start a folder: a model with its settings, tests and a workflow for GitHub."""
    from ..deploy.init import create

    own = _own(model, board, folder) if model is not None else None
    for path in create(folder, board, force, own):
        _log.info(f"wrote {folder / path}")
    there = "" if folder == Path() else f"cd {folder} && "
    _log.info(f"next: {there}tinyc build && tinyc test")


def _own(model: str, board: str, folder: Path) -> Any:
    """What `tinyc init` has to know of a model of the user's, by a build."""
    import tempfile

    from ..config import Config
    from ..deploy.init import Own

    job = _Job.compile(Config(model=model, board=board), "tinyc init", "pass --model")
    with tempfile.TemporaryDirectory(prefix="tinyc-") as place:
        image = job.image(Path(place) / job.name, job.config.main)
        return Own.of(model, folder, job.compiled.plan, image)


@app.command()
def tune(
    ctx: typer.Context,
    model: ModelArg = None,
    board: BoardOpt = None,
    backend: Annotated[str, typer.Option(help="What is tuned: tvm.")] = "tvm",
    database: DatabaseOpt = None,
    toolchain: ToolchainOpt = None,
    calibrate: CalibrateOpt = None,
    float_glue: FloatGlueOpt = None,
    trust: TrustOpt = None,
    as_json: JsonOpt = False,
    verbose: VerboseOpt = False,
    quiet: QuietOpt = False,
) -> None:
    """Search TVM's schedules by cycles on the emulated core; later builds take the best."""
    from ..passes import optimize
    from ..tuning import tune as tuning

    if backend != "tvm":
        hint = "templates have nothing to tune"
        raise CompileError("E201", "--backend", f"'{backend}' cannot be tuned, tvm can", hint)
    job = _Job.of({**ctx.params, "backend": "templates"}, "tinyc tune")
    file = Path(job.config.database)
    with contextlib.ExitStack() as stack:

        def started(total: int) -> Any:
            _log.info(f"measuring {total} schedules for {file}")
            return stack.enter_context(_progress("tuning", total))

        try:
            found = tuning.tune(
                optimize(job.compiled.graph), job.board, file, job.config.toolchain, started
            )
        except KeyboardInterrupt:
            _log.info(f"stopped; the same command goes on with {file}")
            raise
    if as_json:
        _print_json({"database": str(file), "workloads": found})
        return
    heading = list(found[0]) if found else ["workload"]
    _print_table(heading, [[_show(entry[key]) for key in heading] for entry in found])


@app.command()
def ops(
    as_json: JsonOpt = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="docs/operators.md.")] = False,
) -> None:
    """List the operators: dtypes and kernels for each core."""
    from ..report import operators as opstable

    if markdown:
        typer.echo(opstable.markdown(), nl=False)
    elif as_json:
        _print_json({"operators": opstable.table()})
    else:
        heading, rows = opstable.grid()
        _print_table(heading, rows)


@app.command()
def doctor(as_json: JsonOpt = False) -> None:
    """Say which of the tools that tinyc can use are installed, and how to get the others."""
    from itertools import groupby

    from ..deploy import doctor as tools

    found = tools.inspect()
    if as_json:
        _print_json({"tools": found})
        return
    for group, entries in groupby(found, lambda tool: tool["group"]):
        _print_table(
            [group, "found", "used for", "remedy"],
            [[t["tool"], _found(t), t["purpose"], t["remedy"]] for t in entries],
        )


def _found(tool: Mapping[str, Any]) -> str:
    """What of a tool is there, and what is wrong with it."""
    if tool["problem"] and tool["version"]:
        return f"{tool['version']}: {tool['problem']}"
    return tool["problem"] or tool["version"] or "missing"


class _Job(Job):
    """A job of the command line: it tells on stderr how far it is."""

    @classmethod
    def start(cls, ctx: typer.Context) -> _Job:
        return cls.of(ctx.params, f"tinyc {ctx.command.name}")

    @classmethod
    def of(cls, params: Mapping[str, Any], verb: str, optional_calibration: bool = False) -> _Job:
        """params: of the command line, the settings among them; see `Job.compile`."""
        from .. import config

        settings = config.load({k: v for k, v in params.items() if k not in _PRINTING})
        hint = f'`{verb} MODEL.tflite`, or model = "..." in tinyc.toml (`tinyc init` makes one)'
        return cls.compile(settings, verb, hint, optional_calibration)

    @staticmethod
    def warn(text: str) -> None:
        _log.warn(text)

    @staticmethod
    def info(text: str) -> None:
        _log.info(text)

    @staticmethod
    def detail(text: str) -> None:
        _log.detail(text)

    @staticmethod
    def progress(text: str, total: int | None = None) -> Any:
        return _progress(text, total)


# Printing ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _progress(text: str, total: int | None = None) -> Iterator[Any]:
    """A bar on stderr (a spinner without ``total``); yields what advances it by one."""
    from rich.progress import Progress

    with Progress(
        console=_console(stderr=True),
        transient=True,
        disable=_log.level < 0 or not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(text, total=total)
        yield lambda: bar.advance(task)


@contextlib.contextmanager
def _train_progress() -> Iterator[tuple[Any, Any]]:
    """A bar over the steps of a training; yields what `tinyc.train.run.train` reports to."""
    from rich import progress

    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=_console(stderr=True),
        transient=True,
        disable=_log.level < 0 or not sys.stderr.isatty(),
    ) as bar:

        def started(done: int, total: int) -> Any:
            if done:
                _log.info(f"going on after step {done:,} of {total:,}")
            task = bar.add_task("training", total=total, completed=done)
            return lambda step: bar.update(task, completed=step)

        def on_epoch(epoch: Any) -> None:
            _log.info(
                f"epoch {epoch.number}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.4f}, "
                f"held out {epoch.held_out:.4f}"
            )

        yield started, on_epoch


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr, highlight=False, markup=False, emoji=False,
        no_color=not terminal or None, width=None if terminal else 160,
    )  # fmt: skip


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
    _log.printed = True


def _show(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


# What a table goes without, in this order, where the terminal is too narrow.
_SPARE = (
    "not taken", "op", "schedule", "bits", "index", "clock_hz", "constant_bytes", "mismatches",
    "milliseconds", "templates_cycles", "tvm_cycles", "cycles_per_binary_mac",
)  # fmt: skip


def _print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Whole names and numbers: columns of `_SPARE` are left out before one of them is broken."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = _console()
    columns = {name: [printable(row[i]) for row in rows] for i, name in enumerate(heading)}
    texts = {name: (_label(name), *cells) for name, cells in columns.items()}
    widths = {name: max(map(len, cells)) for name, cells in texts.items()}
    words = {
        n: max(len(w) for c in cells for w in (c or " ").split(" ")) for n, cells in texts.items()
    }

    def missing(widths: Mapping[str, int]) -> int:
        """By how much the terminal is too narrow: each column has three blanks around it."""
        return sum(widths[name] + 3 for name in columns) + 1 - console.width

    left_out = []
    for name in _SPARE:
        if name in columns and missing(words) > 0:
            left_out.append(_label(name))
            del columns[name]
    while missing(widths) > 0:
        # What has most words to wrap gives way, then what is one word, the first column last.
        first = next(iter(columns))
        name = max(columns, key=lambda n: (max(widths[n] - words[n], 0), widths[n] * (n != first)))
        widths[name] -= 1
    table = Table(box=box.SIMPLE)
    for name, cells in columns.items():
        numeric = len(columns) > 2 and all(c.replace(",", "").isdigit() for c in cells)
        justify = "right" if numeric else "left"
        table.add_column(_label(name), justify=justify, overflow="fold", width=max(widths[name], 1))
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    console.print(table)
    if left_out:
        _log.info(f"too narrow for {', '.join(left_out)}: widen the terminal, or see --json")


def _label(name: str) -> str:
    return name.replace("_", " ")


def _print_report(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(result)
        return
    from .. import report

    _print_table(["what", "value"], report.rows(result))
    heading, rows = report.layer_table(result)
    if rows:
        _print_table(heading, rows)


def _judge(checks: Sequence[Any]) -> None:
    errors = tuple(check.error for check in checks if check.error is not None)
    if errors:
        raise CompileErrors(errors)


# The wrapper -------------------------------------------------------------------------------


def execute(args: Sequence[str]) -> int:
    """Run one command line; returns its exit code. Every problem is told in a line on stderr, and
    under ``--json`` on stdout too, unless the object that it prints tells it already."""
    _log.level, _log.printed = 0, False
    as_json = "--json" in args
    try:
        result = typer.main.get_command(app)(list(args), prog_name="tinyc", standalone_mode=False)
        sys.stdout.flush()
        # typer turns Ctrl-C inside a verb into this code, without a word.
        if result == 130:
            return _interrupted()
        return result if isinstance(result, int) else 0
    except (CompileError, CompileErrors) as error:
        return _fail(error, as_json)
    except typer.Exit as done:
        return done.exit_code
    except _UsageError as error:
        ctx = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
            return 2
        where, said = ctx.command_path if ctx else "tinyc", error.format_message().rstrip(".")
        return _fail(CompileError("E200", where, said, f"see `{where} --help`"), as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        # Whoever read our output is gone; the interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(disk_error(error), as_json)
    except Exception as error:
        if _log.level > 0:
            import traceback

            traceback.print_exc()
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        hint = "report it with the model (-v shows where)"
        return _fail(CompileError("E100", "internal error", what, hint), as_json)


_ended_by = 0  # the signal, once one has come


class _Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP; Python itself takes note of a plain KeyboardInterrupt, and might die of
    it in the end."""


def _end(number: int, frame: Any) -> None:
    """Clean up as after Ctrl-C, undisturbed."""
    global _ended_by
    _ended_by = number
    signal.signal(number, signal.SIG_IGN)
    raise _Ended


def _interrupted() -> int:
    print("interrupted; nothing half-written is left", file=sys.stderr)
    return 128 + (_ended_by or signal.SIGINT)


def _fail(error: CompileError | CompileErrors, as_json: bool) -> int:
    if _ended_by:  # whatever was made of that exception on its way
        return _interrupted()
    print(error, file=sys.stderr)
    if as_json and not _log.printed:
        errors = error.errors if isinstance(error, CompileErrors) else (error,)
        facts = [e.facts for e in errors]
        _print_json({"error": facts[0], "errors": facts})
    return error.exit_code


def main() -> None:
    """Entry point of the ``tinyc`` command."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    sys.exit(execute(sys.argv[1:]))


if __name__ == "__main__":
    main()
