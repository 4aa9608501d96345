"""Malformed files: each gives C text or a clear message, in bounded time, never a traceback."""

from __future__ import annotations

import math
import random
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DATA, write_binary, write_tiny
from tflite_writer import TensorSpec, sparse, write_model

from tinyc.emit.emitter import emit
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.passes import optimize
from tinyc.plan import plan

SECONDS = 20
CHUNK = 100
QUICK_CHUNKS, ALL_CHUNKS = 1, 50

# Words that lengths, offsets, dimensions and indices find hard.
WORDS = (
    *(0, 1, 2, 4, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000),
    *(0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFF80, 0x3F800000, 0x7FC00000, 0x7F800000, 0x00800000),
)


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Valid files: small ones, which most mutations are of, and real ones where they are."""
    folder = tmp_path_factory.mktemp("seeds")
    tiny = write_tiny(folder / "tiny.tflite").read_bytes()
    binary = write_binary(folder / "binary.tflite").read_bytes()
    shaped = write_shaped(folder / "shaped.tflite").read_bytes()
    typed = write_typed(folder / "typed.tflite").read_bytes()
    real = [DATA / "mlperf-tiny" / f"{name}.tflite" for name in ("kws", "ic", "sww")]
    return [tiny, binary, shaped, typed] * 2 + [
        path.read_bytes() for path in real if path.is_file()
    ]


def write_shaped(path: Path) -> Path:
    """A fully connected layer of sparse weights behind a reshape whose size is computed from
    SHAPE, with an open batch."""
    dense = np.diag(np.arange(1, 9)).astype(np.int8)
    values, sparsity = sparse(dense, (0, 1, 2), {1: 4}, {1})
    one = TensorSpec("one", (1,), "int32", data=[1])
    return write_model(
        path,
        [
            ("SHAPE", {"outType": 2}, [0], [1]),
            ("STRIDED_SLICE", {"shrinkAxisMask": 1}, [1, 2, 3, 3], [4]),
            ("PACK", {"valuesCount": 2}, [4, 5], [6]),
            ("RESHAPE", None, [0, 6], [7]),
            ("DENSIFY", {}, [8], [9]),
            ("FULLY_CONNECTED", {}, [7, 9, -1], [10]),
        ],
        [
            TensorSpec("x", (1, 2, 4), "int8", 0.1, signature=(-1, 2, 4)),
            TensorSpec("shape", (3,), "int32"), TensorSpec("zero", (1,), "int32", data=[0]), one,
            TensorSpec("n", (), "int32"), TensorSpec("rest", (), "int32", data=[-1]),
            TensorSpec("size", (2,), "int32"),
            TensorSpec("flat", (1, 1), "int8", 0.1, signature=(-1, -1)),
            TensorSpec("s", (8, 8), "int8", 0.1, raw=values.tobytes(), sparsity=sparsity),
            TensorSpec("d", (8, 8), "int8", 0.1),
            TensorSpec("y", (1, 8), "int8", 0.1, signature=(-1, 8)),
        ],
        [0], [10],
    )  # fmt: skip


def write_typed(path: Path) -> Path:
    """uint8 layers whose weights have a zero point, and one of int8 weights between floats."""
    window = {"padding": 0, "strideW": 1, "strideH": 1}
    conv = {**window, "dilationWFactor": 1, "dilationHFactor": 1}
    one = np.arange(8).reshape(2, 1, 1, 4)
    return write_model(
        path,
        [
            ("CONV_2D", conv, [0, 1, 2], [3]),
            ("AVERAGE_POOL_2D", {**window, "filterWidth": 2, "filterHeight": 2}, [3], [4]),
            ("CONCATENATION", {"axis": 3}, [4, 3], [5]),
            ("DEQUANTIZE", {}, [5], [6]),
            ("FULLY_CONNECTED", {"asymmetricQuantizeInputs": True}, [6, 7, -1], [8]),
        ],
        [
            TensorSpec("x", (1, 2, 2, 4), "uint8", 0.1, 7),
            TensorSpec("w", one.shape, "uint8", 0.1, 3, data=one),
            TensorSpec("b", (2,), "int32", 0.01, data=[5, -6]),
            TensorSpec("c", (1, 2, 2, 2), "uint8", 0.2, 128),
            TensorSpec("p", (1, 2, 2, 2), "uint8", 0.2, 128),
            TensorSpec("j", (1, 2, 2, 4), "uint8", 0.25, 100),
            TensorSpec("f", (1, 2, 2, 4), "float32"),
            TensorSpec("v", (3, 8), "int8", [0.1, 0.2, 0.3], [0] * 3, data=np.eye(3, 8)),
            TensorSpec("y", (2, 3), "float32"),
        ],
        [0], [8],
    )  # fmt: skip


def mutate(seeds: list[bytes], number: int) -> bytes:
    """The mutation of this number: bytes flipped, words replaced, a piece moved, the end lost."""
    rng = random.Random(number)
    data = bytearray(rng.choice(seeds))
    # The tables stand at either end; what lies between is mostly weights.
    edge = min(len(data), 8192)

    def place() -> int:
        at = rng.randrange(edge)
        return at if rng.random() < 0.5 else len(data) - 1 - at

    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        kind = rng.randrange(5)
        if kind == 0:
            data[place()] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place()] = rng.randrange(256)
        elif kind == 2:
            at = min(place() & ~3, len(data) - 4)
            data[at : at + 4] = struct.pack("<I", rng.choice(WORDS))
        elif kind == 3:
            source, target, size = place(), place(), rng.randrange(1, 64)
            piece = data[source : source + size]
            data[target : target + len(piece)] = piece
        else:
            at = min(place() & ~3, len(data) - 4)
            (word,) = struct.unpack_from("<I", data, at)
            data[at : at + 4] = struct.pack("<I", (word + rng.randint(-8, 8)) & 0xFFFFFFFF)
    if rng.random() < 0.15:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def mutate_fields(seeds: list[bytes], number: int) -> bytes:
    """A well-formed file whose fields are wrong: shapes, indices, options, scales, types."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import flexbuffers

    content = seeds[number % 4]

    rng = random.Random(number)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content)))
    graph = model.subgraphs[0]
    for _ in range(rng.choice((1, 1, 2, 3))):
        tensor, op = rng.choice(graph.tensors), rng.choice(graph.operators)
        kind = rng.randrange(12)
        if kind == 0:
            shape = [int(n) for n in tensor.shape] or [1]
            shape[rng.randrange(len(shape))] = rng.choice((0, 1, 2, 3, 5, -1, 4096, 1 << 30))
            tensor.shape = shape
        elif kind == 1:
            size = rng.randrange(6)
            tensor.shape = [rng.choice((1, 1, 2, 4)) for _ in range(size)]
        elif kind == 2:
            tensor.type = rng.randrange(20)
        elif kind == 3 and tensor.quantization is not None:
            count = rng.choice((0, 1, 1, 4, 64))
            scale = rng.choice((0.0, 1e-30, 1e-6, 0.1, 1.0, 1e6, 1e30, -1.0, math.inf, math.nan))
            tensor.quantization.scale = [scale] * count
            tensor.quantization.zeroPoint = [rng.choice((-129, -128, 0, 127, 1 << 40))] * count
            tensor.quantization.quantizedDimension = rng.randrange(-1, 5)
        elif kind == 4:
            tensor.buffer = rng.randrange(len(model.buffers) + 1)
        elif kind == 5:
            ends = rng.choice((op.inputs, op.outputs))
            ends = [int(i) for i in ends] or [0]
            ends[rng.randrange(len(ends))] = rng.randrange(-1, len(graph.tensors) + 1)
            setattr(op, rng.choice(("inputs", "outputs")), ends)
        elif kind == 6 and op.builtinOptions is not None and vars(op.builtinOptions):
            name = rng.choice(list(vars(op.builtinOptions)))
            if isinstance(getattr(op.builtinOptions, name), int):
                value = rng.choice((-1, 0, 1, 2, 3, 5, 100))
                setattr(op.builtinOptions, name, value)
        elif kind == 6 and op.customOptions is not None and len(op.customOptions) > 9:
            options = flexbuffers.Loads(bytes(bytearray(op.customOptions)))
            options[rng.choice(list(options))] = rng.choice((-1, 0, 1, 2, 3, 5, 100, 1 << 40))
            op.customOptions = list(flexbuffers.Dumps(options))
        elif kind == 7:
            code = rng.choice(model.operatorCodes)
            code.builtinCode = rng.randrange(160)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        elif kind == 8:
            setattr(op, rng.choice(("inputs", "outputs")), [])
        elif kind == 9:
            sizes = list(tensor.shape) if tensor.shape is not None else []
            tensor.shapeSignature = [rng.choice((-1, int(n), 1)) for n in sizes]
            tensor.isVariable = rng.random() < 0.2
        elif kind == 10:
            mutate_sparsity(rng, rng.choice(graph.tensors), schema)
        else:
            buffer = rng.choice(model.buffers)
            if buffer.data is not None and len(buffer.data):
                buffer.data = buffer.data[: rng.randrange(len(buffer.data))]
    builder = flatbuffers.Builder(1024)
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except (TypeError, ValueError, struct.error):  # a value that its field cannot hold
        return content
    return bytes(builder.Output())


