"""TFLite_Detection_PostProcess against LiteRT: classes, scores and counts to the bit, boxes but for
what its exp differs in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_litert, write_model

from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.ir import interpret
from tinyc.passes import optimize

pytest.importorskip("ai_edge_litert")
CLASSES = 4
OPTIONS = {
    "max_detections": 5, "max_classes_per_detection": 1, "num_classes": CLASSES,
    "nms_score_threshold": 0.2, "nms_iou_threshold": 0.5,
    "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
}  # fmt: skip


def detector(
    path: Path,
    rng: np.random.Generator,
    count: int = 9,
    background: int = 1,
    dtype: str = "float32",
    depth: int = 4,
    stated: bool = True,
    **options: Any,
) -> Path:
    """A model of encodings and scores, with random anchors; an option of None is left out;
    stated: whether it tells the shapes of its outputs."""
    given = {k: v for k, v in {**OPTIONS, **options}.items() if v is not None}
    anchors = np.concatenate(
        [rng.uniform(0.2, 0.8, (count, 2)), rng.uniform(0.1, 0.4, (count, 2))], 1
    )
    quant: dict[str, Any] = {}
    if dtype == "uint8":
        anchors, quant = np.rint(anchors * 255), {"scale": 1 / 255, "zero_point": 0}
    codes = {"scale": 0.05, "zero_point": 33} if quant else {}
    total = given["max_detections"] * given["max_classes_per_detection"]
    tensors = [
        TensorSpec("codes", (1, count, depth), dtype, **codes),
        TensorSpec("scores", (1, count, CLASSES + background), dtype, **quant),
        TensorSpec("anchors", (count, 4), dtype, data=anchors, **quant),
        TensorSpec("boxes", (1, total, 4), "float32"),
        TensorSpec("classes", (1, total), "float32"),
        TensorSpec("rated", (1, total), "float32"),
        TensorSpec("total", (1,), "float32"),
    ]
    if not stated:
        tensors[3:] = [replace(t, shape=()) for t in tensors[3:]]
    step = ("CUSTOM TFLite_Detection_PostProcess", given, [0, 1, 2], [3, 4, 5, 6])
    return write_model(path, [step], tensors, [0, 1], [3, 4, 5, 6])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"background": 0, "max_classes_per_detection": 2},
        {"background": 0, "max_classes_per_detection": 6, "max_detections": 20},
        {"use_regular_nms": True, "detections_per_class": 3},
        {"use_regular_nms": True, "nms_iou_threshold": 0.1, "max_detections": 30},
        {"dtype": "uint8", "stated": False},
        {"dtype": "uint8", "use_regular_nms": True, "depth": 6},
    ],
)
def test_detections(options: dict[str, Any], rng: np.random.Generator, tmp_path: Path) -> None:
    totals: set[int] = set()
    each = options.get("max_classes_per_detection", 1)
    for seed in range(15):
        count, least = int(rng.integers(1, 30)), float(rng.choice([0.0, 0.3, 0.8, 0.95]))
        path = detector(
            tmp_path / f"{seed}.tflite", rng, count, nms_score_threshold=least, **options
        )
        graph = read(path)
        codes, scores = (v.type.shape for v in graph.inputs)
        if "dtype" in options:  # scores that are often equal
            x = [rng.integers(0, 100, codes, np.uint8), rng.integers(0, 255, scores, np.uint8)]
        else:
            x = [rng.normal(0, 2, codes), rng.uniform(0, 1, scores)]
            # LiteRT's order of equal scores of one box is whatever its library sorts to.
            x = [a.astype(np.float32).round(9 if each > 1 else 1) for a in x]
        theirs = run_litert(path, x)
        for version in (graph, optimize(graph)):
            values = interpret(version, x)
            boxes, *ours = (values[v] for v in version.outputs)
            total = int(theirs[3][0])
            assert ours[2][0] == total
            # Behind what it has found LiteRT leaves what was there.
            at = [i * each + k for i in range(total) for k in range(min(each, CLASSES))]
            np.testing.assert_array_equal(ours[0][:, at], theirs[1][:, at])
            np.testing.assert_array_equal(ours[1][:, at], theirs[2][:, at])
            np.testing.assert_allclose(boxes[:, at], theirs[0][:, at], rtol=1e-6, atol=1e-6)
            assert not np.delete(boxes[0], at, 0).any()
            totals.add(total)
    assert len(totals) > 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_classes": None}, "its custom options lack num_classes"),
        ({"y_scale": None}, "its custom options lack y_scale"),
        ({"y_scale": 0.0}, "its scales are [0.0, 10.0, 5.0, 5.0]"),
        ({"nms_iou_threshold": 1.5}, "its overlap is 1.5"),
        ({"nms_iou_threshold": float("inf")}, "its nms_iou_threshold is inf"),
        ({"depth": 3}, "its encodings are [1, 9, 3]"),
        ({"background": 2}, "its scores are [1, 9, 6], of 4 classes"),
        ({"max_detections": 0}, "gives 0 detections"),
    ],
)
def test_what_is_no_detector_is_named(
    options: dict[str, Any], words: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    with pytest.raises(CompileError) as caught:
        read(detector(tmp_path / "m.tflite", rng, **options))
    assert words in str(caught.value) and "\n" not in str(caught.value)
