"""Who computes the trials of a search: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..errors import CompileError
from ..run import cluster
from ..sweep import absolute
from .trial import Job, Outcome, evaluate

Run = Callable[[Sequence[Job], float | None], Iterator[tuple[int, Outcome]]]
"""Jobs, and when to stop by `time.monotonic` -> the index and the outcome of each, in the order in
which they end."""


@contextlib.contextmanager
def at_work(
    workers: int, scheduler: str | None, function: Callable[[Job], Outcome] = evaluate
) -> Iterator[Run]:
    """What runs ``function`` on jobs: ``workers`` processes of this machine, or those of a
    ``scheduler``, which find the files at the same places. A process that ends over a job fails
    that job alone.

    Raises CompileError E201, E705 and E814, see `tinyc.run.cluster`.
    """
    made = cluster.local(workers) if scheduler is None else cluster.connected(scheduler)
    with made as client:
        yield lambda jobs, until: _run(client, function, jobs, until)


def _run(
    client: Any, function: Callable[[Job], Outcome], jobs: Sequence[Job], until: float | None
) -> Iterator[tuple[int, Outcome]]:
    import distributed

    found = {}
    for index, job in enumerate(jobs):
        there = replace(job, settings=absolute(job.settings))
        found[client.submit(function, there, pure=False, retries=1)] = index
    left = None if until is None else max(until - time.monotonic(), 0.1)
    try:
        for future in distributed.as_completed(found, timeout=left):
            index = found[future]
            failure = future.exception()
            yield index, future.result() if failure is None else _ended(jobs[index], failure)
    except TimeoutError:
        return
    finally:
        client.cancel(list(found), force=True)


def _ended(job: Job, failure: BaseException) -> Outcome:
    what = f"its worker gave no result: {type(failure).__name__}: {failure}"
    hint = "see whether the memory is full, and try fewer --workers"
    return Outcome(error=CompileError("E813", job.recipe.text, what, hint).facts)
