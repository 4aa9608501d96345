"""How C computes TFLite_Detection_PostProcess."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.detection_postprocess import DetectionPostprocess
from .base import Binding, provide
from .conv import portable
from .move import bind_operands, caption


def _bind(node: Node[DetectionPostprocess]) -> Binding:
    op = node.op
    operands, constants = bind_operands(node, "codes", "scores", "anchors")
    _, boxes, code_size = node.inputs[0].type.shape
    found = op.detections if op.per_class else min(op.classes_each, op.classes)
    return Binding(
        params={
            **operands,
            "caption": caption(node),
            "boxes": boxes,
            "code_size": code_size,
            "stride": node.inputs[1].type.shape[-1],
            "classes": op.classes,
            "detections": op.detections,
            "classes_each": op.classes_each,
            "per_class": op.per_class,
            "least_score": op.least_score,
            "overlap": op.overlap,
            "scales": list(op.scales),
            "found": found,
        },
        constants=constants,
        # Boxes, their best scores, what is found, and a mark of each box.
        scratch=21 * boxes + 4 * found,
        support=("tinyc_detection_f32.h",),
    )


provide(
    DetectionPostprocess,
    portable("detection_postprocess_f32", DType.F32, _bind, "detection_postprocess.c.j2"),
)
