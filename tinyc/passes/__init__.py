"""Passes: small functions Graph -> Graph, in one order, the graph verified after each.

Every pass of the pipeline is exact: it changes no bit of any output. `fold_affine`, `binarize` and
`calibrate` are not in it; they make another network of a float one, see `tinyc.pipeline`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..ir import Graph, verify
from .drop_dead_channels import drop_dead_channels
from .fold_constants import fold_constants
from .fold_tables import fold_tables
from .fold_thresholds import fold_thresholds
from .fuse_activation import fuse_activation
from .fuse_dilation import fuse_dilation
from .fuse_pad import fuse_pad
from .remove_dead import remove_dead
from .remove_identities import remove_identities
from .side_head_first import side_head_first
from .sink_transposes import sink_transposes

PIPELINE = (
    fold_constants,
    sink_transposes,
    remove_identities,
    remove_dead,
    fold_thresholds,
    remove_dead,
    fuse_dilation,
    fuse_pad,
    fuse_activation,
    drop_dead_channels,
    fold_tables,
    side_head_first,
)


def names() -> tuple[str, ...]:
    """What the passes are called, in order: one that runs again is ``remove_dead:2``."""
    plain = [rewrite.__name__ for rewrite in PIPELINE]
    return tuple(
        name if (count := plain[: i + 1].count(name)) == 1 else f"{name}:{count}"
        for i, name in enumerate(plain)
    )


def stages(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """The name of each pass and ``graph`` after it."""
    for name, rewrite in zip(names(), PIPELINE, strict=True):
        graph = verify(rewrite(graph))
        yield name, graph


def optimize(graph: Graph) -> Graph:
    """``graph`` rewritten by every pass in turn."""
    for rewrite in PIPELINE:
        graph = verify(rewrite(graph))
    return graph
