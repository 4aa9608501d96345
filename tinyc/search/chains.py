"""The chains of techniques that a search tries, made of what each says of itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args

from ..compress.keras import chain
from ..compress.keras.base import Known, Step, Technique, Work, techniques
from ..errors import CompileError
from ..settings import Config
from .recipe import Digests, Recipe

STEPS = get_args(Step)
NONE = "none"


@dataclass(frozen=True)
class Chains:
    """Techniques on one model. base: the recipe without a chain; known: of its model; allowed:
    those tried."""

    base: Recipe
    settings: Config
    known: Known
    allowed: tuple[Technique[Any], ...]
    digest: Digests

    @property
    def name(self) -> str:
        names = ",".join(technique.name for technique in self.allowed)
        return f"{names} {self.digest(self.base)}"

    def suggest(self, trial: Any) -> Recipe:
        """At most one technique of each step; see `tinyc.compress.keras.base.Space`."""
        parts: list[str] = []
        known = self.known
        for step in STEPS:
            spaces = {t.name: t.space for t in self.allowed if t.space and t.space.step == step}
            if not spaces:
                continue
            picked = trial.suggest_categorical(step, [NONE, *spaces])
            if picked != NONE:
                parts.append(spaces[picked].suggest(trial, known))
                if step == "structure":
                    known = replace(known, prices=dict)
        return self.base.model_copy(update={"with_": ",".join(parts) or "int8"})


def allowed(names: str | None, work: Work) -> tuple[Technique[Any], ...]:
    """The techniques that a search tries on a work's model: those with a space for it, of ``names``
    alone where there are any, and without labels those that need none.

    Raises CompileError E209 (no such technique, or none that is searched), and of one that is named
    what its space's check does.
    """
    known = {n: t for n, t in techniques().items() if t.space is not None}
    asked = None if names is None else dict.fromkeys(s.technique.name for s in chain.parse(names))
    for name in asked or ():
        if name not in known:
            hint = f"it tries {', '.join(known)}"
            raise CompileError("E209", "--with", f"a search does not try {name}", hint)
    found = []
    for name in known if asked is None else asked:
        technique = known[name]
        try:
            assert technique.space is not None
            technique.space.check(work)
        except CompileError:
            if asked is not None:
                raise
            continue
        found.append(technique)
    learns = work.data.y is not None or chain.reproduces(work.model)
    return tuple(t for t in found if learns or not _needs_labels(t))


def _needs_labels(technique: Technique[Any]) -> bool:
    needs = technique.labels
    return needs if isinstance(needs, bool) else needs(technique.params())
