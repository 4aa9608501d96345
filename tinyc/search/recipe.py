"""Recipes of compression: strict TOML that says all that a compressed model depends on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .. import __version__
from ..compress.keras import chain
from ..compress.keras.base import Data, Precision, Training
from ..errors import CompileError
from ..files.inputs import read_toml
from ..settings import Config
from ..target.boards import is_file
from ..train.recipe import checked
from .data import NAMED
from .network import Network


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Trained(_Strict):
    """How techniques train, see `tinyc.compress.keras.base.Training`. threads: of TensorFlow's
    operations, in whose number sums are split; equal numbers alone come to equal bits."""

    epochs: float = Field(1.0, ge=0)
    batch: int = Field(128, ge=1)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    shift: int = Field(0, ge=0)
    flip: bool = False
    precision: Precision = "auto"
    seed: int = Field(0, ge=0)
    threads: int = Field(0, ge=0)

    def training(self, folder: Path | None = None) -> Training:
        return Training(**self.model_dump(), folder=folder)


class Result(_Strict):
    """What the recipe comes to: `tinyc.search.measure.Figures`, and the SHA-256 of the model's
    file."""

    accuracy: float | None = None
    error: float | None = None
    flash_bytes: int
    ram_bytes: int
    cycles: int | None = None
    instructions: int
    file_bytes: int
    fits: bool = True
    early: float | None = None
    average_cycles: int | None = None
    sha256: str


class Recipe(_Strict):
    """Everything that a compressed model depends on, but what the machine computes with.

    What is compressed is one of: model, the path of a Keras model or ``file.py:function``; network,
    a description of one, whose weights the seed chooses; subnet, one that is cut from a supernet.
    with_: the techniques, see `tinyc.compress.keras.chain`; data, pixels: see
    `tinyc.search.data.load`; teacher: a model that distillation learns from. Paths are relative to
    the recipe's file.
    """

    model: str | None = None
    network: Network | None = None
    subnet: Network | None = None
    supernet: str | None = None
    data: str
    pixels: tuple[float, float] = Field((-1.0, 1.0), strict=False)
    with_: str = Field("int8", alias="with")
    teacher: str | None = None
    board: str
    optimize: Literal["balanced", "speed", "ram", "flash"] = "balanced"
    toolchain: Literal["gcc", "clang"] | None = None
    training: Trained = Trained()
    result: Result | None = None

    @model_validator(mode="after")
    def _one(self) -> Recipe:
        if sum(x is not None for x in (self.model, self.network, self.subnet)) != 1:
            raise ValueError("it has one of 'model', 'network' and 'subnet'")
        if (self.subnet is None) != (self.supernet is None):
            raise ValueError("'subnet' and 'supernet' go together")
        return self

    @property
    def name(self) -> str:
        """What files are called by."""
        if self.model is None:
            return "network"
        return Path(self.model.split(":")[0]).stem

    @property
    def text(self) -> str:
        """What tells it apart in a search."""
        network = self.network or self.subnet
        parts = [] if network is None else [network.text]
        return " ".join(parts + [self.with_] * (network is None or "," in self.with_))

    @property
    def trains(self) -> bool:
        """Whether less training makes another model."""
        stages = chain.parse(self.with_)
        return self.training.epochs > 0 and any(stage.technique.trains for stage in stages)

    def settings(self, usual: Config) -> Config:
        """``usual`` for the board and the goal of the recipe."""
        return replace(
            usual, board=self.board, optimize=self.optimize, toolchain=self.toolchain, lock="none"
        )


class Digests:
    """Recipe with absolute paths -> a digest, equal for what comes to the same: of the contents of
    the files that it names, each read once."""

    def __init__(self, data: Data) -> None:
        self._data = _of_data(data)
        self._files: dict[str, str] = {}

    def __call__(self, recipe: Recipe) -> str:
        plain: dict[str, Any] = recipe.model_dump(exclude={"result", "data", "pixels"})
        for key in ("model", "teacher", "supernet", "board"):
            if (named := plain[key]) is not None:
                if named not in self._files:
                    self._files[named] = content(named)
                plain[key] = self._files[named]
        text = json.dumps([__version__, plain, self._data], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def content(named: str) -> str:
    """The SHA-256 of a named file, and the function of it; what names no file stays as it is."""
    path, _, function = named.partition(":")
    found = Path(path)
    if found.is_file():
        return f"{hashlib.sha256(found.read_bytes()).hexdigest()}:{function}"
    if found.is_dir():  # a SavedModel
        files = sorted(p for p in found.rglob("*") if p.is_file())
        parts = [p.relative_to(found).as_posix().encode() + p.read_bytes() for p in files]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()
    return named


def _of_data(data: Data) -> str:
    found = hashlib.sha256(repr((data.scale, data.offset, data.classes)).encode())
    for array in (data.x, data.y, data.x_test, data.y_test):
        found.update(b"-" if array is None else repr((array.shape, array.dtype)).encode())
        found.update(b"" if array is None else array.tobytes())
    return found.hexdigest()


def moved(recipe: Recipe, folder: Path, back: bool = False) -> Recipe:
    """The recipe whose paths, relative to ``folder``, are absolute; with ``back`` the other way."""

    def path(named: str) -> str:
        file, colon, function = named.partition(":")
        there = os.path.relpath(file, folder) if back else os.path.abspath(folder / file)
        return there + colon + function

    named = {key: getattr(recipe, key) for key in _PATHS}
    return recipe.model_copy(update=_at(named, path))


def absolute(values: Mapping[str, Any], folder: Path | None = None) -> dict[str, Any]:
    """Keys of a recipe, whose paths are relative to ``folder``, by default the current one, with
    absolute ones."""

    def path(named: str) -> str:
        file, colon, function = named.partition(":")
        return os.path.abspath((folder or Path()) / file) + colon + function

    return {**values, **_at(values, path)}


_PATHS = ("model", "teacher", "supernet", "data", "board")


def _at(values: Mapping[str, Any], path: Callable[[str], str]) -> dict[str, str]:
    """Those of `_PATHS` that name a file, each as ``path`` has it."""
    found = {key: values[key] for key in _PATHS if values.get(key) is not None}
    if found.get("data") in NAMED:
        del found["data"]
    if "board" in found and not is_file(found["board"]):
        del found["board"]
    return {key: path(named) for key, named in found.items()}


def dumps(recipe: Recipe) -> str:
    """As TOML."""
    plain = recipe.model_dump(by_alias=True, exclude_none=True)
    tables = {k: v for k, v in plain.items() if isinstance(v, dict)}
    lines = [f"{k} = {_value(v)}" for k, v in plain.items() if k not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{k} = {_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """JSON's strings, numbers and lists are TOML's; its objects are not."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def checked_options(values: Mapping[str, Any]) -> Recipe:
    """The recipe of what a command was told. Raises CompileError(s) E209."""
    return checked(values, Recipe, "tinyc compress")


def load(path: Path) -> Recipe:
    """The recipe of a file, with absolute paths.

    Raises CompileError(s) E208 (unknown key), E209 (bad value), E218 (no such file).
    """
    try:
        values = read_toml(path)
    except FileNotFoundError:
        raise CompileError("E218", str(path), "no such file") from None
    return moved(checked(values, Recipe, str(path)), path.parent)
