"""The samples that a report shows, and the text that it is kept as."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from test_heads import SIGMOID, copy, value

from tinyc.cli.printing import print_report
from tinyc.ir import DType, Graph
from tinyc.ir.ports import input_ports
from tinyc.plan.heads import classifiers, heads
from tinyc.report.json import text
from tinyc.report.outputs import Output, found
from tinyc.report.worst import MOST, thinned, worst
from tinyc.run.data import given_samples


def told(graph: Graph, ours: np.ndarray, original: np.ndarray | None = None, **data: Any) -> Any:
    """(what is told of the only output, its worst samples); data: as in an .npz."""
    samples = given_samples(data, graph, "d.npz")
    (head,) = heads(graph)
    classified = 0 in classifiers((head,), samples.labels)
    echo = head.echo if head.echo is None else samples.reals(head.echo, graph.inputs[0].type)
    output = Output(
        head, "bits", ours, ours, original, classified, original is not None, echo
    )  # fmt: skip
    entry, wrong = found(output, samples)
    assert not wrong.any()
    return entry, worst([output], samples, input_ports(graph)).get("worst")


def test_a_classifier() -> None:
    rng = np.random.default_rng(0)
    graph = copy(value("s", 1, 7))
    scores = rng.normal(0, 1, (40, 1, 7)).astype(np.float32)
    y = scores.reshape(40, 7).argmax(1)
    y[[5, 11]] = (y[[5, 11]] + 1) % 7
    x = np.zeros((40, 7), np.float32) + np.arange(40)[:, None]
    names = np.array(list("abcdefg"))
    entry, shown = told(graph, scores, -scores, x=x, y=y, classes=names)
    assert entry["kind"] == "scores" and entry["accuracy"] == 0.95
    assert entry["original_accuracy"] == np.mean((-scores).reshape(40, 7).argmax(1) == y)
    assert entry["agreement"] == 0 and 0.95 <= entry["top_5_accuracy"] <= 1
    assert entry["classes"][0]["name"] == "a"
    rows = shown["samples"]
    assert len(rows) == MOST and shown["by"] == "margin" and shown["output"] == "s"
    assert {rows[0]["index"], rows[1]["index"]} == {5, 11}
    margins = [row["margin"] for row in rows]
    assert margins == sorted(margins) and margins[1] < 0 <= margins[2]
    first = rows[0]
    assert first["label"] == y[first["index"]] != first["decided"]
    of = {s["class"]: s["score"] for s in first["scores"]}
    assert of[first["label"]] - of[first["decided"]] == pytest.approx(first["margin"], abs=0.02)
    assert first["inputs"][0]["values"] == [first["index"]] * 7
    unlabelled = told(graph, scores, x=x)[1]["samples"]
    assert all(row["margin"] >= 0 and "label" not in row for row in unlabelled)


def test_classes_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    graph = copy(value("s", 1, 3))
    scores = np.eye(3, dtype=np.float32)[[0, 1, 1, 1]].reshape(4, 1, 3)
    y, names = np.array([0, 1, 2, 2]), np.array(["cat", "dog", "owl"])
    entry, _ = told(graph, scores, x=np.zeros((4, 3), np.float32), y=y, classes=names)
    port = {"name": "s", "shape": [1, 3], "dtype": "float32", **entry}
    result = {"accuracy": 0.5, "reference_accuracy": 0.5, "original_accuracy": 0.75}
    print_report("test", {**result, "outputs": [port]}, False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert "accuracy 0.5000 (reference 0.5000, original 0.7500)".split() in lines
    assert "class samples recall precision taken for".split() in lines
    assert "owl 2 0.0000 dog 2".split() in lines and "dog 1 1.0000 0.3333".split() in lines


def test_numbers_with_targets() -> None:
    graph = copy(value("map", 1, 2, 3))
    x = np.arange(60, dtype=np.float32).reshape(10, 2, 3)
    ours = x[:, None].copy()
    ours[4] += 3
    entry, shown = told(graph, ours, x=x, y=x)
    assert entry["target_errors"]["largest_error"] == 3 and "accuracy" not in entry
    assert entry["target_errors"]["root_mean_square_error"] == pytest.approx(3 / np.sqrt(10))
    assert shown["by"] == "error" and shown["samples"][0] | {"inputs": 0} == {
        "index": 4, "error": 3.0, "inputs": 0,
    }  # fmt: skip
    one = copy(value("y", 1, 1))
    target = np.array([0.5, 2.5, -1], np.float32)
    entry, _ = told(one, target.reshape(3, 1, 1) + 1, x=np.zeros((3, 1), np.float32), y=target)
    assert entry["target_errors"]["mean_absolute_error"] == 1


def test_anomalies() -> None:
    """An output that reproduces its input, with less of an anomaly."""
    graph = copy(value("r", 1, 8, 8))
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (60, 8, 8)).astype(np.float32)
    y = np.arange(60) % 3 == 0
    ours = (x * np.where(y, 0.5, 0.9)[:, None, None]).astype(np.float32)[:, None]
    ours[3], ours[4] = x[3] * 0.99, x[4] * 0.1
    entry, shown = told(graph, ours, x=x, y=y)
    assert (entry["normal"], entry["anomalous"]) == (40, 20)
    scores = ((ours[:, 0] - x) ** 2).mean((1, 2))
    pairs = [scores[i] > scores[j] for i in np.flatnonzero(y) for j in np.flatnonzero(~y)]
    assert entry["auc"] == pytest.approx(np.mean(pairs)) and 0.9 < entry["auc"] < 1
    rows = shown["samples"]
    assert {rows[0]["index"], rows[1]["index"]} == {3, 4} and rows[1]["margin"] < 0
    assert rows[2]["margin"] >= 0 and rows[0]["anomaly_score"] > 0


def test_a_decision() -> None:
    graph = copy(value("p", 1, 1, quant=SIGMOID, dtype=DType.I8))
    ours = np.arange(-60, 60, 6, dtype=np.int8).reshape(20, 1, 1)
    y = (ours.ravel() >= 0).astype(int)
    y[2] = 1
    entry, shown = told(graph, ours, x=np.zeros((20, 1), np.int8), y=y)
    assert entry["accuracy"] == 0.95 and entry["auc"] == pytest.approx(92 / 99)
    first = shown["samples"][0]
    assert (first["index"], first["label"], first["decided"]) == (2, 1, 0) and first["margin"] < 0
    assert first["scores"] == [{"class": 1, "score": pytest.approx(80 / 256, abs=0.001)}]


@pytest.mark.parametrize(
    ("shape", "thin"),
    [
        ((640,), (640,)), ((5000,), (1024,)), ((400, 6), (170, 6)), ((49, 10, 1), (49, 10, 1)),
        ((96, 96, 3), (32, 32, 3)), ((20, 200, 1), (20, 32, 1)), ((2, 3000, 2000), (1024,)),
    ],
)  # fmt: skip
def test_inputs_are_thinned(shape: tuple[int, ...], thin: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    found = thinned(x)
    assert found.shape == thin and np.isin(found, x).all()
    assert (found.flat[0], found.flat[-1]) == (x.flat[0], x.flat[-1])


def test_a_report_stays_small() -> None:
    rng = np.random.default_rng(0)
    graph = copy(value("s", 1, 64, 64, 3))
    x = rng.normal(0, 1, (20, 64, 64, 3)).astype(np.float32)
    _, shown = told(graph, x[:, None] * 1.1, x=x, y=x)
    document = text({"worst": shown})
    assert json.loads(document) == {"worst": shown} and len(document) < 130_000
    assert shown["samples"][0]["inputs"][0]["whole_shape"] == [64, 64, 3]
    odd = {"a": [1, -2.5, 3e-7], "b": ["[\n 1\n]", [1], []], "c": "[\n  1,\n  2\n]", "d": [[], [2]]}
    assert json.loads(text(odd)) == odd and "[1, -2.5, 3e-07]" in text(odd)
