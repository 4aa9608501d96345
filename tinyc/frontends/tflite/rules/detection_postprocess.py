"""Import TFLite_Detection_PostProcess."""

from __future__ import annotations

from ....ir import DType, Node, TensorType, Value
from ....ir.quant import dequantize
from ....ops.dequantize import Dequantize
from ....ops.detection_postprocess import DetectionPostprocess
from ..rule import TfliteOp, rule

_MOST_OF_A_CLASS = 100
"""Boxes of a class where the file does not say."""


@rule(DetectionPostprocess, "CUSTOM TFLite_Detection_PostProcess")
def detection_postprocess(src: TfliteOp) -> list[Node]:
    o = src.custom_options(
        "max_detections", "max_classes_per_detection", "num_classes",
        use_regular_nms=0, detections_per_class=_MOST_OF_A_CLASS,
    )  # fmt: skip
    r = src.custom_floats(
        "nms_score_threshold", "nms_iou_threshold", "y_scale", "x_scale", "h_scale", "w_scale"
    )
    per_class = max(o["detections_per_class"], 1) if o["use_regular_nms"] else 0
    op = DetectionPostprocess(
        o["max_detections"], o["max_classes_per_detection"], o["num_classes"], per_class,
        r["nms_score_threshold"], r["nms_iou_threshold"],
        (r["y_scale"], r["x_scale"], r["h_scale"], r["w_scale"]),
    )  # fmt: skip
    nodes: list[Node] = []
    reals = [
        _real(src, value, f"real{i}", nodes) for i, value in enumerate(src.operands(3, outputs=4))
    ]
    return [*nodes, src.node(op, reals)]


def _real(src: TfliteOp, value: Value, name: str, nodes: list[Node]) -> Value:
    """``value``, or what a node that is added to ``nodes`` makes of it in float32."""
    if value.type.quant is None:
        return value
    if value.data is not None:
        return src.const(name, dequantize(value.data, value.type))
    kind = TensorType(value.type.shape, DType.F32)
    real = Value(f"{value.name}/{name}", kind, src.origin)
    nodes.append(Node(Dequantize(), (value,), (real,), src.origin))
    return real
