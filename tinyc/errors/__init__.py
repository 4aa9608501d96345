"""What a user sees when something is wrong: one line, never a traceback.

The first digit of an error's id is the exit code of the command:
E2xx usage, E3xx unsupported or malformed model, E4xx does not fit the board,
E5xx outputs or accuracy, E6xx over budget, E7xx a tool is missing,
E8xx an emulator, a probe or the disk failed. E1xx is an internal error.
"""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST_KINDS = 20
"""Kinds of problems of one model that are printed."""


@dataclass
class CompileError(Exception):
    """One problem: ``E301 kws.tflite: op 7 'conv1' (CONV_2D): what; hint``.

    id: stable, ``E`` and three digits; origin: the place (file, operator, field);
    what: what is wrong; hint: what to do about it.
    """

    id: str
    origin: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.id} {self.origin}: {self.what}"
        return printable(f"{text}; {self.hint}" if self.hint else text)

    @property
    def exit_code(self) -> int:
        """The exit code of a command that ends with this error."""
        return int(self.id[1])

    @property
    def facts(self) -> dict[str, Any]:
        """What ``--json`` states of it."""
        return {
            "id": self.id,
            "place": self.origin,
            "what": self.what,
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


@dataclass
class CompileErrors(Exception):
    """Several problems of one model, found in one pass over it.

    As text one line for each kind of problem: the first of them, and how many more there are.
    summary: what they come to, and the way out.
    """

    errors: tuple[CompileError, ...]
    summary: CompileError | None = None

    def kinds(self) -> Iterator[tuple[CompileError, int]]:
        """The first problem of each kind and the number of them all. Problems are of a kind if
        they say the same of the same operator, whatever names and numbers they give."""
        firsts: dict[tuple[str, ...], CompileError] = {}
        counts: Counter[tuple[str, ...]] = Counter()
        for error in self.errors:
            kind = kind_of(error)
            firsts.setdefault(kind, error)
            counts[kind] += 1
        return ((error, counts[kind]) for kind, error in firsts.items())

    def __str__(self) -> str:
        kinds = list(self.kinds())
        lines = [
            str(error) if count == 1 else f"{error} (and {count - 1:,} more like it)"
            for error, count in kinds[:MOST_KINDS]
        ]
        if rest := kinds[MOST_KINDS:]:
            total = sum(count for _, count in rest)
            lines.append(f"{rest[0][0].id} and {total:,} more, of {len(rest):,} other kinds")
        if self.summary is not None:
            lines.append(str(self.summary))
        return "\n".join(lines)

    @property
    def facts(self) -> list[dict[str, Any]]:
        """What ``--json`` states of them, the summary last."""
        found = self.errors if self.summary is None else (*self.errors, self.summary)
        return [error.facts for error in found]

    @property
    def exit_code(self) -> int:
        return self.errors[0].exit_code


_DISK = {
    errno.ENOSPC: ("E801", "the disk is full", "free some space or choose another folder"),
    errno.EDQUOT: ("E801", "the disk quota is used up", "choose another folder"),
    errno.EROFS: ("E805", "the file system is read-only", "choose another folder"),
    errno.EACCES: ("E805", "permission denied", "choose another folder or change its rights"),
    errno.EPERM: ("E805", "not permitted", "choose another folder or change its rights"),
    errno.ENOENT: ("E806", "no such file or folder", "choose another folder"),
    errno.ENAMETOOLONG: ("E806", "the name is too long", "choose a shorter one"),
    errno.ENOTDIR: ("E806", "a part of the path is a file and no folder", "choose another folder"),
    errno.EISDIR: ("E806", "is a folder and no file", ""),
    errno.EEXIST: ("E806", "is there already", "choose another folder"),
    errno.EMFILE: ("E806", "too many files are open", "raise the limit (ulimit -n)"),
}  # fmt: skip


def disk_error(error: OSError, path: str | os.PathLike[str] | None = None) -> CompileError:
    """What a failed access to the disk is to the user: E801 (no space), E805 (not allowed) or
    E806 (anything else). path: the place, in front of the one that ``error`` names."""
    place = str(path or error.filename or "tinyc")
    id, what, hint = _DISK.get(error.errno or 0, ("E806", error.strerror or str(error), ""))
    return CompileError(id, place, what, hint)


_OPERATOR = re.compile(r"\([^()]*\)$")
_VARYING = re.compile(r"'[^']*'|\b\d+\b")


def kind_of(error: CompileError) -> tuple[str, ...]:
    """What problems that say the same of the same operator have in common."""
    operator = _OPERATOR.search(error.origin)
    return error.id, operator[0] if operator else "", _VARYING.sub("#", error.what), error.hint


def printable(text: str, limit: int = 600) -> str:
    """``text`` on one line without control characters, cut in its middle past ``limit``."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 2 :]}"
