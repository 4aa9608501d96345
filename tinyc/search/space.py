"""Spaces of small convolutional networks, as recipes of searches have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import CompileError
from ..files.inputs import read_toml
from ..settings import Config
from ..train.recipe import checked
from .network import Block, Network
from .recipe import Digests, Recipe, Trained, absolute

Pick = Callable[[str, list[Any]], Any]
"""(what is chosen, what it may be) -> what it is."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Space(_Strict):
    """What each part of a network may be: filters and stride of the stem; how many ``stages`` there
    are, each from the second on at half the height and width of the one before; the depth, the
    filters, the kernel and the form of each stage's blocks."""

    stem: list[int] = Field(min_length=1)
    stem_stride: list[Literal[1, 2]] = [1]
    stages: int = Field(ge=1, le=6)
    depth: list[int] = Field(min_length=1)
    filters: list[int] = Field(min_length=1)
    kernels: list[Literal[1, 3, 5, 7]] = Field([3], min_length=1)
    forms: list[Literal["conv", "separable"]] = Field(["conv"], min_length=1)

    @field_validator("stem", "depth", "filters")
    @classmethod
    def _positive(cls, values: list[int]) -> list[int]:
        if min(values) < 1:
            raise ValueError("each is 1 or more")
        return sorted(set(values))

    def network(self, pick: Pick) -> Network:
        """The one whose parts ``pick`` picks."""
        stem, stride = pick("stem", self.stem), pick("stem_stride", self.stem_stride)
        blocks: list[Block] = []
        for stage in range(1, self.stages + 1):
            depth = pick(f"depth{stage}", self.depth)
            filters = pick(f"filters{stage}", self.filters)
            kernel = pick(f"kernel{stage}", self.kernels)
            form = pick(f"form{stage}", self.forms)
            blocks += [
                Block(
                    filters=filters, kernel=kernel, form=form,
                    stride=2 if stage > 1 and place == 0 else 1,
                )
                for place in range(depth)
            ]  # fmt: skip
        return Network(stem=stem, stem_stride=stride, blocks=blocks)

    def edge(self, place: int) -> Network:
        """The smallest network, by ``place`` 0, or the largest, by -1."""
        return self.network(lambda name, values: values[place])


def stages(network: Network) -> Iterator[tuple[int, int, Block]]:
    """The stage, the place in it, both from 1 on, and each block of a network of a `Space`."""
    stage, place = 1, 0
    for block in network.blocks:
        stage, place = (stage + 1, 1) if block.stride == 2 else (stage, place + 1)
        yield stage, place, block


class SuperTraining(_Strict):
    """How long all networks of the space are trained as parts of one. epochs: of steps that each
    train the largest, the smallest and ``between`` others."""

    epochs: float = Field(gt=0)
    between: int = Field(2, ge=0)


class Search(_Strict):
    """An architecture search: its data and board as those of a `Recipe`, with_: the techniques that
    train each network; trials: how many; supernet: train one network that has all in it, and cut
    those from it."""

    title: str
    data: str
    pixels: tuple[float, float] = Field((-1.0, 1.0), strict=False)
    board: str | None = None
    optimize: Literal["balanced", "speed", "ram", "flash"] | None = None
    with_: str | None = Field(None, alias="with")
    trials: int = Field(32, ge=1)
    goal: Literal["latency", "ram", "flash", "balanced", "extreme"] = "balanced"
    min_accuracy: float | None = Field(None, ge=0, le=1)
    max_flash: int | None = Field(None, ge=0)
    max_ram: int | None = Field(None, ge=0)
    max_cycles: int | None = Field(None, ge=0)
    space: Space
    training: Trained = Trained()
    supernet: SuperTraining | None = None


def load(path: Path) -> Search:
    """The search of a file, whose data have an absolute path.

    Raises CompileError(s) E208 (unknown key), E209 (bad value), E218 (no such file).
    """
    try:
        values = read_toml(path)
    except FileNotFoundError:
        raise CompileError("E218", str(path), "no such file") from None
    found = checked(values, Search, str(path))
    named = {"data": found.data, **({"board": found.board} if found.board else {})}
    return found.model_copy(update=absolute(named, path.parent))


@dataclass(frozen=True)
class Networks:
    """Networks of a space, each trained, or cut from a supernet. base: what all recipes share."""

    base: Recipe
    settings: Config
    space: Space
    digest: Digests

    @property
    def name(self) -> str:
        return f"{self.space.model_dump_json()} {self.digest(self.base)}"

    def suggest(self, trial: Any) -> Recipe:
        network = self.space.network(trial.suggest_categorical)
        part = "network" if self.base.supernet is None else "subnet"
        return self.base.model_copy(update={part: network})
