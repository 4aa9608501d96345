"""Variables that a model keeps between its runs, as states of the graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import CompileError
from ...ir import State, TensorType, Value

Name = tuple[str, str]
"""The container and the shared name of a variable."""


@dataclass
class _Variable:
    """entry: what the graph reads of it before it has written it; now: what it holds at this
    place of the graph; initial: what the file gives it, None if it gives nothing."""

    entry: Value | None = None
    now: Value | None = None
    initial: Value | None = None


class Variables:
    """All variables of a file, in the order in which they are met."""

    def __init__(self) -> None:
        self._known: dict[Name, _Variable] = {}
        self._initializing = False

    @contextlib.contextmanager
    def initializing(self) -> Iterator[None]:
        """What is assigned within is what variables hold before the first run."""
        self._initializing = True
        try:
            yield
        finally:
            self._initializing = False

    def read(self, name: Name, like: Value, origin: str) -> Value:
        """What a variable holds, as READ_VARIABLE's output ``like`` expects it."""
        variable = self._known.setdefault(name, _Variable())
        if variable.now is None:
            variable.entry = variable.now = like
        _expect_type(variable.now.type, like.type, name, origin)
        return variable.now

    def assign(self, name: Name, value: Value, origin: str) -> None:
        variable = self._known.setdefault(name, _Variable())
        if self._initializing:
            if value.data is None:
                what = f"'{name[1]}' starts with what is no constant"
                raise CompileError("E305", origin, what, "give the variable a constant initializer")
            variable.initial = value
            return
        if variable.now is not None:
            _expect_type(value.type, variable.now.type, name, origin)
        variable.now = value

    def problems(self) -> list[CompileError]:
        """What the file gives variables to start with, of another type than they are read as."""
        errors = []
        for name, variable in self._known.items():
            entry, initial = variable.entry, variable.initial
            if entry is not None and initial is not None:
                try:
                    _expect_type(initial.type, entry.type, name, entry.origin)
                except CompileError as error:
                    errors.append(error)
        return errors

    def states(self) -> tuple[State, ...]:
        """Those that a run reads before it writes them. One that the file gives nothing starts
        with the zero of its quantization, as TensorFlow Lite Micro has it."""
        found = []
        for variable in self._known.values():
            entry, now = variable.entry, variable.now
            if entry is None or now is None:
                continue
            if variable.initial is not None and variable.initial.data is not None:
                initial = variable.initial.data
            else:
                shape, dtype = entry.type.shape, entry.type.dtype.numpy
                initial = np.full(shape, entry.type.zero_point, dtype)
            found.append(State(entry, now, initial))
        return tuple(found)


def _expect_type(given: TensorType, wanted: TensorType, name: Name, origin: str) -> None:
    if given != wanted:
        raise CompileError(
            "E302", origin, f"variable '{name[1]}' holds {given} and is read as {wanted}, or with "
            "another scale", "give it one type, shape and quantization",
        )  # fmt: skip
