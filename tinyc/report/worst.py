"""The samples that an output is most wrong about, or nearest to it, with their inputs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Array
from ..ir.ports import Port
from .metrics import auc
from .outputs import Output

if TYPE_CHECKING:
    from ..run.data import Samples

MOST = 8
SIDE = 32
"""Of an image, in pixels."""
NUMBERS = 1024
"""Of an input that is no image."""
_TEXT = 120_000
"""Characters that the inputs of all these samples may take in a report."""
_SCORES = 5


def worst(outputs: Sequence[Output], samples: Samples, inputs: Sequence[Port]) -> dict[str, Any]:
    """The object ``worst`` of a test, see `tinyc.report.objects.Worst`: of the first output that
    has labels, else anomalies, else targets, else is a classifier, else differs from the original;
    empty where there is none."""
    ways = (
        [o for o in outputs if o.head.port.index in samples.labels],
        [o for o in outputs if o.head.port.index in samples.anomalies],
        [o for o in outputs if o.head.port.index in samples.targets],
        [o for o in outputs if o.classified and o.head.kind != "index"],
        [o for o in outputs if o.original is not None and o.changed],
    )
    output = next((found[0] for found in ways if found), None)
    if output is None:
        return {}
    by, amount = _amounts(output, samples)
    judged = np.flatnonzero(np.isfinite(amount))
    order = judged[np.argsort(amount[judged] if by != "error" else -amount[judged], kind="stable")]
    chosen: list[dict[str, Any]] = []
    size = 0
    for i in map(int, order[:MOST]):
        shown = [_input(port, samples, i) for port in inputs]
        size += len(json.dumps(shown))
        if chosen and size > _TEXT:
            break
        key = {} if by == "class" else {by: float(amount[i])}
        chosen.append({"index": i, **key, **_facts(output, samples, i), "inputs": shown})
    name = output.head.port.name
    return {"worst": {"output": name, "by": by, "samples": chosen}} if chosen else {}


def _amounts(output: Output, samples: Samples) -> tuple[str, Array]:
    """(``margin``, ``error`` or, where a class alone is known, ``class``; float64 [n], the least
    margin or the greatest error is worst; NaN of a sample that is not judged)."""
    head, index = output.head, output.head.port.index
    rows = output.real.reshape(len(output.ours), -1).astype(np.float64)
    if index in samples.anomalies:
        labels = samples.anomalies[index]
        return "margin", _anomaly_margins(output.anomaly_scores(output.real), labels)
    if index in samples.targets:
        target = samples.targets[index].reshape(rows.shape)
        return "error", np.sqrt(np.mean((rows - target) ** 2, axis=1))
    labels = samples.labels.get(index, np.zeros(0, np.int64))
    if head.kind == "scores" and (len(labels) or output.classified):
        own = labels if len(labels) else output.decided
        at = np.arange(len(rows)), np.maximum(own, 0)
        others = rows.copy()
        others[at] = -np.inf
        return "margin", np.where(own < 0, np.nan, rows[at] - others.max(1))
    if head.kind == "decision" and (len(labels) or output.classified):
        away = rows[:, 0] - head.threshold
        own = labels if len(labels) else output.decided
        return "margin", np.where(own < 0, np.nan, np.where(own == 1, away, -away))
    if head.kind == "index" and len(labels):
        return "class", np.where((labels < 0) | (output.decided == labels), np.nan, 0.0)
    assert output.original is not None
    return "error", np.sqrt(np.mean((rows - output.original.reshape(rows.shape)) ** 2, axis=1))


def _anomaly_margins(scores: Array, labels: Array) -> Array:
    """How far each score, float64 [n], is on its side of the threshold that parts both kinds best
    (the greatest sum of both recalls); negative on the other's."""
    has = labels >= 0
    found = np.where(labels == 1, scores, -scores)
    if auc(scores[has], labels[has] == 1) is not None:
        steps = np.unique(scores[has])
        normal, odd = (np.sort(scores[has & (labels == k)]) for k in (0, 1))
        below = np.searchsorted(normal, steps) / len(normal)
        above = 1 - np.searchsorted(odd, steps) / len(odd)
        threshold = steps[np.argmax(below + above)]
        found = np.where(labels == 1, scores - threshold, threshold - scores)
    return np.where(has, found, np.nan)


def _facts(output: Output, samples: Samples, i: int) -> dict[str, Any]:
    """What was decided about a sample, and what was right."""
    head, index = output.head, output.head.port.index
    facts: dict[str, Any] = {}
    if index in samples.anomalies:
        score = output.anomaly_scores(output.real)[i]
        return {"label": int(samples.anomalies[index][i]), "anomaly_score": _short(score)}
    if index in samples.labels:
        facts["label"] = int(samples.labels[index][i])
    if index in samples.labels or output.classified:
        facts["decided"] = int(output.decided[i])
        if output.original is not None and output.changed:
            facts["original"] = int(head.decide(output.original[i : i + 1])[0])
    if head.kind in ("scores", "decision") and facts:
        row = output.real[i].reshape(-1)
        first = [int(k) for k in np.argsort(-row, kind="stable")[:_SCORES]]
        if head.kind == "scores" and facts.get("label", first[0]) not in first:
            first.append(facts["label"])
        facts["scores"] = [{"class": k, "score": _short(row[k])} for k in first]
        if head.kind == "decision":
            facts["scores"] = [{"class": 1, "score": _short(row[0])}]
    return facts


def _input(port: Port, samples: Samples, i: int) -> dict[str, Any]:
    """One input of a sample in its real numbers, thinned; see `tinyc.report.objects.WorstInput`."""
    (x,) = samples.only(i).reals(port.index, port.value.type)
    x = x[0] if x.ndim > 1 and len(x) == 1 else x  # without its batch
    thin = thinned(x)
    facts: dict[str, Any] = {"name": port.name, "shape": list(thin.shape)}
    if thin.size < x.size:
        facts["whole_shape"] = list(x.shape)
    return {**facts, "values": [_short(v) for v in thin.reshape(-1)]}


def thinned(x: Array) -> Array:
    """Some of the numbers of an input: of an image [h, w, 1 or 3] evenly spread pixels, at most
    `SIDE` squared, else at most `NUMBERS` numbers, evenly spread along the longest axis."""
    image = x.ndim == 3 and x.shape[-1] in (1, 3)
    if image and x.shape[0] * x.shape[1] > SIDE * SIDE:
        return np.asarray(x[np.ix_(_spread(x.shape[0], SIDE), _spread(x.shape[1], SIDE))])
    if image or x.size <= NUMBERS:
        return x
    axis = int(np.argmax(x.shape))
    count = NUMBERS * x.shape[axis] // x.size
    if count:
        return np.asarray(x.take(_spread(x.shape[axis], count), axis))
    return np.asarray(x.reshape(-1)[_spread(x.size, NUMBERS)])


def _spread(size: int, most: int) -> Array:
    return np.linspace(0, size - 1, min(size, most)).round().astype(np.int64)


def _short(value: float) -> int | float:
    """Three digits are what a picture or a curve shows."""
    number = float(f"{value:.3g}")
    return int(number) if math.isfinite(number) and number == int(number) else number
