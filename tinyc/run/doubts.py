"""What is odd about data, in words with the numbers: inputs, labels, and calibration.

Each threshold is one that data of published models and tests stay on the right side of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import CompileError, CompileErrors
from ..ir import Array, DType, Graph, TensorType
from ..ir.ports import input_ports
from .truth import Truth

SATURATED = 0.1
"""The part of an input's numbers beyond its range, or at its ends, from which on there is a
warning. One step or two beyond are common, as 1.0 is at a scale of 1/128; an eighth of the range is
not."""

FEW_STEPS = 16
"""Of an input's 256: what spans fewer was probably scaled for another model, where it is more than
one sample, which may be a dark or a silent one."""

SMOOTHER = 0.75
"""To how much of their differences neighbours come down where bytes had the wrong sign: to 0.49 of
CIFAR-10's images. Of those that are right they grow, to 2.04, and stay as they are of spectra."""

AT_ENDS, NEAR = 0.25, 4
"""The part of the numbers so near the ends of their type, as black and white are, from which on
differences of neighbours tell nothing."""

MANY = 0.1
"""The part of the samples that are copies, or constant, from which on there is a warning."""

FEW = 10
"""Of fewer samples nothing is said about classes or copies, and they are too few to calibrate."""

PLAIN = 8
"""Numbers of a sample that may well come again, or be all the same."""

OUTSIDE = 0.05
"""The part of the numbers beyond those that calibrated."""

APART = 0.25
"""How many deviations of all calibrated numbers the mean may be away; more is told where it is also
`ERRORS` standard errors of the samples' means."""
ERRORS = 5

_LOOKED_AT = 200
"""Samples of which neighbours are compared."""


def refuse(warnings: Sequence[str], origin: str) -> None:
    """Raise CompileError(s) E258 for what is odd about the data of ``origin``, if anything is."""
    hint = "correct the data, or leave out --strict"
    errors = [CompileError("E258", origin, w.removeprefix(f"{origin}: "), hint) for w in warnings]
    if errors:
        raise errors[0] if len(errors) == 1 else CompileErrors(tuple(errors))


# Inputs ----------------------------------------------------------------------------------


def of_reals(x: Array, type: TensorType) -> Iterator[str]:
    """Of real numbers [n, ...] that are to be quantized."""
    low, high = limits(type)
    seen = f"they lie in {x.min():.4g} to {x.max():.4g}, the input takes {low:.4g} to {high:.4g}"
    part = _beyond(x, type)
    if part >= SATURATED:
        yield f"{part:.0%} of the numbers saturate: {seen}; scale them as in training"
    elif len(x) > 1 and 0 < (x.max() - x.min()) / type.scale < FEW_STEPS:
        yield _few_steps(float(x.max() - x.min()) / type.scale, type, seen)


def of_integers(x: Array, type: TensorType) -> Iterator[str]:
    """Of integers [n, ...] in the type of a quantized input."""
    low, high = type.dtype.limits
    least, most = int(x.min()), int(x.max())
    ends = [float(np.mean(x == end)) for end in (low, high)]
    if type.dtype in (DType.I8, DType.U8) and (part := _wrong_sign(x)) is not None:
        other, move = ("uint8", "subtract 128") if type.dtype is DType.I8 else ("int8", "add 128")
        yield (
            f"they look like {other} numbers whose bytes were taken for {x.dtype}: read so, "
            f"neighbours differ by {part:.0%} of what they do; {move} before the cast"
        )
    elif min(*ends, 1 - sum(ends)) >= SATURATED:
        yield (
            f"{sum(ends):.0%} of the numbers saturate: {ends[0]:.0%} are {low} and {ends[1]:.0%} "
            f"are {high}, the ends of {x.dtype}; scale them as in training"
        )
    elif len(x) > 1 and 0 < most - least < FEW_STEPS:
        seen = f"they lie in {least} to {most}, the input takes {low} to {high}"
        yield _few_steps(most - least, type, seen)


def limits(type: TensorType) -> tuple[float, float]:
    """The least and the greatest real number of a quantized type."""
    low, high = ((q - type.zero_point) * type.scale for q in type.dtype.limits)
    return low, high


def _beyond(x: Array, type: TensorType) -> float:
    low, high = limits(type)
    slack = (high - low) / 8
    return float(np.mean((x < low - slack) | (x > high + slack)))


def _few_steps(steps: float, type: TensorType, seen: str) -> str:
    many = type.dtype.limits[1] - type.dtype.limits[0] + 1
    return f"the numbers take only {round(steps) + 1} of the input's {many:,} steps: {seen}"


