"""One trial of a search: a recipe made and measured, in a process of its own, and kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import config
from ..errors import CompileError, CompileErrors
from ..files.folder import written
from ..settings import Config
from .measure import Figures
from .recipe import Recipe, Result, dumps, moved

FEW = 1000
"""Samples held out that an estimate is judged by."""
ESTIMATE = 0.1
"""The part of a training's epochs that an estimate has."""


@dataclass(frozen=True)
class Job:
    """recipe: with absolute paths; settings: of the build; estimate: whether a tenth of the
    training and few samples will do."""

    recipe: Recipe
    settings: Config
    estimate: bool = False


@dataclass(frozen=True)
class Outcome:
    """figures and the contents of the file, or why there are none."""

    figures: Figures | None = None
    content: bytes = b""
    seconds: float = 0.0
    error: Mapping[str, Any] | None = None


def evaluate(job: Job) -> Outcome:
    """What a job comes to: a function of it and the contents of the files that it names, whatever
    the process has done before. Whatever goes wrong is told as a value."""
    began = time.monotonic()
    try:
        figures, content = _evaluated(job)
        return Outcome(figures, content, time.monotonic() - began)
    except (CompileError, CompileErrors) as error:
        first = error.errors[0] if isinstance(error, CompileErrors) else error
        return Outcome(error=first.facts)
    except MemoryError:
        facts = CompileError("E100", job.recipe.with_, "the memory is full").facts
        return Outcome(error=facts)
    except Exception as error:
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return Outcome(error=CompileError("E100", job.recipe.with_, what).facts)


def _evaluated(job: Job) -> tuple[Figures, bytes]:
    from .run import made

    recipe, cache = job.recipe, Path(job.settings.output_dir)
    if job.estimate:
        epochs = recipe.training.epochs * ESTIMATE
        training = recipe.training.model_copy(update={"epochs": epochs})
        recipe = recipe.model_copy(update={"training": training})
    with tempfile.TemporaryDirectory(prefix="tinyc-trial-") as scratch:
        settings = config.in_use(replace(job.settings, output_dir=scratch))
        return made(recipe, settings, cache, Path(scratch), FEW if job.estimate else None)


class Kept:
    """The results of trials in a folder, by digest, so that none is computed twice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, digest: str) -> Path:
        return self.folder / digest[:16]

    def find(self, digest: str, estimate: bool) -> Figures | None:
        """What is known of a trial; of the estimate too where it is."""
        try:
            found = json.loads((self.place(digest) / _file(estimate)).read_bytes())
            return Figures(**found["figures"]) if found["digest"] == digest else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep(self, digest: str, job: Job, outcome: Outcome) -> None:
        """Of a finished trial: ``model.tflite``, ``recipe.toml`` by which `tinyc compress` comes to
        the same, and, last, the figures."""
        assert outcome.figures is not None
        place = self.place(digest)
        place.mkdir(parents=True, exist_ok=True)
        if not job.estimate:
            sha256 = hashlib.sha256(outcome.content).hexdigest()
            result = Result(**outcome.figures.facts, sha256=sha256)
            recipe = moved(job.recipe.model_copy(update={"result": result}), place, back=True)
            _write(place / "model.tflite", outcome.content)
            _write(place / "recipe.toml", dumps(recipe).encode())
        facts = {
            "digest": digest, "with": job.recipe.with_, "figures": outcome.figures.facts,
            "seconds": round(outcome.seconds, 1),
        }  # fmt: skip
        _write(place / _file(job.estimate), (json.dumps(facts, indent=2) + "\n").encode())

    def keep_error(self, digest: str, error: Mapping[str, Any]) -> None:
        """Why a trial gave no model. It is computed anew where another search asks for it."""
        place = self.place(digest)
        place.mkdir(parents=True, exist_ok=True)
        _write(place / "error.json", (json.dumps(error, indent=2) + "\n").encode())

    def error(self, digest: str) -> Mapping[str, Any]:
        """What `keep_error` was given."""
        try:
            found = json.loads((self.place(digest) / "error.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _file(estimate: bool) -> str:
    return "estimate.json" if estimate else "result.json"


def _write(path: Path, content: bytes) -> None:
    with written(path) as file:
        file.write(content)
