"""What a test found of an output: how near it is to what it should be, and how often right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Array
from ..ir.quant import dequantize
from ..plan.heads import RULES, Head, Rule, accuracy, deviation
from .metrics import K, auc, by_class, errors, within

if TYPE_CHECKING:
    from ..run.data import Samples


@dataclass(frozen=True)
class Output:
    """What the networks gave of one output. ours: of the emulated board, and reference, arrays
    [n, *shape] of its type; original: float32 [n, *shape] of the network as it was given, None if
    that was not asked; classified: whether its classes are compared, and not its numbers alone;
    changed: whether the original is another network than the reference; reproduced: float32
    [n, *shape] of the input that it may reproduce."""

    head: Head
    rule: Rule
    ours: Array
    reference: Array
    original: Array | None = None
    classified: bool = False
    changed: bool = False
    reproduced: Array | None = None

    @cached_property
    def real(self) -> Array:
        """float32 [n, *shape]"""
        return dequantize(self.ours, self.head.port.value.type)

    @cached_property
    def real_reference(self) -> Array:
        return dequantize(self.reference, self.head.port.value.type)

    @property
    def networks(self) -> Iterator[tuple[str, Array]]:
        """What stands before a metric's name -> float32 [n, *shape], the board's first, the
        original's where it is another network."""
        yield "", self.real
        yield "reference_", self.real_reference
        if self.original is not None and self.changed:
            yield "original_", self.original

    @cached_property
    def decided(self) -> Array:
        """The board's class of each sample, int64 [n]."""
        return self.head.decide(self.ours, self.head.port.value.type)

    def anomaly_scores(self, outputs: Array) -> Array:
        """float64 [n]: the mean square of what real outputs [n, *shape] miss of the input."""
        assert self.reproduced is not None
        away = outputs.astype(np.float64) - self.reproduced
        return np.asarray((away.reshape(len(away), -1) ** 2).mean(1))


def found(output: Output, samples: Samples) -> tuple[Mapping[str, Any], Array]:
    """(what is told of it besides its name and type, bool [n]: which samples break its rule); see
    `tinyc.report.objects.TestedPort`."""
    head = output.head
    wrong, most = deviation(output.ours, output.reference, output.rule)
    entry: dict[str, Any] = {
        "kind": head.kind,
        "compared": RULES[output.rule],
        "mismatches": int(wrong.sum()),
        "largest_deviation": most if math.isfinite(most) else None,
    }
    index = head.port.index
    if index in samples.labels:
        entry |= _classes(output, samples.labels[index], samples.names.get(index, ()))
    if index in samples.anomalies:
        entry |= _anomalies(output, samples.anomalies[index])
    if output.original is not None:
        if output.classified:
            same = output.decided == head.decide(output.original)
            entry["agreement"] = float(np.mean(same))
        entry |= errors(output.real, output.original)
    if output.rule != "bits":
        entry["reference_errors"] = errors(output.real, output.real_reference)
    if index in samples.targets:
        target = samples.targets[index]
        has = ~np.isnan(target).reshape(len(target), -1).any(1)
        for before, array in output.networks:
            entry[f"{before}target_errors"] = errors(array[has], target[has])
    return entry, wrong


def _classes(output: Output, labels: Array, names: tuple[str, ...]) -> dict[str, Any]:
    """What there is to say of a classifier whose labels, int64 [n], are known; -1 is none."""
    head, has = output.head, labels >= 0
    entry: dict[str, Any] = {
        "accuracy": accuracy(head, output.ours, labels),
        "reference_accuracy": accuracy(head, output.reference, labels),
    }
    if output.original is not None and output.changed:
        right = head.decide(output.original) == labels
        entry["original_accuracy"] = float(np.mean(right[has]))
    for before, array in output.networks:
        rows = array.reshape(len(array), -1)[has]
        if head.kind == "scores" and head.classes is not None and head.classes > K:
            entry[f"{before}top_{K}_accuracy"] = within(rows, labels[has], K)
        if head.kind == "decision":
            area = auc(rows[:, 0], labels[has] == 1)
            if area is not None:
                entry[f"{before}auc"] = area
    return entry | by_class(labels[has], output.decided[has], head.classes, names)


def _anomalies(output: Output, labels: Array) -> dict[str, Any]:
    has = labels >= 0
    entry: dict[str, Any] = {
        "normal": int((labels == 0).sum()),
        "anomalous": int((labels == 1).sum()),
    }
    for before, array in output.networks:
        area = auc(output.anomaly_scores(array)[has], labels[has] == 1)
        if area is not None:
            entry[f"{before}auc"] = area
    return entry
