"""What is right of samples, as far as the data say: classes, numbers, which are anomalous."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import CompileError
from ..ir import Array
from ..plan.heads import Head, check_labels, labelled
from .arrays import accepted, expect_finite, listed, placed
from .keys import label_keys
from .npz import Rowed, Rows

NAMES = "classes"
"""The key of the names of classes."""

Choose = Callable[[int], Rows]


@dataclass(frozen=True)
class Truth:
    """By output (by index). labels: class indices int64 [n]; targets: float32 [n, *shape];
    anomalies: int64 [n], 1 is anomalous and 0 is not, of an output that reproduces an input;
    names: of the classes, as many as there are. A label or an anomaly of -1 is none, as is a
    target of NaN: of a recording it is the last frame that has one. read: the keys that all this
    is from; warnings: what is odd about it, in words."""

    labels: Mapping[int, Array] = field(default_factory=dict)
    targets: Mapping[int, Array] = field(default_factory=dict)
    anomalies: Mapping[int, Array] = field(default_factory=dict)
    names: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    read: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


def read_truth(
    arrays: Mapping[str, Rowed], outputs: tuple[Head, ...], origin: str, count: int, choose: Choose
) -> Truth:
    """Of the arrays that are no inputs, each of ``count`` rows: see `tinyc.run.data.given_samples`,
    which says what is raised, too."""
    of_y = meant(arrays["y"], outputs) if "y" in arrays else None
    found = label_keys(list(arrays), outputs, of_y, origin)
    kinds: dict[str, dict[int, Array]] = {"labels": {}, "targets": {}, "anomalies": {}}
    warnings = []
    for key, head in found.items():
        if head is None:
            warnings.append(
                f"{origin}: y is not used: no output of the model is a classifier, nor of y's "
                f"shape {list(arrays['y'].shape)}"
            )
            continue
        kind, values = _read(f"{origin}: {key}", arrays[key], count, head, choose)
        kinds[kind][head.port.index] = values
    read, names = set(found), {}
    if NAMES in arrays:
        named = [outputs[i] for i in kinds["labels"]] or [h for h in outputs if h.classes]
        read.add(NAMES)
        names = _names(arrays[NAMES], named)
        if not names:
            many = " or ".join(str(h.classes) for h in named) or "no"
            warnings.append(
                f"{origin}: {NAMES} is not used: it has shape {list(arrays[NAMES].shape)}, the "
                f"model has {many} classes"
            )
    return Truth(**kinds, names=names, read=frozenset(read), warnings=tuple(warnings))


def meant(y: Rowed, outputs: tuple[Head, ...]) -> Head | None:
    """The output that ``y`` is of: the one that labels are of (`tinyc.plan.heads.labelled`), else
    the first of numbers, if its shape fits that; None where no output can have it."""
    first = labelled(outputs)
    rest = [h for h in outputs if h.kind == "numbers"]
    fits = (h for h in ([first] if first else []) + rest if _fits(y, h))
    return next(fits, first)


def _fits(y: Rowed, head: Head) -> bool:
    each = _flat(y) and (head.kind != "numbers" or head.echo is not None)
    return each or y.shape[1:] == (head.classes,) or _shaped(y, head)


def _flat(y: Rowed) -> bool:
    """Whether there is one number for each sample."""
    return len(y.shape) == 1 or y.shape[1:] == (1,)


def _shaped(y: Rowed, head: Head) -> bool:
    """Whether it has the numbers that the output has."""
    shapes = (head.port.own_shape, head.port.value.type.shape)
    return y.shape[1:] in [a for shape in shapes for a in accepted(shape)]


def _read(origin: str, array: Rowed, count: int, head: Head, choose: Choose) -> tuple[str, Array]:
    """(``labels``, ``targets`` or ``anomalies``, the rows of it that are chosen)."""
    _expect_shape(origin, array, count, head)
    kind, one = array.dtype.kind, _flat(array)
    if kind not in "iubf" or (kind == "f" and one and head.kind in ("scores", "index")):
        what = "class indices are integers" if head.kind != "numbers" else "give integers or floats"
        raise CompileError("E213", origin, f"has dtype {array.dtype}", what)
    y = array[choose(count)]
    if kind == "f":
        expect_finite(origin, y)
    if head.kind == "numbers" and one:
        return "anomalies", _anomalies(origin, y.reshape(-1))
    if _are_targets(y, head):
        rows = placed(y.reshape(len(y), 1, -1) if one else y, head.port, *_shapes(head))
        return "targets", rows.astype(np.float32)
    labels = y.reshape(-1).astype(np.int64) if one else _hot(origin, y.reshape(len(y), -1))
    check_labels(labels, head, origin)
    return "labels", labels


def _shapes(head: Head) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return head.port.value.type.shape, head.port.own_shape


def _expect_shape(origin: str, array: Rowed, count: int, head: Head) -> None:
    if array.shape[:1] == (count,) and _fits(array, head):
        return
    ways = [] if head.kind == "numbers" and head.echo is None else [f"[{count}]"]
    if head.classes and head.kind == "scores":
        ways.append(f"[{count}, {head.classes}]")
    elif head.kind == "numbers":
        ways.append(f"[{count}, {listed(head.port.own_shape)}]")
    what = "numbers as the output has" if head.kind == "numbers" else "one class index a sample"
    raise CompileError(
        "E212", origin, f"has shape {list(array.shape)}", f"{what}: {', or '.join(ways)}"
    )


def _are_targets(y: Array, head: Head) -> bool:
    """Whether rows [n, ...] are numbers that the output should have, and not classes: floats, of
    which a classifier has a single 1 in a row, or 0 and 1 as its decisions."""
    if head.kind == "numbers":
        return True
    if y.dtype.kind != "f":
        return False
    if head.kind == "decision":
        return not np.isin(y, (0, 1)).all()
    # Where most rows have a single 1 they are classes, and the others are wrong.
    return not head.certain and 2 * int(_is_hot(y.reshape(len(y), -1)).sum()) < len(y)


def _is_hot(rows: Array) -> Array:
    return np.asarray(((rows == 0) | (rows == 1)).all(1) & ((rows == 1).sum(1) == 1))


def _hot(origin: str, rows: Array) -> Array:
    """Class indices int64 [n] of rows with a single 1."""
    odd = ~_is_hot(rows)
    if odd.any():
        raise CompileError(
            "E229", origin, f"sample {int(odd.argmax())} has no single 1 among its zeros",
            "give class indices, or rows with a 1 at the class",
        )  # fmt: skip
    return np.asarray(rows.argmax(1), np.int64)


def _anomalies(origin: str, y: Array) -> Array:
    wrong = ~np.isin(y, (0, 1))
    if wrong.any():
        first = int(wrong.argmax())
        raise CompileError(
            "E229", origin,
            f"sample {first} has the label {y[first]:g}, of an output that reproduces an input "
            "1 is anomalous and 0 is not",
            "correct the labels",
        )  # fmt: skip
    return y.astype(np.int64)


def _names(array: Rowed, heads: list[Head]) -> dict[int, tuple[str, ...]]:
    """Of those outputs that have as many classes."""
    fit = {h.port.index for h in heads if array.shape == (h.classes,)}
    if not fit:
        return {}
    names = tuple(str(name) for name in array[range(array.shape[0])].tolist())
    return dict.fromkeys(fit, names)
