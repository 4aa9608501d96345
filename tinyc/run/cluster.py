"""Dask: a cluster that a scheduler's address names, whose workers have to be of this tinyc, or one
of this machine's processes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from .. import __version__
from ..errors import CompileError

WAIT_S = 10
"""How long a scheduler may take to answer."""


def connected(scheduler: str) -> Any:
    """A client of the cluster, whose workers find the files at the same places.

    Raises CompileError E201 (no address), E705 (no Dask), E814 (no scheduler answers, it has no
    workers, or tinyc is missing there or of another version).
    """
    distributed = _distributed("--scheduler")
    if not re.fullmatch(r"(\w+://)?\S+:\d+", scheduler):
        what, hint = f"'{scheduler}' is no address", "give one as tcp://host:8786"
        raise CompileError("E201", "--scheduler", what, hint)
    try:
        client = distributed.Client(scheduler, timeout=WAIT_S)
    except (OSError, ValueError) as error:
        raise _no_cluster(scheduler, f"no scheduler answers: {error}") from None
    try:
        _check_workers(client, scheduler)
    except BaseException:
        client.close()
        raise
    return client


@contextlib.contextmanager
def local(workers: int) -> Iterator[Any]:
    """A client of processes of this machine, each for one task at a time, which end with the
    block, or with this process. Raises CompileError E705 (no Dask)."""
    import logging

    distributed = _distributed("--workers")
    # What ends before its time is cancelled; Dask tells of that at length, and of a port that is
    # not its usual one where another cluster runs.
    quiet = {"silence_logs": logging.CRITICAL, "scheduler_kwargs": {"dashboard": False}}
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
            memory_limit=0, dashboard_address=":0", **quiet,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


def _distributed(option: str) -> Any:
    try:
        import distributed
    except ImportError:
        hint = "pip install 'tinyc[dask]'"
        raise CompileError("E705", option, "needs Dask, which is missing", hint) from None
    return distributed


def _check_workers(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WAIT_S)
        known = client.run(_version)
    except TimeoutError:
        raise _no_cluster(scheduler, "has no workers") from None
    except Exception as error:  # whatever a worker has to say of a module that it does not have
        raise _no_cluster(scheduler, f"its workers cannot run tinyc: {error}") from None
    for worker, version in known.items():
        if version != __version__:
            raise _no_cluster(scheduler, f"{worker} has tinyc {version}, here it is {__version__}")


def _version() -> str:
    return __version__


def _no_cluster(scheduler: str, what: str) -> CompileError:
    hint = (
        "start `dask scheduler` and `dask worker ADDRESS` with this version of tinyc, or leave "
        "--scheduler out"
    )
    return CompileError("E814", scheduler, what, hint)
