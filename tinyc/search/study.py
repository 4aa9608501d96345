"""The engine of searches: trials are asked for by generations, estimated, the promising ones
trained, and told; all of it stands in a journal from which an interrupted search goes on.

What a generation asks for depends on the generations before it and the seed alone, so that neither
the number of workers nor an interruption changes what is tried.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ..errors import CompileError
from ..listener import SILENT, Listener
from ..settings import Config
from .front import Bounds, beats, costs, pareto, quality
from .measure import Figures
from .recipe import Recipe
from .trial import Job, Kept, Outcome
from .workers import Run

GENERATION = 8
"""Trials that are asked for at once: as many as a small cluster has workers."""
RANDOM = 2 * GENERATION
"""Trials before the sampler models anything."""
SLACK = 1.02
"""Costs of an estimate times this may be over a bound: training changes zeros and ranges."""
MARGIN = 0.02
"""Accuracy by which an estimate has to be better for another to be not worth training."""


class Problem(Protocol):
    """What is searched. name: of the study, equal for equal questions; settings: of builds."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> Config: ...

    def suggest(self, trial: Any) -> Recipe:
        """What a trial (Optuna's) tries, with absolute paths."""

    def digest(self, recipe: Recipe) -> str:
        """See `tinyc.search.recipe.digest`."""


@dataclass(frozen=True)
class Point:
    """A finished trial. text: what tells it apart; folder: of its files."""

    text: str
    digest: str
    figures: Figures
    folder: Path


@dataclass(frozen=True)
class Status:
    """How far a search is: trials of how many are done, the front so far, the seconds since its
    start and, as far as can be told, to its end; last: what has just happened."""

    done: int
    total: int
    front: Sequence[Point]
    spent: float
    left: float | None
    last: str


@dataclass
class Found:
    """points: all that were trained in full; estimated: how many more were estimated alone;
    failed: the text and the error of what gave no model; complete: whether all trials are done."""

    points: list[Point] = field(default_factory=list)
    estimated: int = 0
    failed: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    complete: bool = True


@dataclass
class _Trial:
    number: int
    recipe: Recipe
    digest: str
    state: Literal["open", "done", "failed"] = "open"
    asked: Any = None
    """Optuna's, of one that is open."""


