"""The ``tinyc`` command: its verbs, and what becomes of its errors and signals."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .. import plugins
from ..errors import CompileError, CompileErrors, disk_error
from . import (
    advise,
    bench,
    boards,
    build,
    compare,
    compress,
    debug,
    diff,
    doctor,
    export,
    fit,
    flash,
    init,
    ops,
    profile,
    report,
    search,
    serve,
    show,
    test,
    train,
    tune,
    verify,
)  # fmt: skip
from .options import QuietOpt, VerboseOpt
from .printing import log, print_json

# typer carries its own click from 0.16 on; this is the class of either.
_UsageError: Any = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="tinyc",
    help="Compile a trained neural network into Cortex-M firmware, proven in an emulator.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is there in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verb in (
    build.build,
    fit.fit,
    test.test,
    verify.verify,
    profile.profile,
    show.show,
    serve.serve,
    compare.compare,
    diff.diff,
    report.report,
    compress.compress,
    search.search,
    advise.advise,
    train.train,
    flash.flash,
    debug.debug,
    export.export,
    init.init,
    tune.tune,
    bench.bench,
    ops.ops,
    doctor.doctor,
):
    app.command()(_verb)
app.add_typer(boards.app, name="boards")


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
    if log.level <= 0:
        return
    import platform

    from ..deploy.doctor import inspect

    typer.echo(f"Python {platform.python_version()}")
    for tool in inspect(("compilers", "emulators")):
        typer.echo(f"{tool['tool']} {doctor.found(tool)}")
    for package, version in plugins.installed():
        typer.echo(f"{package} {version} (a plugin)")


def execute(args: Sequence[str]) -> int:
    """Run one command line; returns its exit code. Every problem is told in a line on stderr, and
    under ``--json`` on stdout too, unless the object that it prints tells it already."""
    log.level, log.printed = 0, False
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
        if log.level > 0:
            import traceback

            traceback.print_exc()
        if blamed := plugins.blamed(error):
            return _fail(blamed, as_json)
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
    if as_json and not log.printed:
        facts = error.facts if isinstance(error, CompileErrors) else [error.facts]
        print_json("error", {"error": facts[0], "errors": facts})
    return error.exit_code


def main() -> None:
    """Entry point of the ``tinyc`` command."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    sys.exit(execute(sys.argv[1:]))
