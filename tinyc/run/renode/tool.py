"""Where Renode is installed, and whether it is recent enough."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...target.versions import ask, version

MIN_VERSION = (1, 16, 1)
PACKAGED = Path("/opt/renode")
REMEDY = (
    "unpack the portable archive of https://github.com/renode/renode/releases (or install its "
    "package), and set TINYC_RENODE to the folder or the program"
)


@dataclass(frozen=True)
class Renode:
    """An installation of Renode.

    path: the program ``renode``; test: ``renode-test`` beside it or on PATH, None where there
    is none; text: the line in which it names its version; problem: why it cannot be used,
    empty if it can.
    """

    path: Path
    test: Path | None
    text: str
    problem: str = ""

    @property
    def version(self) -> tuple[int, ...]:
        """``(1, 16, 1)``; empty where it does not say."""
        return version(self.text)


def find_renode() -> Renode | None:
    """The first of ``TINYC_RENODE`` (nothing else is looked at if that is set), ``$RENODE_ROOT``,
    ``renode-test`` or ``renode`` on PATH, ``/opt/renode``; None where there is none.

    Each may be a folder that holds ``renode``, or the program itself. One that is older than
    `MIN_VERSION` is returned with that as its ``problem``.
    """
    for place in _places():
        path = _program(place, "renode")
        if path is not None:
            return _asked(path)
    return None


def _places() -> Iterator[Path]:
    if own := os.environ.get("TINYC_RENODE"):
        yield Path(own)
        return
    if root := os.environ.get("RENODE_ROOT"):
        yield Path(root)
    # The scripts on PATH may be links into the folder that holds both.
    for name in ("renode-test", "renode"):
        if found := shutil.which(name):
            yield Path(found)
            yield Path(found).resolve()
    yield PACKAGED


def _program(place: Path, name: str) -> Path | None:
    """The program ``name`` that a place means: itself, or in it, or beside another program."""
    if place.is_dir():
        folders = [place, place / "bin"]
    elif place.name.startswith("renode-test") or name != "renode":
        folders = [place.parent]
    else:
        return place if os.access(place, os.X_OK) else None
    for folder in folders:
        if found := shutil.which(name, path=str(folder)):
            return Path(found)
    return None


def _asked(path: Path) -> Renode:
    answer = ask([str(path), "--version"])
    test = _program(path, "renode-test") or _program(path.resolve(), "renode-test")
    if test is None and (found := shutil.which("renode-test")):
        test = Path(found)
    problem = answer.problem
    if not problem and answer.number < MIN_VERSION:
        problem = f"too old: at least {'.'.join(map(str, MIN_VERSION))} is needed"
    return Renode(path, test, answer.text, problem)
