"""Who hears how far the work is: the command line tells it on stderr, Python's API nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Callable


class Listener:
    """Hears everything, and says nothing."""

    def warn(self, text: str) -> None:
        """Hear what is odd."""

    def info(self, text: str) -> None:
        """Hear what is being done."""

    def detail(self, text: str) -> None:
        """Hear more of it."""

    def progress(
        self, text: str, total: int | None = None
    ) -> contextlib.AbstractContextManager[Callable[..., object]]:
        """A block of work; yields what is called after each of its ``total`` steps, or after as
        many as it is given."""
        return contextlib.nullcontext(lambda steps=1: None)


SILENT = Listener()