def mutate_sparsity(rng: random.Random, tensor: Any, schema: Any) -> None:
    """A wrong field of a tensor's sparsity, or a sparsity where there is none."""
    if tensor.sparsity is None:
        tensor.sparsity = schema.SparsityParametersT()
        tensor.sparsity.traversalOrder, tensor.sparsity.dimMetadata = [0, 1], []
    p = tensor.sparsity
    numbers = [rng.choice((-1, 0, 1, 2, 3, 8, 1 << 30)) for _ in range(rng.randrange(5))]
    if not p.dimMetadata or rng.random() < 0.3:
        setattr(p, rng.choice(("traversalOrder", "blockMap")), numbers)
        return
    level = rng.choice(p.dimMetadata)
    what = rng.randrange(3)
    if what == 0:
        level.denseSize = rng.choice((-1, 0, 1, 3, 1 << 30))
    elif what == 1:
        level.format = 1 - level.format
    else:
        side = rng.choice(("arraySegments", "arrayIndices"))
        vector = schema.Int32VectorT()
        vector.values = numbers
        setattr(level, side, vector)
        setattr(level, f"{side}Type", rng.randrange(4))


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def compiles(path: Path) -> bool:
    """Whether the file becomes C; False where it is refused with a clear message."""
    try:
        with time_limit(SECONDS):
            sources = emit(plan(optimize(read(path)), "Cortex-M4", frozenset({"dsp", "fpu"}))).files
    except (CompileError, CompileErrors) as error:
        for line in str(error).splitlines():
            assert line[0] == "E" and line[1] in "23" and line[4] == " ", line
            assert line.isprintable() and len(line) <= 700, line
        return False
    assert len(sources) == 4 and all(text.isascii() for text in sources.values())
    return True


