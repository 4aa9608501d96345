"""What a frontend is: who reads a model's file, of whatever format, as a graph.

Each module of `tinyc.frontends` that reads a format tells of itself by `register`.
"""

from __future__ import annotations

from collections.abc import Callable
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


@dataclass(frozen=True)
class Frontend:
    """takes: whether it reads what a path, or ``file.py:function``, names, by its name alone;
    read: the model, where code that came with it may run only if the second argument says so."""

    name: str
    takes: Callable[[str], bool]
    read: Callable[[str, bool], Model]


_FRONTENDS: Registry[Frontend] = Registry("frontend", __package__)
register = _FRONTENDS.add
frontends = _FRONTENDS.all


def read_model(model: str, trust: bool = False) -> Model:
    """Read ``model`` by the first frontend that takes it, and by TFLite's where none does.

    trust: run code that came with a file. Raises the CompileError(s) E2xx and E3xx of that
    frontend.
    """
    known = frontends()
    found = next((f for f in known.values() if f.takes(model)), known["tflite"])
    return found.read(model, trust)
