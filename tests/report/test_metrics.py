"""Metrics: by their formulas, beside scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinyc.report.metrics import MOST_CELLS, MOST_CLASSES, K, auc, by_class, errors, within


def test_errors() -> None:
    found = errors(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]]))
    assert found["mean_absolute_error"] == 1 and found["largest_error"] == 2
    assert found["relative_l2_error"] == pytest.approx(2 / math.sqrt(17))
    assert found["root_mean_square_error"] == pytest.approx(math.sqrt(2))
    assert found["cosine_similarity"] == pytest.approx(9 / math.sqrt(5 * 17))
    zero, one = np.zeros((2, 1)), np.ones((2, 1))
    same = errors(zero, zero)
    assert same["relative_l2_error"] == 0 and same["cosine_similarity"] == 1
    away = errors(one, zero)
    assert away["relative_l2_error"] is None and away["cosine_similarity"] is None
    assert away["root_mean_square_error"] == 1
    assert errors(one, -one)["cosine_similarity"] == pytest.approx(-1)
    assert set(errors(np.full((2, 1), np.nan), zero).values()) == {None}


def test_beside_scikit_learn() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(0, 1, (300, 8)) * 4) / 4  # with equal ones
    labels = rng.integers(0, 7, 300)  # none of the last class
    decided = scores.argmax(1)
    assert within(scores, labels, 1) == np.mean(decided == labels)
    distinct = rng.permuted(np.tile(np.arange(8.0), (300, 1)), axis=1)
    expected = sk.top_k_accuracy_score(labels, distinct, k=K, labels=np.arange(8))
    assert within(distinct, labels, K) == pytest.approx(expected)
    positive = labels > 3
    assert auc(scores[:, 0], positive) == pytest.approx(sk.roc_auc_score(positive, scores[:, 0]))
    found = by_class(labels, decided, 8, list("abcdefgh"))
    matrix = sk.confusion_matrix(labels, decided, labels=np.arange(8))
    assert found["confusion"] == matrix.tolist()
    for key, score in (("recall", sk.recall_score), ("precision", sk.precision_score)):
        each = score(labels, decided, labels=np.arange(8), average=None, zero_division=np.nan)
        for told, value in zip(found["classes"], each, strict=True):
            ours = math.nan if told[key] is None else told[key]
            assert ours == pytest.approx(value, nan_ok=True)
    assert found["classes"][7]["recall"] is None and found["classes"][7]["name"] == "h"
    pairs = {(p["label"], p["decided"]): p["samples"] for p in found["confused"]}
    off = matrix * (1 - np.eye(8, dtype=int))
    assert max(pairs.values()) == off.max() and all(off[k] == n for k, n in pairs.items())
    a, b = rng.normal(0, 1, (2, 50, 3))
    near = errors(a, b)
    assert near["root_mean_square_error"] ** 2 == pytest.approx(sk.mean_squared_error(b, a))
    assert near["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(b, a))


def test_nothing_to_tell_apart() -> None:
    scores = np.array([0.1, 0.5, 0.5, 0.9])
    assert auc(scores, np.ones(4, bool)) is None and auc(scores, np.zeros(4, bool)) is None
    assert auc(np.array([0.0, np.nan]), np.array([True, False])) is None
    assert auc(scores, np.array([False, False, True, True])) == 0.875
    assert auc(-scores, np.array([False, False, True, True])) == 0.125


def test_many_classes() -> None:
    labels = np.arange(1000) % 500
    decided = np.where(labels < 3, 499, labels)
    found = by_class(labels, decided, 500)
    assert MOST_CELLS < 500 and "confusion" not in found
    assert len(found["classes"]) == MOST_CLASSES
    assert [c["class"] for c in found["classes"][:4]] == [0, 1, 2, 3]
    assert [c["recall"] for c in found["classes"][:4]] == [0, 0, 0, 1]
    assert found["confused"][0] == {"label": 0, "decided": 499, "samples": 2}
    assert by_class(labels, np.where(labels < 3, -1, labels), None) == {}
    assert by_class(labels, labels + 10**12, None) == {}
