"""Techniques one after the other: ``prune:0.7,int4`` as text, checked, and applied."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from ...errors import CompileError
from .base import Params, Technique, Work, techniques

WHERE = "--with"


@dataclass(frozen=True)
class Stage:
    """A technique and what it was told; text: as it was written."""

    technique: Technique[Any]
    params: Params
    text: str


def parse(text: str) -> tuple[Stage, ...]:
    """The stages of ``NAME[:VALUE][:KEY=VALUE]...``, several with commas between them.

    Raises CompileError E209 (no such technique, or parameter, or a value out of its range).
    """
    return tuple(_stage(part.strip()) for part in text.split(",") if part.strip())


def _stage(text: str) -> Stage:
    name, *words = text.split(":")
    known = techniques()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(known)}"
        raise CompileError("E209", WHERE, f"there is no technique {name!r}", hint)
    technique = known[name]
    fields = list(technique.params.model_fields)
    values: dict[str, Any] = {}
    layers: dict[str, str] = {}
    for place, word in enumerate(words):
        key, is_named, value = word.partition("=")
        if not is_named:
            if place or not fields or fields[0] == "layers":
                what, hint = f"{name} takes no {word!r}", f"it takes {_takes(technique)}"
                raise CompileError("E209", WHERE, what, hint)
            values[fields[0]] = key
        elif key in fields and key != "layers":
            values[key] = value
        elif "layers" in fields:
            layers[key] = value
        else:
            what, hint = f"{name} has no parameter {key!r}", f"it takes {_takes(technique)}"
            raise CompileError("E209", WHERE, what, hint)
    if layers:
        values["layers"] = layers
    try:
        return Stage(technique, technique.params.model_validate(values), text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "layers")
        said = first["msg"].removeprefix("Value error, ")
        said = said[:1].lower() + said[1:]
        wrong = f"{first['input']!r} is no {where} for {name}" if where else repr(text)
        what = f"{wrong}: {said}"
        raise CompileError("E209", WHERE, what, f"it takes {_takes(technique)}") from None


def _takes(technique: Technique[Any]) -> str:
    fields = technique.params.model_fields
    parts = [
        "LAYER=VALUE" if name == "layers" else f"{name} [{field.default}]"
        for name, field in fields.items()
    ]
    return ", ".join(parts) or "nothing"


def check(stages: Sequence[Stage], work: Work) -> None:
    """Raises CompileError E361 where a technique needs labels that there are not, or one follows
    that cannot."""
    if work.data.y is not None or reproduces(work.model):
        return
    for stage in stages:
        labels = stage.technique.labels
        if callable(labels) and not labels(stage.params):
            return  # nor do trainings behind it
        if labels and getattr(stage.params, "epochs", None) != 0:
            what = f"{stage.technique.name} trains with labels, and {work.data.name} has none"
            hint = "put the classes into the .npz as 'y'"
            raise CompileError("E361", WHERE, what, hint)


def reproduces(model: Any) -> bool:
    """Whether outputs have the shape of inputs, as an autoencoder's, which learns from those."""
    return bool(tuple(model.output_shape[1:]) == tuple(model.input_shape[1:]))


def run(stages: Iterable[Stage], work: Work) -> Iterable[Work]:
    """The work after each stage. Raises CompileError E361 where a stage follows quantization-aware
    training, which has to be the last, and those of the techniques."""
    for stage in stages:
        if work.wrapped:
            what = f"{stage.text} follows {work.done[-1]}, behind which nothing can be changed"
            raise CompileError("E361", WHERE, what, "put that last")
        work.listener.info(f"{stage.text}: {stage.technique.help}")
        made = stage.technique.apply(work, stage.params)
        work = replace(made, done=(*work.done, stage.text))
        yield work