def search(
    problem: Problem,
    bounds: Bounds,
    folder: Path,
    run: Run,
    *,
    trials: int,
    seconds: float | None = None,
    seed: int = 0,
    watch: Callable[[Status], None] = lambda status: None,
    listener: Listener = SILENT,
) -> Found:
    """Try up to ``trials`` in all, those of earlier runs in ``folder`` counted, for ``seconds``.

    folder: of this search `alone`, takes ``journal.log``, Optuna's, and ``trials/``.
    """
    engine = _Engine(problem, bounds, folder, run, trials, seconds, seed, watch, listener)
    return engine.run_all()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """The folder belongs to this process; what one that was killed left half is put right. Raises
    CompileError E816 (another search is at work there)."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "search.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            what = "another search is at work in this folder"
            hint = "wait for it, or choose another --output-dir"
            raise CompileError("E816", str(folder), what, hint) from None
        journal = folder / "journal.log"
        (folder / "journal.log.lock").unlink(missing_ok=True)  # Optuna's, which is held no more
        if journal.exists():
            content = journal.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                with open(journal, "r+b") as file:
                    file.truncate(whole)
        yield


class _Engine:
    def __init__(
        self,
        problem: Problem,
        bounds: Bounds,
        folder: Path,
        run: Run,
        trials: int,
        seconds: float | None,
        seed: int,
        watch: Callable[[Status], None],
        listener: Listener,
    ) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.problem, self.bounds, self.run, self.seed = problem, bounds, run, seed
        self.watch, self.listener, self.total = watch, listener, trials
        self.began, self.before = time.monotonic(), 0
        self.deadline = None if seconds is None else self.began + seconds
        self.kept = Kept(folder / "trials")
        self.study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
            study_name=f"{problem.name} {bounds}", load_if_exists=True,
            directions=["maximize", "minimize", "minimize", "minimize"],
        )  # fmt: skip
        if self.study.metric_names is None:  # which Optuna's dashboard shows
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self.study.set_metric_names(["accuracy", "flash", "RAM", "cycles"])
        self.trials: list[_Trial] = []
        self.failures: dict[int, Mapping[str, Any]] = {}

    def run_all(self) -> Found:
        self._resume()
        self.before = self._done()
        while not self._late():
            generation = self._generation()
            if not generation:
                break
            self._estimate(generation)
            self._train(generation)
        return self._found()

    # Asking ---------------------------------------------------------------------------------

    def _resume(self) -> None:
        """What the journal knows. A trial that was never told is open again; one that was killed
        while it was asked for is none."""
        from optuna.trial import Trial, TrialState

        for trial in self.study.get_trials(deepcopy=False):
            text = trial.user_attrs.get("recipe")
            if text is None:
                if trial.state == TrialState.RUNNING:
                    self.study.tell(trial.number, state=TrialState.FAIL)
                continue
            recipe = Recipe.model_validate_json(text)
            known = _Trial(trial.number, recipe, self.problem.digest(recipe))
            if trial.state == TrialState.RUNNING:
                known.asked = Trial(self.study, trial._trial_id)
            elif trial.state == TrialState.FAIL:
                known.state = "failed"
                self.failures[trial.number] = self.kept.error(known.digest)
            elif trial.state == TrialState.COMPLETE:
                known.state = "done"
            self.trials.append(known)

    def _generation(self) -> list[_Trial]:
        """The open trials of the latest generation; a new one's where all of it is done, or where
        it was killed while it was asked for."""
        first = len(self.trials) - len(self.trials) % GENERATION
        latest = self.trials[first:]
        done = all(t.state != "open" for t in self.trials)
        if done or (latest and all(t.state == "open" for t in latest)):
            for place in range(len(self.trials), min(first + GENERATION, self.total)):
                self._ask(place)
        return [t for t in self.trials if t.state == "open"]

    def _ask(self, place: int) -> None:
        import optuna

        seed = zlib.crc32(f"{self.seed} {place}".encode())
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM)
        trial = self.study.ask()
        recipe = self.problem.suggest(trial)
        trial.set_user_attr("recipe", recipe.model_dump_json(by_alias=True))
        self.trials.append(_Trial(trial.number, recipe, self.problem.digest(recipe), asked=trial))

    # Computing ------------------------------------------------------------------------------

    def _estimate(self, generation: Sequence[_Trial]) -> None:
        self._compute(t for t in generation if t.recipe.trains)

    def _train(self, generation: Sequence[_Trial]) -> None:
        if self._late():
            return
        known = self._estimates()
        gain = self._gain()
        chosen = []
        for trial in generation:
            if trial.state != "open":
                continue
            estimate = known.get(trial.digest)
            if estimate is not None and not self._earns(estimate, known.values(), gain):
                self._tell(trial, estimate, "estimated, not worth a training")
            else:
                chosen.append(trial)
        self._compute(chosen, estimate=False)

    def _compute(self, trials: Iterable[_Trial], estimate: bool = True) -> None:
        """Evaluate each, but for those that are known, and tell what is final."""
        waiting: dict[str, list[_Trial]] = {}
        failed = {t.digest: self.failures[t.number] for t in self.trials if t.state == "failed"}
        for trial in trials:
            figures = self.kept.find(trial.digest, estimate)
            if trial.digest in failed:
                self._fail(trial, failed[trial.digest])
            elif figures is None:
                waiting.setdefault(trial.digest, []).append(trial)
            elif not estimate:
                self._tell(trial, figures, "known")
        groups = list(waiting.values())
        jobs = [Job(g[0].recipe, self.problem.settings, estimate) for g in groups]
        with contextlib.closing(self.run(jobs, self.deadline)) as outcomes:  # type: ignore[type-var]
            for index, outcome in outcomes:
                self._take(groups[index], jobs[index], outcome)
                if self._late():
                    break

    def _take(self, trials: Sequence[_Trial], job: Job, outcome: Outcome) -> None:
        if outcome.figures is None:
            for trial in trials:
                self._fail(trial, outcome.error or {})
            return
        self.kept.keep(trials[0].digest, job, outcome)
        if job.estimate:
            self._say(trials[0], outcome.figures, "estimated")
            return
        for trial in trials:
            self._tell(trial, outcome.figures, f"{outcome.seconds:.0f} s")

    def _fail(self, trial: _Trial, error: Mapping[str, Any]) -> None:
        from optuna.trial import TrialState

        self.failures[trial.number] = error
        self.kept.keep_error(trial.digest, error)
        self.study.tell(trial.number, state=TrialState.FAIL)
        trial.state = "failed"
        said = f"{error.get('id')} {error.get('place')}: {error.get('what')}"
        self.listener.warn(f"{trial.recipe.text} gives no model: {said}")
        self._watch(f"{trial.recipe.text}: failed")

    def _tell(self, trial: _Trial, figures: Figures, how: str) -> None:
        for bound, over in self.bounds.over(figures).items():
            if bound not in trial.asked.constraints:  # by a process that was killed then
                trial.asked.set_constraint(bound, over)
        self.study.tell(trial.number, [quality(figures), *map(float, costs(figures))])
        trial.state = "done"
        self._say(trial, figures, how)

    # Judging --------------------------------------------------------------------------------

    def _estimates(self) -> dict[str, Figures]:
        found = {t.digest: self.kept.find(t.digest, True) for t in self.trials}
        return {digest: figures for digest, figures in found.items() if figures is not None}

    def _gain(self) -> float:
        """What a whole training has brought at most beyond an estimate, unknown before one."""
        gains = [
            quality(point.figures) - quality(estimate)
            for point in self._points()
            if (estimate := self.kept.find(point.digest, True)) is not None
        ]
        return max(gains, default=float("inf"))

    def _earns(self, estimate: Figures, others: Iterable[Figures], gain: float) -> bool:
        """Whether a model is worth its training: near enough to the bounds, and not beaten."""
        for bound, over in self.bounds.over(estimate).items():
            if over > (max(gain, 0) if bound == "min_accuracy" else SLACK - 1):
                return False
        return not any(beats(other, estimate, MARGIN) for other in others)

    # Telling --------------------------------------------------------------------------------

    def _points(self) -> list[Point]:
        found: dict[str, Point] = {}
        for trial in self.trials:
            if trial.state == "done" and trial.digest not in found:
                figures = self.kept.find(trial.digest, False)
                if figures is not None:
                    place = self.kept.place(trial.digest)
                    found[trial.digest] = Point(trial.recipe.text, trial.digest, figures, place)
        return list(found.values())

    def _found(self) -> Found:
        points = self._points()
        unique = {t.digest for t in self.trials if t.state == "done"}
        failed = {
            t.digest: (t.recipe.text, self.failures[t.number])
            for t in self.trials
            if t.state == "failed"
        }
        complete = self._done() >= self.total
        return Found(points, len(unique) - len(points), list(failed.values()), complete)

    def _done(self) -> int:
        return sum(t.state != "open" for t in self.trials)

    def _late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def _say(self, trial: _Trial, figures: Figures, how: str) -> None:
        flash, ram, time_ = costs(figures)
        right = f"{quality(figures):.4f}"
        self._watch(
            f"{trial.recipe.text}: {right}, {flash:,} flash, {ram:,} RAM, {time_:,} ({how})"
        )

    def _watch(self, last: str) -> None:
        spent, done = time.monotonic() - self.began, self._done()
        fresh = done - self.before
        left = spent / fresh * (self.total - done) if fresh else None
        if self.deadline is not None:
            until = max(self.deadline - time.monotonic(), 0)
            left = until if left is None else min(left, until)
        front = pareto(self._points())
        self.watch(Status(done, self.total, front, spent, left, last))
