"""The options of the verbs: those of the settings are made of `tinyc.settings`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from ..settings import Config, Expect, Setting
from . import completion
from .call import Call
from .printing import log


def _louder(value: bool) -> bool:
    if value:
        log.level = 1
    return value


def _quieter(value: bool) -> bool:
    if value:
        log.level = -1
    return value


JsonOpt = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
VerboseOpt = Annotated[
    bool, typer.Option("--verbose", "-v", callback=_louder, is_eager=True, help="Say more.")
]
QuietOpt = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        callback=_quieter,
        is_eager=True,
        help="Say nothing but the result: a verdict in a line.",
    ),
]
_PRINTING = {"as_json": JsonOpt, "verbose": VerboseOpt, "quiet": QuietOpt}


def env(name: str) -> str:
    """The variable of an option."""
    return f"TINYC_{name.upper()}"


def verb(takes: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make what typer takes for a command of a function that is given a `Call` and its own
    options.

    takes: what it has of the settings (fields of `Config` and `Expect`) and of ``as_json``,
    ``verbose`` and ``quiet``, in the order of its help, and ``*`` where its own options stand, by
    default in front.
    """
    names = takes.split() if "*" in takes.split() else ["*", *takes.split()]

    def command(function: Callable[..., None]) -> Callable[..., None]:
        own = dict(list(inspect.signature(function, eval_str=True).parameters.items())[1:])

        def run(ctx: typer.Context, **params: Any) -> None:
            rest = {key: params.pop(key) for key in own}
            source = ctx.get_parameter_source("model")
            named = source is not None and source.name == "COMMANDLINE"
            as_json = params.pop("as_json", False)
            given = {key: value for key, value in params.items() if key not in _PRINTING}
            function(Call(ctx.command_path, given, named, as_json), **rest)

        made = [_parameter("ctx", typer.Context, inspect.Parameter.empty)]
        for key in names:
            if key == "*":
                made += [_parameter(p.name, p.annotation, p.default) for p in own.values()]
            elif key in _PRINTING:
                made.append(_parameter(key, _PRINTING[key], False))
            else:
                made.append(_parameter(key, _SETTINGS[key], None))
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__signature__ = inspect.Signature(made)  # type: ignore[attr-defined] # which typer reads
        run.__annotations__ = {p.name: p.annotation for p in made}
        return run

    return command


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, annotation=annotation, default=default)


def _settings() -> Iterator[tuple[str, Any]]:
    """Each setting and its option or argument, as typer understands it."""
    for table in (Config, Expect):
        hints = get_type_hints(table, include_extras=True)
        for field in fields(table):
            if get_origin(hints[field.name]) is Annotated:
                kind, setting = get_args(hints[field.name])
                option = _option(field.name, setting, kind)
                yield field.name, Annotated[_value(kind) | None, option]


def _option(name: str, setting: Setting, kind: Any) -> Any:
    more: dict[str, Any] = {
        "help": setting.help,
        "envvar": env(setting.env or name),
        "autocompletion": _completed(name, kind),
    }
    if setting.metavar is not None:
        return typer.Argument(metavar=setting.metavar, **more)
    flags = [f"--{name.replace('_', '-')}"]  # without --no-, for a bool
    if setting.short is not None:
        flags.append(setting.short)
    return typer.Option(*flags, min=setting.least, max=setting.most, **more)


def _completed(name: str, kind: Any) -> completion.Completion | None:
    """What completes the values of a setting: those of its type, if that lists them."""
    kind = _plain(kind)
    if get_origin(kind) is Literal:
        return completion.words(*get_args(kind))
    return completion.SETTINGS.get(name)


def _value(kind: Any) -> Any:
    """The type of an option's value. Words are checked with the rest of the settings."""
    kind = _plain(kind)
    return str if get_origin(kind) is Literal else kind


def _plain(kind: Any) -> Any:
    """A type without the None that stands for what is not given."""
    return get_args(kind)[0] if get_origin(kind) in (Union, UnionType) else kind


_SETTINGS = dict(_settings())
