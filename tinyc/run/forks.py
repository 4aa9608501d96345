"""Processes that are forked to compute beside each other."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from typing_extensions import TypeVar

from ..errors import CompileError
from .hearing import hear_alone

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_WORK: tuple[Callable[[Any], Any], Sequence[Any]] | None = None
"""What the processes of a pool do, and with what; they inherit it."""


def begin() -> None:
    """What a forked process starts with.

    The parent's garbage stays as it is: collecting it may wait for locks of threads that were not
    forked, as TensorFlow's functions do. Ctrl-C reaches the parent alone, which ends its children.
    """
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    hear_alone()


def each(
    function: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int | None = None
) -> Iterator[tuple[int, _Result]]:
    """The index of each item and what ``function`` makes of it, in the order in which they end.

    jobs: processes, by default one for each processor. Only the results are pickled. Raises what
    ``function`` does, and CompileError E813 (a process was ended).
    """
    global _WORK
    if not items:
        return
    outer, _WORK = _WORK, (function, items)  # what each process does may be this, too
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(jobs or os.cpu_count() or 1, len(items)), context, begin) as pool:
        try:
            with warnings.catch_warnings():
                # JAX warns of each fork, for its threads; these processes compute without it.
                warnings.simplefilter("ignore", RuntimeWarning)
                waiting = {pool.submit(_one, index): index for index in range(len(items))}
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BrokenProcessPool:
            hint = "see whether the memory is full, and try --jobs 1"
            raise CompileError("E813", "measuring", "a process was ended", hint) from None
        except BaseException:  # also where the reader of this iterator stops
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            _WORK = outer


def _one(index: int) -> Any:
    assert _WORK is not None
    function, items = _WORK
    return function(items[index])
