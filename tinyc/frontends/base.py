"""What a frontend is: who reads a model's file, of whatever format, as a graph.

Each module of `tinyc.frontends` that reads a format tells of itself by `register`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..ir import Array, Graph
from ..plugins import Registry

Predict = Callable[[list[Array]], list[Array]]
"""An array [n, ...] for each input -> for each output float32 [n, ...]."""


class Model(NamedTuple):
    """graph: the network; predict: the model as its own framework computes it, None where the
    graph is all that there is."""

    graph: Graph
    predict: Predict | None = None


class Computed(NamedTuple):
    """by: what computed, and its version; outputs: for each output an array [n, *shape]."""

    by: str
    outputs: list[Array]


@dataclass(frozen=True)
class Frontend:
    """takes: whether it reads what a path, or ``file.py:function``, names, by its name alone;
    read: the model, where code that came with it may run only if the second argument says so;
    compute: what the runtime of the format makes of arrays [n, *shape], one for each input, None
    where it is not installed; any exception says that it cannot run the model; tensors: what it
    makes of the last sample, tensors by their names, where ``compute`` computes."""

    name: str
    takes: Callable[[str], bool]
    read: Callable[[str, bool], Model]
    compute: Callable[[str, Sequence[Array]], Computed | None] | None = None
    tensors: Callable[[str, Sequence[Array]], Mapping[str, Array]] | None = None


_FRONTENDS: Registry[Frontend] = Registry("frontend", __package__)
register = _FRONTENDS.add
frontends = _FRONTENDS.all


def read_model(model: str, trust: bool = False) -> Model:
    """Read ``model`` by the first frontend that takes it, and by TFLite's where none does.

    trust: run code that came with a file. Raises the CompileError(s) E2xx and E3xx of that
    frontend.
    """
    return frontend_of(model).read(model, trust)


def frontend_of(model: str) -> Frontend:
    """The first frontend that takes ``model``, and TFLite's where none does."""
    known = frontends()
    return next((f for f in known.values() if f.takes(model)), known["tflite"])
