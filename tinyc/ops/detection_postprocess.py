"""TFLite_Detection_PostProcess: boxes, classes and scores out of an object detector's encodings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register


@register
@dataclass(frozen=True)
class DetectionPostprocess(Op):
    """Inputs of float32: encodings [1, n, 4 or more], of which the first four count: y, x, height,
    width, relative to an anchor and times ``scales``; scores [1, n, classes], or of one class more,
    the background, before these; anchors [n, 4].
    Outputs of float32, of m = detections * classes_each: boxes [1, m, 4] (least y, least x,
    greatest y, greatest x), classes [1, m], scores [1, m], how many detections there are [1]; zeros
    where there is none.

    A box of a score under ``least_score`` does not count, nor one whose intersection with one of a
    better score is more than ``overlap`` of their union. per_class: 0 if boxes are compared by
    their best class, and each gives its ``classes_each`` best; else each class has boxes of its
    own, up to so many, the best ``detections`` of which are given. Of equal scores the first counts
    more. (LiteRT's kernels/detection_postprocess.cc, which fails where a box is empty, and leaves
    its outputs as they were where there is no detection.)
    """

    detections: int
    classes_each: int
    classes: int
    per_class: int
    least_score: float
    overlap: float
    scales: tuple[float, float, float, float]

    calibrates = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3, 4)
        for value in (*node.inputs, *node.outputs):
            expect_dtype(node, value.type, (DType.F32,), f"'{value.name}'")
        codes, scores, anchors = (v.type for v in node.inputs)
        if min(self.detections, self.classes_each, self.classes) < 1 or self.per_class < 0:
            what = f"gives {self.detections} detections of {self.classes_each} of {self.classes}"
            raise fail(node, f"{what} classes, {self.per_class} for each", CONVERT_AGAIN, "E301")
        if not 0 < self.overlap <= 1 or min(map(abs, self.scales)) == 0:
            what = f"its overlap is {self.overlap:.6g}, its scales are {list(self.scales)}"
            raise fail(node, what, CONVERT_AGAIN, "E301")
        if len(codes.shape) != 3 or codes.shape[0] != 1 or codes.shape[2] < 4:
            what = f"its encodings are {list(codes.shape)}, not [1, n, 4]"
            raise fail(node, what, "export the detector for one image", "E301")
        count = codes.shape[1]
        expect_shape(node, anchors, (count, 4), "anchors")
        background = scores.shape[-1] - self.classes if scores.shape else 0
        if background not in (0, 1):
            what = f"its scores are {list(scores.shape)}, of {self.classes} classes"
            raise fail(node, what, CONVERT_AGAIN, "E301")
        expect_shape(node, scores, (1, count, self.classes + background), "scores")
        total = self.detections * self.classes_each
        shapes = (1, total, 4), (1, total), (1, total), (1,)
        for value, shape in zip(node.outputs, shapes, strict=True):
            expect_shape(node, value.type, shape, f"'{value.name}'")

    # Reference ----------------------------------------------------------------------------

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        codes, scores, anchors = inputs
        decoded = self._boxes(codes[0], anchors)
        scores = scores[0][:, scores.shape[2] - self.classes :]
        found = self._by_class(decoded, scores) if self.per_class else self._by_box(decoded, scores)
        boxes, classes, rated, total = (np.zeros(v.type.shape, np.float32) for v in node.outputs)
        for at, box, which in found:
            boxes[0, at], classes[0, at], rated[0, at] = decoded[box], which, scores[box, which]
        total[0] = len({at // self._apart for at, _, _ in found})
        return boxes, classes, rated, total

    @property
    def _apart(self) -> int:
        """Places of a detection."""
        return 1 if self.per_class else self.classes_each

    def _boxes(self, codes: Array, anchors: Array) -> Array:
        """[n, 4]: in float32 throughout."""
        y, x, h, w = (codes[:, i] / np.float32(s) for i, s in enumerate(self.scales))
        center = np.stack([y, x], 1) * anchors[:, 2:] + anchors[:, :2]
        half = np.float32(0.5) * np.exp(np.stack([h, w], 1)) * anchors[:, 2:]
        return np.concatenate([center - half, center + half], 1)

    def _survivors(self, boxes: Array, scores: Array, most: int) -> list[int]:
        """The best boxes of one class that do not overlap."""
        active = scores >= np.float32(self.least_score)
        found: list[int] = []
        while len(found) < most and active.any():
            best = int(np.argmax(np.where(active, scores, -np.inf)))
            found.append(best)
            active[best] = False
            active &= ~(_overlaps(boxes[best], boxes) > np.float32(self.overlap))
        return found

    def _by_box(self, boxes: Array, scores: Array) -> list[tuple[int, int, int]]:
        """(place, box, class) of each that is found."""
        order = np.argsort(-scores, 1, kind="stable")[:, : self.classes_each]
        best = np.take_along_axis(scores, order[:, :1], 1)[:, 0]
        return [
            (i * self.classes_each + k, box, which)
            for i, box in enumerate(self._survivors(boxes, best, self.detections))
            for k, which in enumerate(order[box].tolist())
        ]

    def _by_class(self, boxes: Array, scores: Array) -> list[tuple[int, int, int]]:
        found = [
            (box, which)
            for which in range(self.classes)
            for box in self._survivors(boxes, scores[:, which], self.per_class)
        ]
        best = sorted(found, key=lambda one: -scores[one])[: self.detections]
        return [(i, box, which) for i, (box, which) in enumerate(best)]

    # Cases --------------------------------------------------------------------------------

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        scales = (10.0, 10.0, 5.0, 5.0)
        for op, count, depth, background, constant in [
            (cls(5, 1, 3, 0, 0.5, 0.5, scales), 20, 4, 1, True),
            (cls(4, 2, 3, 0, -1.0, 0.3, scales), 13, 5, 0, True),
            (cls(3, 4, 2, 0, 0.1, 1.0, (1.0, 2.0, 3.0, 4.0)), 6, 4, 0, False),
            (cls(6, 1, 4, 2, 0.5, 0.6, scales), 20, 4, 1, True),
            (cls(2, 2, 1, 100, 1.5, 0.2, scales), 1, 4, 1, False),
        ]:
            anchors = rng.uniform(0.1, 0.6, (count, 4)).astype(np.float32)
            shapes = [(1, count, depth), (1, count, op.classes + background), (count, 4)]
            total = op.detections * op.classes_each
            inputs, outputs = (
                [Value(f"{name}{i}", TensorType(s, DType.F32), "case") for i, s in enumerate(sizes)]
                for name, sizes in (
                    ("x", shapes), ("y", [(1, total, 4), (1, total), (1, total), (1,)]),
                )
            )  # fmt: skip
            if constant:
                inputs[2] = Value("anchors", inputs[2].type, "case", anchors)
            yield Node(op, tuple(inputs), tuple(outputs), "case")


def _overlaps(box: Array, boxes: Array) -> Array:
    """[n]: intersection over union of one box with each, 0 where one is empty."""
    area, areas = ((b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1]) for b in (box, boxes))
    # Minimum and maximum as of C++, where what is no number is not less.
    ends = np.where(boxes[:, 2:] < box[2:], boxes[:, 2:], box[2:])
    sides = ends - np.where(box[:2] < boxes[:, :2], boxes[:, :2], box[:2])
    sides = np.where(sides < 0, np.float32(0), sides)
    both = sides[:, 0] * sides[:, 1]
    ratio = both / (area + areas - both)
    return np.where((area <= 0) | (areas <= 0), np.float32(0), ratio)
