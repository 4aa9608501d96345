"""`Source` -> typed `Graph`, by each operator's import rule."""

from __future__ import annotations

from pathlib import Path

from ...errors import CompileError, CompileErrors
from ...ir import Graph, Node, TensorType, Value, verify
from ...op import tflite_importers
from ..flatbuffer import MalformedError
from .names import model_name
from .parse import parse
from .rule import TfliteOp
from .source import CONVERT_AGAIN, Source


def read(path: Path, name: str | None = None) -> Graph:
    """Read a ``.tflite`` file and lift it.

    name: the model's name (default: the file's stem). Raises CompileError (E2xx: no such
    file, E3xx: malformed) or CompileErrors (each unsupported operator, all at once).
    """
    file = path.name
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CompileError(
            "E202", str(path), "no such file", "give the path of a .tflite file"
        ) from None
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
    return lift(parse(raw, file, name or path.stem))


def lift(source: Source) -> Graph:
    """Lift by each operator's import rule; raises CompileErrors with every problem found."""
    errors: list[CompileError] = []
    values: dict[int, Value] = {}
    names: set[str] = set()

    def value(index: int) -> Value:
        if index not in values:
            t = source.tensors[index]
            name = t.name if t.name not in names else f"{t.name}:{index}"
            names.add(name)
            origin = f"{source.file}: tensor {index} '{t.name}'"
            values[index] = Value(name, TensorType(t.shape, t.dtype, t.quant), origin, t.data)
        return values[index]

    if not source.inputs or not source.outputs:
        raise CompileError("E301", source.file, "has no input or no output", CONVERT_AGAIN)
    importers = tflite_importers()
    nodes: list[Node] = []
    defined = set(source.inputs)
    for index in source.inputs:
        if source.tensors[index].data is not None or source.inputs.count(index) > 1:
            raise CompileError(
                "E301",
                source.file,
                f"input tensor {index} is constant or stands twice",
                CONVERT_AGAIN,
            )
    for op in source.ops:
        src = TfliteOp(
            source.file,
            op,
            tuple(None if i == -1 else value(i) for i in op.inputs),
            tuple(value(i) for i in op.outputs),
        )
        for i in op.inputs:
            if i != -1 and i not in defined and source.tensors[i].data is None:
                errors.append(
                    src.fail(f"reads tensor {i} before it is computed", CONVERT_AGAIN, "E301")
                )
        for i in op.outputs:
            if i in defined or source.tensors[i].data is not None:
                errors.append(src.fail(f"writes tensor {i} a second time", CONVERT_AGAIN, "E301"))
            defined.add(i)
        importer = importers.get(op.name)
        if importer is None:
            errors.append(
                src.fail("this operator is not supported", "see `tinyc ops` for what is", "E300")
            )
            continue
        try:
            imported = importer.from_tflite(src)
            for node in imported:
                node.op.check(node)
            nodes += imported
        except CompileError as error:
            errors.append(error)
        except MalformedError as error:
            errors.append(src.fail(f"malformed options: {error}", CONVERT_AGAIN, "E301"))
    for index in source.outputs:
        if index not in defined and source.tensors[index].data is None:
            errors.append(
                CompileError(
                    "E301", source.file, f"output tensor {index} is never computed", CONVERT_AGAIN
                )
            )
    if errors:
        raise errors[0] if len(errors) == 1 else CompileErrors(tuple(errors))
    return verify(
        Graph(
            name=model_name(source.name),
            inputs=tuple(value(i) for i in source.inputs),
            outputs=tuple(value(i) for i in source.outputs),
            nodes=tuple(nodes),
            sha256=source.sha256,
        )
    )