def _wrong_sign(x: Array) -> float | None:
    """To what part of their differences neighbours come down if each byte has the other sign; None
    if to no less than `SMOOTHER`, or if there are no neighbours."""
    rows = x[:_LOOKED_AT].astype(np.int16)
    axes = [a for a in range(1, rows.ndim) if rows.shape[a] >= PLAIN]
    low, high = (-128, 127) if x.dtype == np.int8 else (0, 255)
    if not axes or np.mean((rows < low + NEAR) | (rows > high - NEAR)) >= AT_ENDS:
        return None
    other = np.where(rows > (low + high) // 2, rows - 128, rows + 128)
    before, after = (
        sum(int(np.abs(np.diff(r, axis=a)).sum()) for a in axes) for r in (rows, other)
    )
    return after / before if after < SMOOTHER * before else None


def of_samples(rows: Sequence[Array], sequence: bool) -> Iterator[str]:
    """Of all inputs of samples, each [n, ...], as they were given. sequence: whether they follow
    each other in time, where silence is always the same."""
    count, numbers = len(rows[0]), sum(x[0].size for x in rows)
    if count > 1 and all((x == x[:1]).all() for x in rows):
        yield f"its {count} samples are all the same"
        return
    if count < FEW or numbers < PLAIN or sequence:
        return
    seen: dict[bytes, int] = {}
    keys = [b"".join(x[i].tobytes() for x in rows) for i in range(count)]
    first = [seen.setdefault(key, i) for i, key in enumerate(keys)]
    copies = [i for i in range(count) if first[i] != i]
    if len(copies) >= MANY * count:
        yield (
            f"{len(copies)} of its {count} samples are copies of others, the first is {copies[0]}, "
            f"a copy of {first[copies[0]]}; leave them out"
        )
    numbers_of = [x.reshape(count, -1) for x in rows]
    flat = np.logical_and.reduce([(x == x[:, :1]).all(1) for x in numbers_of])
    if flat.sum() >= MANY * count:
        yield (
            f"{int(flat.sum())} of its {count} samples are constant, each of one number alone, the "
            f"first is {int(flat.argmax())}; look at how they were made"
        )


# What is right ---------------------------------------------------------------------------


def of_truth(truth: Truth) -> Iterator[str]:
    """Of labels that are all of one class."""
    for index, labels in truth.labels.items():
        if len(labels) >= FEW and (labels == labels[0]).all():
            names = truth.names.get(index)
            name = f" '{names[labels[0]]}'" if names else ""
            yield (
                f"all {len(labels)} labels are class {labels[0]}{name}: an accuracy says little; "
                "shuffle the samples, or add other classes"
            )
    for anomalies in truth.anomalies.values():
        if len(anomalies) >= FEW and (anomalies == anomalies[0]).all():
            kind = ("normal", "anomalous")[int(anomalies[0])]
            yield (
                f"all {len(anomalies)} samples are {kind}, so that there is no AUC; add some of "
                "the other kind"
            )


# Calibration -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """The real numbers of an input that calibrated: the least, the greatest, their mean and
    standard deviation; means: float64 [n], of each sample."""

    low: float
    high: float
    mean: float
    deviation: float
    means: Array


def spread(x: Array) -> Spread:
    """Of real numbers [n, ...]."""
    rows = x.reshape(len(x), -1).astype(np.float64)
    return Spread(
        float(rows.min()), float(rows.max()), float(rows.mean()), float(rows.std()), rows.mean(1)
    )


def of_calibration(count: int) -> Iterator[str]:
    if count < FEW:
        has = f"has {count} sample{'s' * (count > 1)} to calibrate with"
        yield f"{has}: the ranges of all layers come from them; give 100 or more"


def unlike(
    calibrated: Sequence[Spread | None], reals: Sequence[Array], graph: Graph, whole: bool
) -> Iterator[str]:
    """How the real inputs of a test, [n, ...] each, differ from those that ``graph`` was calibrated
    with. whole: whether samples are alike, and not pieces of recordings."""
    for port, before, x in zip(input_ports(graph), calibrated, reals, strict=True):
        if before is None or not x.size or min(len(x), len(before.means)) < FEW:
            continue
        type, now = port.value.type, spread(x)
        outside = float(np.mean((x < before.low) | (x > before.high)))
        told = type.quant is not None and _beyond(x, type) >= SATURATED  # by `of_reals`
        if outside >= OUTSIDE and not told:
            yield (
                f"{port.name}: {outside:.0%} of the numbers lie outside of those that calibrated: "
                f"they lie in {now.low:.4g} to {now.high:.4g}, those in {before.low:.4g} to "
                f"{before.high:.4g}; calibrate with data like these"
            )
            continue
        error = np.hypot(*(s.means.std() / len(s.means) ** 0.5 for s in (now, before)))
        away = abs(now.mean - before.mean)
        if whole and away > max(ERRORS * error, APART * before.deviation) and not told:
            yield (
                f"{port.name}: the mean is {now.mean:.4g}, of the numbers that calibrated "
                f"{before.mean:.4g} (their deviation is {before.deviation:.4g}); calibrate with "
                "data like these"
            )
