"""An ONNX file as a checked `onnx.ModelProto`: one opset, no functions, all data in it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CompileError
from ..content import content
from ..packages import ONNX, require
from . import rules, static

if TYPE_CHECKING:
    from onnx import ModelProto

CONTROL = ("If", "Loop", "Scan", "SequenceMap")
"""Operators that have graphs of their own."""
OLDEST = 13
"""The first operator set that the rules are written for; older ones are converted to it."""
LEAST = 7
"""The oldest one that the onnx package converts."""
_EXPORT = "export the model again"


def parse(path: Path) -> tuple[ModelProto, bytes]:
    """(the model, the file's bytes).

    Raises CompileError E202 (no such file, or none of the data beside it), E203 (cannot be read),
    E301 (no ONNX, or it breaks the format), E333 (too large), E352 (an operator set that is too
    old or too new), E705 (the package is missing).
    """
    raw = content(path, ".onnx")
    require(str(path), ONNX)
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import inliner, version_converter

    model = onnx.ModelProto()
    try:
        model.ParseFromString(raw)
    except DecodeError:
        raise CompileError("E301", path.name, "is no ONNX file, or is cut off", _EXPORT) from None
    if not model.HasField("graph") or not model.opset_import:
        raise CompileError("E301", path.name, "holds no ONNX model", _EXPORT)
    _load_data(model, path)
    expect_opset(model, path.name)
    for info in model.graph.output:  # whose shape nobody needs, but the checker
        info.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(model)
        if opset(model) < OLDEST:
            model = version_converter.convert_version(model, OLDEST)
        model = inliner.inline_local_functions(model)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise CompileError("E301", path.name, f"breaks the format: {said[:200]}", _EXPORT) from None
    return expanded(model), raw


def expanded(model: ModelProto) -> ModelProto:
    """``model`` with operators that have no rule written out, as their definitions in the standard
    are, in those that may have one."""
    from onnx import defs, inliner, shape_inference

    known = {*rules.load(), *static.FOLDED, *CONTROL}
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx") and node.op_type not in known:
            with contextlib.suppress(defs.SchemaError):
                schema = defs.get_schema(node.op_type, opset(model))
                given = {a.name for a in node.attribute}
                node.attribute.extend(
                    a.default_value
                    for a in schema.attributes.values()
                    if a.default_value.name and a.name not in given
                )
    try:
        return inliner.inline_selected_functions(
            model, [("", name) for name in known], exclude=True, inline_schema_functions=True
        )
    except (RuntimeError, shape_inference.InferenceError):  # a definition lacks what it needs
        return model


def opset(model: ModelProto, domain: str = "") -> int:
    """The version of an operator set that the model uses, 0 if none."""
    names = ("", "ai.onnx") if not domain else (domain,)
    return max((o.version for o in model.opset_import if o.domain in names), default=0)


def expect_opset(model: ModelProto, file: str) -> None:
    if opset(model) < LEAST:
        raise CompileError(
            "E352", file, f"is of operator set {opset(model)}",
            f"export the model for operator set {OLDEST} or newer",
        )  # fmt: skip
    from onnx import __version__, defs

    newest = defs.onnx_opset_version()
    if opset(model) > newest:
        raise CompileError(
            "E352", file, f"is of operator set {opset(model)}; onnx {__version__} knows those up "
            f"to {newest}", "pip install --upgrade onnx, or export the model for an older one",
        )  # fmt: skip


def _load_data(model: ModelProto, path: Path) -> None:
    """Take in what the file keeps in others beside it."""
    from onnx import checker, external_data_helper

    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent.resolve()))
    except (OSError, ValueError, checker.ValidationError) as error:
        said = " ".join(str(error).split())
        raise CompileError(
            "E202", path.name, f"its data in another file cannot be read: {said[:200]}",
            "put the file beside the model, as the exporter left it",
        ) from None  # fmt: skip
