"""How a model is refused: a line for each kind of problem, and one for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import CompileError, CompileErrors, kind_of

SUPPORTED = "see `tinyc ops` for what is"
PLUGIN = "a plugin of yours can bring it (docs/plugins.md)"
"""Hints of an operator of which there is no more to say."""
DYNAMIC = (
    "the size of its output depends on the data, and sizes are fixed at compile time: end the "
    "model before it"
)
"""Hint of what gives as many elements as it finds."""
_GENERAL = ("", SUPPORTED, PLUGIN)

_MOST_CUT = 0.5
"""The part of the operators that may be cut off for the sake of the others."""


@dataclass(frozen=True)
class Part:
    """An operator of the model, in the order of the file. place: its name and type; problems: what
    is wrong with it; known: whether all of its operands are."""

    place: str
    problems: tuple[CompileError, ...] = ()
    known: bool = True


def refused(
    file: str, errors: Sequence[CompileError], parts: Sequence[Part]
) -> CompileError | CompileErrors:
    """What to raise for ``errors``, one or more, those of ``parts`` among them.

    Where several operators are refused, E353 closes the list: how many they are, of how many, and
    the way out. A hint that they share stands there alone.
    """
    if len(errors) == 1:
        return errors[0]
    told = {id(error) for error in errors if error.id != "E301"}  # malformed files have no way out
    wrong = [i for i, part in enumerate(parts) if told.intersection(map(id, part.problems))]
    if len(wrong) < 2:
        return CompileErrors(tuple(errors))
    of_parts = [error for i in wrong for error in parts[i].problems]
    kinds = len({kind_of(error) for error in of_parts})
    hints = {error.hint for error in of_parts}
    hint = hints.pop() if len(hints) == 1 else ""
    if hint in _GENERAL:
        hint = _way_out(parts, wrong)
    errors = [replace(e, hint="") if e.hint in (*_GENERAL, hint) else e for e in errors]
    what = f"{len(wrong):,} of its {len(parts):,} operators are refused, for {kinds} reasons"
    summary = CompileError("E353", file, what if kinds > 1 else what.partition(",")[0], hint)
    return CompileErrors(tuple(errors), summary)


def _way_out(parts: Sequence[Part], wrong: Sequence[int]) -> str:
    first, last = wrong[0], wrong[-1]
    if first >= _MOST_CUT * len(parts):
        return (
            f"end the model before {parts[first].place}, which {first:,} operators stand before, "
            "and compute the rest in C"
        )
    behind = parts[last + 1 :]
    if len(behind) >= _MOST_CUT * len(parts) and all(part.known for part in behind):
        return f"begin the model behind {parts[last].place}, and compute what is before in C"
    return "use other layers there, or bring them in a plugin (docs/plugins.md)"
