"""How near outputs are to others, and how often they are right: the formulas of docs/metrics.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Array

MOST_CELLS = 50
"""Classes of which a matrix of all with all can still be read."""

MOST_CLASSES = 100
"""Of more classes those are told that are found worst."""

MOST_PAIRS = 20
_MOST = 1 << 16
"""Of an index that knows no classes more are no classes."""

K = 5
"""Of more classes than these it is told how often the label is among the first of so many."""


def errors(ours: Array, truth: Array) -> dict[str, float | None]:
    """How far real numbers ``ours`` [n, ...] are from ``truth``, all numbers taken together; None
    where it is no number."""
    a, b = (x.reshape(-1).astype(np.float64) for x in (ours, truth))
    with np.errstate(all="ignore"):
        away = np.abs(a - b)
        square, lengths = float(np.mean(away**2)), [float(np.linalg.norm(x)) for x in (a, b)]
        distance = float(np.linalg.norm(away))
        relative = distance / lengths[1] if lengths[1] else float(away.any()) * math.inf
        if lengths[0] and lengths[1]:
            cosine = float(np.clip(np.dot(a / lengths[0], b / lengths[1]), -1, 1))
        else:
            cosine = 1.0 if lengths[0] == lengths[1] else math.nan
    found = {
        "mean_absolute_error": float(away.mean()),
        "largest_error": float(away.max()),
        "relative_l2_error": 0.0 if not away.any() else relative,
        "root_mean_square_error": math.sqrt(square) if square >= 0 else math.nan,
        "cosine_similarity": 1.0 if not away.any() else cosine,
    }
    return {key: value if math.isfinite(value) else None for key, value in found.items()}


def within(scores: Array, labels: Array, k: int) -> float:
    """The part of the samples whose label is among the k greatest scores [n, classes]; of equal
    ones the first is the greatest, so that within 1 is the accuracy."""
    rows = np.arange(len(labels))
    own = scores[rows, labels][:, None]
    before = np.arange(scores.shape[1]) < labels[:, None]
    rank = (scores > own).sum(1) + ((scores == own) & before).sum(1)
    return float(np.mean(rank < k))


def auc(scores: Array, positive: Array) -> float | None:
    """The area under the curve of true over false positives: how probable it is that a positive
    sample has a greater score than a negative one, equal ones counted by half. scores [n];
    positive: bool [n]; None where all are, or none is."""
    many = int(positive.sum())
    others = len(positive) - many
    if not many or not others or np.isnan(scores).any():
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[places]  # from 1 on, equal ones in the middle of theirs
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * others))


def confusion(labels: Array, decided: Array, count: int) -> Array:
    """int64 [count, count]: how many samples of the class of the row are put into that of the
    column."""
    return np.bincount(labels * count + decided, minlength=count * count).reshape(count, count)


def by_class(
    labels: Array, decided: Array, count: int | None, names: Sequence[str] = ()
) -> dict[str, Any]:
    """``classes``: of each its samples, recall and precision, None where there is nothing that it
    would be a part of; ``confusion``: the matrix, of no more than `MOST_CELLS` classes;
    ``confused``: which is taken for which most often; empty where what is decided are no
    classes. labels, decided: int64 [n]."""
    count = max(count or 0, int(labels.max()) + 1, int(decided.max()) + 1)
    if count > _MOST or decided.min() < 0:  # an index may be any integer
        return {}
    have, took, right = (
        np.bincount(x, minlength=count) for x in (labels, decided, labels[labels == decided])
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = right / have, right / took
    order = np.arange(count)
    if count > MOST_CLASSES:
        order = np.lexsort((order, np.where(have > 0, recall, 2)))[:MOST_CLASSES]
    classes = [
        {
            "class": int(i),
            **({"name": names[i]} if names else {}),
            "samples": int(have[i]),
            "decided": int(took[i]),
            "recall": float(recall[i]) if have[i] else None,
            "precision": float(precision[i]) if took[i] else None,
        }
        for i in order
    ]
    wrong = labels != decided
    pairs, times = np.unique(
        np.stack([labels[wrong], decided[wrong]], 1), axis=0, return_counts=True
    )
    most = np.argsort(-times, kind="stable")[:MOST_PAIRS]
    found: dict[str, Any] = {"classes": classes}
    if count <= MOST_CELLS:
        found["confusion"] = confusion(labels, decided, count).tolist()
    found["confused"] = [
        {"label": int(pairs[i, 0]), "decided": int(pairs[i, 1]), "samples": int(times[i])}
        for i in most
    ]
    return found
