"""What a program says of its version, without trusting it to answer."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

TIMEOUT_S = 15.0
_NUMBER = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class Answer:
    """text: the line that names the version, empty if there is none; problem: why there is
    no answer to rely on, empty if there is."""

    text: str
    problem: str = ""

    @property
    def number(self) -> tuple[int, ...]:
        """The first number with a dot in it: ``(1, 16, 1)``; empty if there is none."""
        return version(self.text)


def find_program(name: str) -> str | None:
    """Its path: on PATH, or `beside` the interpreter."""
    own = os.path.join(beside(), name)
    return shutil.which(name) or (own if os.path.isfile(own) and os.access(own, os.X_OK) else None)


def beside() -> str:
    """Where pip puts the programs of the interpreter's environment, which need not be active."""
    return os.path.dirname(sys.executable)


def version(text: str) -> tuple[int, ...]:
    """The first number with a dot in ``text``, part by part; empty if there is none."""
    found = _NUMBER.search(text)
    return tuple(map(int, found[0].split("."))) if found else ()


def ask(command: Sequence[str], accepted: Sequence[int] = (0,)) -> Answer:
    """Run ``command``, which is to print a version on stdout or stderr and end.

    Of what it prints counts the first line with a version's number, else the first line;
    accepted: the exit codes with which it may end.
    """
    # Into a file, and as a group: what a program leaves running could hold a pipe open.
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return Answer("", f"cannot be run: {error.strerror}")
        try:
            status = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Answer("", f"gave no version within {TIMEOUT_S:g} s")
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        lines = said.read(1 << 16).decode("utf-8", "replace").splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    text = next(filter(_NUMBER.search, lines), lines[0] if lines else "")
    if status not in accepted:
        return Answer("", f"ended with status {status}" + (f": {text}" if text else ""))
    return Answer(text, "" if text else "names no version")
