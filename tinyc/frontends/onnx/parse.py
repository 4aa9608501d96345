"""An ONNX file as a checked `onnx.ModelProto`: one opset, no functions, all data in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CompileError
from ..content import content
from ..packages import ONNX, require

if TYPE_CHECKING:
    from onnx import ModelProto

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
    from onnx import inliner

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
        model = inliner.inline_local_functions(model)
        if opset(model) < OLDEST:
            model = onnx.version_converter.convert_version(model, OLDEST)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise CompileError("E301", path.name, f"breaks the format: {said[:200]}", _EXPORT) from None
    return model, raw


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