def chunk(mutation: Callable[[int], bytes], index: int, folder: Path) -> None:
    path = folder / "mutated.tflite"
    outcomes = []
    for number in range(index * CHUNK, (index + 1) * CHUNK):
        path.write_bytes(mutation(number))
        try:
            outcomes.append(compiles(path))
        except Exception as error:
            raise AssertionError(f"mutation {number} gives {error!r}") from error
    # A fuzzer whose every file dies at the door, or none, would prove nothing.
    assert True in outcomes and False in outcomes


@pytest.mark.parametrize("index", range(QUICK_CHUNKS))
def test_mutated_files_quick(seeds: list[bytes], index: int, tmp_path: Path) -> None:
    chunk(partial(mutate, seeds), index, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(QUICK_CHUNKS, ALL_CHUNKS))
def test_mutated_files(seeds: list[bytes], index: int, tmp_path: Path) -> None:
    chunk(partial(mutate, seeds), index, tmp_path)


@pytest.mark.parametrize("index", range(QUICK_CHUNKS))
def test_wrong_fields(seeds: list[bytes], index: int, tmp_path: Path) -> None:
    chunk(partial(mutate_fields, seeds), index, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(QUICK_CHUNKS, ALL_CHUNKS))
def test_many_wrong_fields(seeds: list[bytes], index: int, tmp_path: Path) -> None:
    chunk(partial(mutate_fields, seeds), index, tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0", b"TFL3", b"\0" * 64, b"\xff" * 64, b"x" * 4096])
def test_files_that_are_no_models(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "not.tflite"
    path.write_bytes(content)
    assert not compiles(path)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_prefix_of_a_model(seeds: list[bytes], seed: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    for size in range(0, len(seeds[seed]), 8):
        path.write_bytes(seeds[seed][:size])
        compiles(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert not compiles(tmp_path / "absent.tflite")
    assert not compiles(tmp_path)
