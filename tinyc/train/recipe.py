"""Recipes: strict TOML under ``recipes/``, or any file of that form -> `Recipe`."""

from __future__ import annotations

import difflib
import hashlib
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import CompileError, CompileErrors
from ..files.inputs import read_toml
from ..files.paths import resource
from ..plugins import twice


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Network(_Strict):
    """A convolutional classifier: a stem, stages of 3x3 convolutions, the mean, a dense layer.

    body: ``binary`` computes each convolution of the stages with signs of inputs and weights,
    ``int8`` with both quantized after training; stem and dense layer are int8 in either case.
    stem: filters of the 3x3 stem, stem_stride: its stride. stages: the filters of each
    convolution, a list a stage; between two stages a max pool halves the map. shortcut: how many
    convolutions each shortcut spans, 0 for none; with them a 1x1 convolution brings the input of
    a stage to the stage's filters.
    """

    body: Literal["binary", "int8"]
    stem: int = Field(ge=1)
    stem_stride: Literal[1, 2] = 1
    stages: list[list[int]] = Field(min_length=1)
    shortcut: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Network:
        for stage in self.stages:
            if not stage or min(stage) < 1:
                raise ValueError("a stage is a list of one or more numbers of filters")
            if self.shortcut and (len(set(stage)) > 1 or len(stage) % self.shortcut):
                raise ValueError(
                    "with shortcuts a stage repeats one number of filters, a multiple of the "
                    "convolutions that a shortcut spans"
                )
        return self


class Optimizer(_Strict):
    """Adam; its rate falls to zero along half a cosine over all steps."""

    learning_rate: float = Field(gt=0, le=1)
    batch: int = Field(ge=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)


class Augment(_Strict):
    """What is done to a training image at random: shift by up to ``shift`` pixels each way (the
    rest is its mirror image), and mirrored left to right if ``flip``."""

    shift: int = Field(0, ge=0)
    flip: bool = False


class Result(_Strict):
    """What the committed weights beside a recipe are: accuracy 0..1 on the held-out data,
    measured on the exported file; its size in bytes; the precision of the training's arithmetic;
    the seconds that it took."""

    accuracy: float = Field(ge=0, le=1)
    file_bytes: int = Field(ge=1)
    precision: str
    seconds: float = Field(ge=0)


class Recipe(_Strict):
    """Everything that a training depends on, but the machine and the images.

    data: ``digits``, ``cifar10``, or the path of an ``.npz`` with images x and classes y, relative
    to the recipe; see `tinyc.train.dataset.load`.
    """

    title: str
    data: str
    seed: int = Field(ge=0)
    epochs: int = Field(ge=1)
    model: Network
    optimizer: Optimizer
    augment: Augment = Augment()
    result: Result | None = None

    @field_validator("data")
    @classmethod
    def _known(cls, data: str) -> str:
        if data not in ("digits", "cifar10") and not data.endswith(".npz"):
            raise ValueError("data are 'digits', 'cifar10', or the path of an .npz with x and y")
        return data

    @property
    def fingerprint(self) -> str:
        """Equal for recipes that train alike, wherever data of one's own lie."""
        plain = self.model_copy(update={"data": ".npz"}) if self.data.endswith(".npz") else self
        text = plain.model_dump_json(exclude={"title", "result"})
        return hashlib.sha256(text.encode()).hexdigest()


def known(folders: Iterable[Path] = ()) -> dict[str, Path]:
    """The recipes that come with tinyc and those of a project's ``folders``: name -> file. Raises
    CompileError E246 (no such folder), E252 (two have one name)."""
    found = {path.stem: path for path in sorted(resource("recipes").glob("*.toml"))}
    for folder in folders:
        if not folder.is_dir():
            hint = "`recipes` in tinyc.toml names folders with a .toml for each recipe"
            raise CompileError("E246", str(folder), "no such folder", hint)
        for path in sorted(folder.glob("*.toml")):
            if found.setdefault(path.stem, path) is not path:
                raise twice(f"{path}: the recipe", f"it is {found[path.stem]}")
    return found


def load(recipe: str, folders: Iterable[Path] = ()) -> tuple[str, Recipe]:
    """(name, recipe) of a name among those `known`, or of the path of a ``.toml``.

    Raises CompileError(s) E208 (unknown key), E209 (bad value), E218 (no such recipe), and those of
    `known`.
    """
    path, recipes = Path(recipe), known(folders)
    if path.suffix != ".toml":
        if recipe not in recipes:
            near = difflib.get_close_matches(recipe, recipes, n=3) or recipes
            raise CompileError(
                "E218", recipe, "there is no such recipe",
                f"did you mean {' or '.join(near)}? The path of a .toml will do as well",
            )  # fmt: skip
        path = recipes[recipe]
    try:
        values = read_toml(path)
    except FileNotFoundError:
        hint = f"known recipes: {', '.join(recipes)}"
        raise CompileError("E218", str(path), "no such file", hint) from None
    found = checked(values, Recipe, str(path))
    own = found.data.endswith(".npz")
    place = {"data": str(path.parent / found.data)} if own else {}
    return path.stem, found.model_copy(update=place)


_Kind = TypeVar("_Kind", bound=BaseModel)


def checked(values: Mapping[str, Any], kind: type[_Kind], file: str) -> _Kind:
    """What the table of a ``file`` says. Raises CompileError(s) E208 (unknown key), E209 (bad
    value)."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = tuple(_problem(file, e, kind) for e in error.errors())
        raise problems[0] if len(problems) == 1 else CompileErrors(problems) from None


def _problem(file: str, error: Any, kind: type[BaseModel]) -> CompileError:
    path = [str(part) for part in error["loc"]]
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        known = _keys(kind, error["loc"][:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return CompileError("E208", file, f"unknown key '{key}'", hint)
    if error["type"] == "missing":
        return CompileError("E209", file, f"the key '{key}' is missing")
    place = f"{file}: {key}" if key else file
    return CompileError("E209", place, f"{reprlib.repr(error['input'])}: {error['msg']}")


def _keys(kind: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Those of the table that lies at ``path`` in one of a ``kind``."""
    for part in path:
        if isinstance(part, str) and part in kind.model_fields:
            kind = _table(kind.model_fields[part].annotation) or kind
    return [field.alias or name for name, field in kind.model_fields.items()]


def _table(annotation: Any) -> type[BaseModel] | None:
    """The kind of table that an annotation has in it, as ``list[Block]`` or ``Block | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_table, get_args(annotation))), None)
