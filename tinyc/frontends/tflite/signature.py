"""What a model calls its inputs and outputs: by the file's signature, else by its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .flatbuffer import Table

DEFAULT = "serving_default"
# Names that a converter gives every output: they tell nothing.
_ANONYMOUS = re.compile(r"((Stateful)?PartitionedCall(_\d+)?(:\d+)?|Identity(_\d+)?(_int8)?)")


def port_names(
    model: Table,
    subgraph: int,
    ports: tuple[Sequence[int], Sequence[int]],
    tensors: Mapping[int, str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a subgraph's inputs and of its outputs, in the subgraph's own order.

    model: the file's root table; ports: the tensors that the subgraph takes and gives, by number;
    tensors: the names of those that could be read. The signature is ``serving_default``, or the
    only one. What it does not name has its tensor's name without ``serving_default_`` and ``:0``;
    an output that a converter named by number only is ``output_0``, ``output_1``, ... Raises
    MalformedError.
    """
    # tensorflow/compiler/mlir/lite/schema/schema.fbs: Model has signature_defs in slot 7;
    # SignatureDef inputs, outputs, signature_key, (a deprecated tag), subgraph_index.
    found = [d for d in model.tables(7) if int(d.scalar(4, "u32")) == subgraph]
    chosen = [d for d in found if d.string(2) == DEFAULT] or found
    signature = chosen[0] if len(chosen) == 1 else None
    return (
        _names(signature, 0, ports[0], tensors, "input"),
        _names(signature, 1, ports[1], tensors, "output"),
    )


def _names(
    signature: Table | None, slot: int, ports: Sequence[int], tensors: Mapping[int, str], role: str
) -> tuple[str, ...]:
    known: dict[int, list[str]] = {}
    for entry in [] if signature is None else signature.tables(slot):
        # TensorMap: name, tensor_index. Two names may stand for one tensor.
        known.setdefault(int(entry.scalar(1, "u32")), []).append(entry.string(0))
    names = []
    for position, tensor in enumerate(ports):
        name = known[tensor].pop(0) if known.get(tensor) else ""
        own = tensors.get(tensor, "")
        names.append(name or _plain(own, f"{role}_{position}", role == "output"))
    return tuple(names)


def _plain(tensor: str, instead: str, output: bool) -> str:
    """A tensor's name as its author gave it, or ``instead``."""
    first = tensor.split(";")[0]
    if output and _ANONYMOUS.fullmatch(first):
        return instead
    return re.sub(r":\d+$", "", first.removeprefix(f"{DEFAULT}_")) or instead
