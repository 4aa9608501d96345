"""Tests' own small .tflite files, and LiteRT's reference kernels to compare with.

path = tmp_path / "m.tflite"
write_model(
    path,
    [("ADD", {"fusedActivationFunction": 1}, [0, 1], [2])],
    [TensorSpec("a", (2, 3), "int8", 0.5, 3), TensorSpec("b", (2, 3), "int8", 0.1, -4),
     TensorSpec("y", (2, 3), "int8", 0.7, 0)],
    inputs=[0, 1], outputs=[2],
)
(y,) = run_litert(path, [a, b])
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

# Operators whose options table is not named after them.
_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2D", "MAX_POOL_2D": "Pool2D", "L2_POOL_2D": "Pool2D",
    "MEAN": "Reducer", "SUM": "Reducer", "REDUCE_MAX": "Reducer", "REDUCE_MIN": "Reducer",
    "REDUCE_PROD": "Reducer", "REDUCE_ANY": "Reducer", "REDUCE_ALL": "Reducer",
    "L2_NORMALIZATION": "L2Norm", "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNN",
}  # fmt: skip
# Versions other than 2; LiteRT knows these operators in this one.
_VERSIONS = {
    "FULLY_CONNECTED": 5, "CONV_2D": 5, "DEPTHWISE_CONV_2D": 5,
    "RELU_N1_TO_1": 1, "PRELU": 1, "HARD_SWISH": 1, "CAST": 1,
    "RESHAPE": 1, "SQUEEZE": 1, "EXPAND_DIMS": 1, "DEPTH_TO_SPACE": 1, "SHAPE": 1,
    "DENSIFY": 1, "REDUCE_PROD": 1, "FLOOR": 1, "CEIL": 1, "ROUND": 1, "ELU": 1, "SQUARE": 1,
    "SIN": 1, "COS": 1, "NEG": 1, "POW": 1, "ADD_N": 1, "LOGICAL_AND": 1, "LOGICAL_OR": 1,
    "LOGICAL_NOT": 1, "GELU": 1, "SIGN": 1, "REDUCE_ANY": 1, "REDUCE_ALL": 1, "REVERSE_V2": 1,
    "ONE_HOT": 1, "CUMSUM": 1, "TOPK_V2": 1, "EMBEDDING_LOOKUP": 1, "L2_POOL_2D": 1,
    "DYNAMIC_UPDATE_SLICE": 1,
}  # fmt: skip


@dataclass(frozen=True)
class TensorSpec:
    """A tensor to write: scale and zero_point are numbers, or sequences along ``axis``;
    data: contents of a constant, cast to ``dtype`` (a numpy name), or None; an array that stands
    in several tensors is one buffer; raw: the contents as bytes, whatever the shape; signature:
    the shape with -1 for open sizes; sparsity: a SparsityParametersT."""

    name: str
    shape: Sequence[int]
    dtype: str
    scale: float | Sequence[float] | None = None
    zero_point: int | Sequence[int] = 0
    axis: int = 0
    data: Any = None
    raw: bytes | None = None
    signature: Sequence[int] | None = None
    variable: bool = False
    sparsity: Any = None


def write_model(
    path: Path,
    operators: Sequence[tuple[Any, ...]],
    tensors: Sequence[TensorSpec],
    inputs: Sequence[int],
    outputs: Sequence[int],
    signature: tuple[Sequence[tuple[str, int]], Sequence[tuple[str, int]]] | None = None,
) -> Path:
    """Write a model of one subgraph to ``path`` and return it.

    signature: names and tensors of the inputs, and those of the outputs.

    operators: (TFLite name, options, input indices with -1 for an absent one, output indices, and
    those of intermediates if there are any): str, dict or None, and sequences of int;
    options are the fields of the options table as the object API names them
    (``{"padding": 1, "strideW": 2}``), ``{}`` for all defaults, None for no table; those of a
    custom operator (``CUSTOM LceQuantize``) are a FlexBuffers map, or bytes as they stand.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as s
    from flatbuffers import flexbuffers

    tables = {n.lower(): n for n in vars(s.BuiltinOptions) if n.endswith("Options")}
    model, graph = s.ModelT(), s.SubGraphT()
    model.version = 3
    model.description = "written by a test"
    model.buffers = [s.BufferT()]
    model.operatorCodes, model.subgraphs = [], [graph]
    graph.name = "main"
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    graph.tensors, graph.operators = [], []
    buffers: dict[tuple[int, str], int] = {}
    for t in tensors:
        tensor = s.TensorT()
        tensor.name, tensor.shape = t.name, list(t.shape)
        tensor.type = getattr(s.TensorType, t.dtype.removesuffix("_").upper())
        tensor.shapeSignature = None if t.signature is None else list(t.signature)
        tensor.isVariable, tensor.sparsity = t.variable, t.sparsity
        if t.data is not None or t.raw is not None:
            content = t.raw
            if content is None:
                array = np.ascontiguousarray(t.data, t.dtype)
                assert array.size == np.prod(t.shape, dtype=int), (t.name, array.shape, t.shape)
                content = array.tobytes()
            known = buffers.get((id(t.data), t.dtype)) if t.raw is None else None
            if known is None:
                buffer = s.BufferT()
                buffer.data = np.frombuffer(content, np.uint8)
                known = buffers[id(t.data), t.dtype] = len(model.buffers)
                model.buffers.append(buffer)
            tensor.buffer = known
        if t.scale is not None:
            q = s.QuantizationParametersT()
            q.scale = np.atleast_1d(np.asarray(t.scale, np.float32))
            q.zeroPoint = np.broadcast_to(np.asarray(t.zero_point, np.int64), q.scale.shape).copy()
            q.quantizedDimension = t.axis
            tensor.quantization = q
        graph.tensors.append(tensor)
    names: list[str] = []
    for name, options, ins, outs, *inner in operators:
        if name not in names:
            code = s.OperatorCodeT()
            code.builtinCode = getattr(s.BuiltinOperator, name.split()[0])
            code.customCode = name.partition(" ")[2] or None
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            # Per-channel, int16 and broadcasting forms need a later version of some operators.
            code.version = 1 if code.customCode else _VERSIONS.get(name, 2)
            names.append(name)
            model.operatorCodes.append(code)
        op = s.OperatorT()
        op.opcodeIndex = names.index(name)
        op.inputs, op.outputs = list(ins), list(outs)
        op.intermediates = list(inner[0]) if inner else None
        if name.startswith("CUSTOM"):
            raw = options if isinstance(options, bytes) else bytes(flexbuffers.Dumps(options or {}))
            op.customOptions = np.frombuffer(raw, np.uint8)
        elif options is not None:
            table = tables.get(_OPTIONS.get(name, name).replace("_", "").lower() + "options")
            if table is not None:
                op.builtinOptionsType = getattr(s.BuiltinOptions, table)
                op.builtinOptions = getattr(s, f"{table}T")()
                for key, value in options.items():
                    assert hasattr(op.builtinOptions, key), f"{table} has no {key}"
                    setattr(op.builtinOptions, key, value)
            assert table is not None or not options, f"{name} has no options table"
        graph.operators.append(op)
    if signature is not None:
        definition = s.SignatureDefT()
        definition.signatureKey, definition.subgraphIndex = b"serving_default", 0
        definition.inputs, definition.outputs = ([], [])
        for maps, ends in zip((definition.inputs, definition.outputs), signature, strict=True):
            for name, index in ends:
                entry = s.TensorMapT()
                entry.name, entry.tensorIndex = name, index
                maps.append(entry)
        model.signatureDefs = [definition]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def sparse(
    dense: np.ndarray, order: tuple[int, ...], blocks: dict[int, int], csr: set[int]
) -> tuple[np.ndarray, Any]:
    """Stored values and SparsityParametersT of ``dense``; blocks: dimension -> size; csr: the
    levels that are stored sparse."""
    from ai_edge_litert import schema_py_generated as s

    rank, block_map = dense.ndim, list(blocks)
    split: list[int] = []
    axis_of: dict[int, int] = {}
    for d in range(rank):
        axis_of[d] = len(split)
        split.append(dense.shape[d] // blocks.get(d, 1))
        if d in blocks:
            axis_of[rank + block_map.index(d)] = len(split)
            split.append(blocks[d])
    tree = dense.reshape(split).transpose([axis_of[o] for o in order])
    p = s.SparsityParametersT()
    p.traversalOrder, p.blockMap, p.dimMetadata = list(order), block_map, []
    nodes: list[tuple[int, ...]] = [()]
    for level in range(tree.ndim):
        d = s.DimensionMetadataT()
        size = tree.shape[level]
        children = [
            [i for i in range(size) if level not in csr or tree[(*node, i)].any()] for node in nodes
        ]
        if level in csr:
            d.format = s.DimensionType.SPARSE_CSR
            # Each of the three widths of indices in turn.
            kind = ("Int32", "Uint16", "Uint8")[level % 3]
            for name, numbers in (
                ("Segments", [0, *itertools.accumulate(map(len, children))]),
                ("Indices", [i for found in children for i in found]),
            ):
                vector = getattr(s, f"{kind}VectorT")()
                vector.values = numbers
                setattr(d, f"array{name}", vector)
                setattr(d, f"array{name}Type", getattr(s.SparseIndexVector, f"{kind}Vector"))
        else:
            d.denseSize = size
        p.dimMetadata.append(d)
        nodes = [(*node, i) for node, found in zip(nodes, children, strict=True) for i in found]
    return np.array([tree[node] for node in nodes], dense.dtype), p


def litert(path: Path, optimized: bool = False):
    """An allocated LiteRT interpreter of the reference kernels, which keeps every tensor, or of
    the ``optimized`` ones, which does not."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=plain if optimized else OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=not optimized,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    return interpreter


def run_litert(
    path: Path, inputs: Sequence[np.ndarray], optimized: bool = False
) -> list[np.ndarray]:
    """The outputs of LiteRT's kernels (see `litert`)."""
    interpreter = litert(path, optimized)
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def run_lce(path: Path, inputs: Sequence[np.ndarray], reference: bool = True) -> list[np.ndarray]:
    """The outputs of Larq Compute Engine's interpreter, with its reference kernel for binary
    convolutions or with its optimized one; ``inputs`` in the model's own types."""
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    found = Interpreter(path.read_bytes(), use_reference_bconv=reference).predict(
        inputs[0] if len(inputs) == 1 else list(inputs)
    )
    return found if isinstance(found, list) else [found]


@cache
def tflm() -> Any:
    """TensorFlow Lite Micro's interpreter, which runs its C++ kernels: the package tflite-micro.
    None where that is not installed."""
    try:
        from tflite_micro import runtime
    except ImportError:
        return None
    return runtime.Interpreter
