"""A search that costs nothing: networks whose figures are made of their numbers. Run as a program
it searches in the folder of its first argument, a trial in a tenth of a second."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyc.errors import CompileError
from tinyc.search.front import Bounds
from tinyc.search.measure import Figures
from tinyc.search.network import Block, Network
from tinyc.search.recipe import Recipe
from tinyc.search.study import Found, alone, search
from tinyc.search.trial import Job, Outcome
from tinyc.settings import Config

FAILS = 7
"""The stem whose trials fail."""


@dataclass(frozen=True)
class Toy:
    settings: Config = field(default_factory=lambda: Config(board="stm32"))
    name: str = "toy"

    def suggest(self, trial: Any) -> Recipe:
        block = Block(filters=trial.suggest_int("filters", 1, 64))
        stem = trial.suggest_int("stem", 1, 16)
        kind = trial.suggest_categorical("blocks", ["one", "two"])
        blocks = [block] * (1 if kind == "one" else 2)
        return Recipe(
            network=Network(stem=stem, blocks=blocks),
            data="digits",
            with_="finetune",
            board="stm32",
        )

    def digest(self, recipe: Recipe) -> str:
        return hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()


def evaluate(job: Job) -> Outcome:
    """Larger networks are better, with less and less for more, but for second blocks."""
    network = job.recipe.network
    assert network is not None
    if network.stem == FAILS:
        return Outcome(error=CompileError("E361", "toy", "its loss is nan").facts)
    size = network.stem * 4 + sum(block.filters for block in network.blocks)
    useful = network.stem * 4 + network.blocks[0].filters
    right = useful / (useful + 64) - (0.1 if job.estimate else 0)
    figures = Figures(right, None, 1000 + 16 * size, 500 + size, 100 * size, 90 * size, 64)
    return Outcome(figures, network.text.encode(), 0.1)


def here(
    jobs: Sequence[Job], until: float | None, pause: float = 0.0, log: Path | None = None
) -> Iterator[tuple[int, Outcome]]:
    """What runs jobs in this process, the last first."""
    for index, job in reversed(list(enumerate(jobs))):
        time.sleep(pause)
        if log is not None:
            with log.open("a") as file:
                file.write(f"{job.recipe.text} {job.estimate}\n")
        yield index, evaluate(job)


def searched(folder: Path, trials: int = 24, pause: float = 0.0, **more: Any) -> Found:
    log = folder.parent / f"{folder.name}.log"
    bounds = more.pop("bounds", Bounds())
    run = more.pop("run", lambda jobs, until: here(jobs, until, pause, log))
    with alone(folder):
        return search(more.pop("toy", Toy()), bounds, folder, run, trials=trials, **more)


if __name__ == "__main__":
    searched(Path(sys.argv[1]), pause=0.1)
