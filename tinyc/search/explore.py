"""A search from its question to the files of its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import CompileError
from ..files.folder import written
from ..listener import SILENT, Listener
from . import page, study
from .front import Bounds, Goal, chosen, out_of_reach, pareto
from .layers import Layer, layers
from .measure import Figures, opened
from .network import NOTATION
from .prices import FILE as PRICES
from .prices import kept
from .recipe import Recipe, dumps, load, moved
from .run import ratios
from .study import Found, Point, Problem, Status
from .trial import Job, Kept
from .workers import Run, at_work


@dataclass(frozen=True)
class Question:
    """bounds: on what is found; keep_accuracy: how much less than the baseline's may be; goal: of
    the point that is chosen; trials, seconds: how long; workers, scheduler: see
    `tinyc.search.workers.at_work`; seed: of what is tried."""

    bounds: Bounds = field(default_factory=Bounds)
    keep_accuracy: float | None = None
    goal: Goal = "balanced"
    trials: int = 32
    seconds: float | None = None
    workers: int = 1
    scheduler: str | None = None
    seed: int = 0


def explore(
    problem: Problem,
    question: Question,
    folder: Path,
    baseline: Recipe | None = None,
    watch: Callable[[Status], None] = lambda status: None,
    listener: Listener = SILENT,
) -> dict[str, Any]:
    """What a search prints, written as ``front.json`` too, and as ``report.html``; the chosen model
    and its recipe lie beside them.

    baseline: what everything is held against, and a point of the front. Raises CompileError E361
    (accuracy is asked for without classes), E363 (nothing keeps the bounds), those of the baseline,
    of `tinyc.search.study.alone`, and of `at_work`.
    """
    with study.alone(folder), at_work(question.workers, question.scheduler) as run:
        first = None
        if baseline is not None:
            first = _baseline(problem, baseline, folder, run)
        bounds = _bounds(question, None if first is None else first.figures)
        found = study.search(
            problem, bounds, folder, run, trials=question.trials, seconds=question.seconds,
            seed=question.seed, watch=watch, listener=listener,
        )  # fmt: skip
    return _answer(problem, question, folder, bounds, first, found)


def _baseline(problem: Problem, recipe: Recipe, folder: Path, run: Run) -> Point:
    digest, kept = problem.digest(recipe), Kept(folder / "trials")
    figures = kept.find(digest, False)
    if figures is None:
        job = Job(recipe, problem.settings)
        ((_, outcome),) = run([job], None)
        if outcome.figures is None:
            facts = dict(outcome.error or {})
            raise CompileError(*(str(facts.get(k, "")) for k in ("id", "place", "what", "hint")))
        kept.keep(digest, job, outcome)
        figures = outcome.figures
    return Point(recipe.text, digest, figures, kept.place(digest))


def _bounds(question: Question, first: Figures | None) -> Bounds:
    bounds = question.bounds
    if question.keep_accuracy is None and bounds.min_accuracy is None:
        return bounds
    if first is not None and first.accuracy is None:
        what = "accuracy is bounded, and the data have no classes"
        raise CompileError("E361", "the search", what, "put the classes into the .npz as 'y'")
    least = [] if bounds.min_accuracy is None else [bounds.min_accuracy]
    if question.keep_accuracy is not None and first is not None and first.accuracy is not None:
        least.append(round(first.accuracy - question.keep_accuracy, 9))
    return replace(bounds, min_accuracy=max(least, default=None))


def _answer(
    problem: Problem,
    question: Question,
    folder: Path,
    bounds: Bounds,
    first: Point | None,
    found: Found,
) -> dict[str, Any]:
    points = [*([first] if first else []), *found.points]
    front = pareto(points)
    best, error = None, None
    try:
        best = chosen(front, bounds, question.goal)
    except CompileError as unreached:
        error = out_of_reach(points, bounds) if not front else unreached
    recipe = load(front[0].folder / "recipe.toml") if front else None
    result = {
        "model": None if first is None or recipe is None else recipe.model,
        "board": str(problem.settings.board),
        "optimize": problem.settings.optimize,
        "goal": question.goal,
        "bounds": {
            "min_accuracy": bounds.min_accuracy, "max_flash": bounds.max_flash,
            "max_ram": bounds.max_ram, "max_cycles": bounds.max_cycles,
        },
        "seed": question.seed,
        "before": None if first is None else first.figures.facts,
        "trained": len(found.points),
        "estimated": found.estimated,
        "failed": [{"text": text, "error": dict(error)} for text, error in found.failed],
        "complete": found.complete,
        "front": [_told(point, first, point is best, bounds, folder) for point in front],
    }  # fmt: skip
    _write(folder / "front.json", (json.dumps(result, indent=2) + "\n").encode())
    _, prices = kept(folder / PRICES)
    sensitive = {name: layer[4].loss for name, layer in prices.items() if 4 in layer}
    _write(folder / "report.html", _page(problem, front, first, best, recipe, sensitive).encode())
    if best is None:
        assert error is not None
        raise error
    _chosen(best, folder)
    return result


def _page(
    problem: Problem,
    front: Sequence[Point],
    first: Point | None,
    best: Point | None,
    recipe: Recipe | None,
    sensitive: Mapping[str, float],
) -> str:
    """The front, the baseline among it, and what was chosen by layers, beside the baseline's.
    sensitive: layer -> how much the loss grows by its weights alone in 4 bits."""

    def measured(point: Point | None) -> list[Layer]:
        if point is None:
            return []
        path = point.folder / "model.tflite"
        return layers(opened(path, problem.settings, point.figures.fits))

    shown = [*([first] if first is not None and first not in front else []), *front]
    points = [page.Point(p.text, p.figures.facts, p is best) for p in shown]
    name, note = "Networks", NOTATION
    if recipe is not None and recipe.model is not None:
        name, note = recipe.name, ""
    title = f"{name} on {problem.settings.board}"
    before = measured(first) if best is not None else []
    return page.page(title, points, before, measured(best), note, sensitive)


def _told(
    point: Point, first: Point | None, best: bool, bounds: Bounds, folder: Path
) -> dict[str, Any]:
    recipe = load(point.folder / "recipe.toml")
    assert recipe.result is not None
    return {
        "text": point.text,
        "folder": str(point.folder.relative_to(folder)),
        "figures": point.figures.facts,
        "ratios": None if first is None else ratios(first.figures, point.figures),
        "sha256": recipe.result.sha256,
        "kept": bounds.kept(point.figures),
        "chosen": best,
    }


def _chosen(point: Point, folder: Path) -> None:
    """A copy of its files beside the front."""
    recipe = load(point.folder / "recipe.toml")
    _write(folder / f"{recipe.name}.tflite", (point.folder / "model.tflite").read_bytes())
    _write(folder / "recipe.toml", dumps(moved(recipe, folder, back=True)).encode())


def _write(path: Path, content: bytes) -> None:
    with written(path) as file:
        file.write(content)
