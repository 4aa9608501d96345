"""Who hears how many samples have run.

An emulator may be a plugin's, and is called with an image and its inputs, no more: whoever waits
for it hears of each sample by the context that it runs in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Hears = Callable[[int], object]


def _nobody(samples: int) -> None:
    pass


_HEARS: ContextVar[Hears] = ContextVar("hears", default=_nobody)


@contextlib.contextmanager
def hearing(hears: Hears = _nobody) -> Iterator[None]:
    """As long as the block lasts ``hears`` is called with how many more samples have run, by
    those emulators that can tell."""
    token = _HEARS.set(hears)
    try:
        yield
    finally:
        _HEARS.reset(token)


def hear_alone(hears: Hears = _nobody) -> None:
    """In a process that was forked: its parent's hearer is a copy that nobody sees, and whose
    locks may be held for ever."""
    _HEARS.set(hears)


def ran(samples: int = 1) -> None:
    """So many more samples have run."""
    _HEARS.get()(samples)
