"""Every operator, every awkward case, every kernel: numpy reference against generated C,
on the host under ASan and UBSan, and on emulated cores."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sanitized import written

from tinyc.emit.emitter import emit
from tinyc.ir import DType, Graph, Node, Op, Value, interpret, verify
from tinyc.kernels import base
from tinyc.kernels.base import Kernel, kernels_of, tvm_kernels_of
from tinyc.ops._bits import random_words
from tinyc.ops._move import Lookup, Movement
from tinyc.ops.base import all_ops
from tinyc.ops.lce_bconv2d import LceBconv2d
from tinyc.ops.lce_bmaxpool2d import LceBMaxPool2d
from tinyc.ops.lce_dequantize import LceDequantize
from tinyc.plan import Choice, Plan, plan

OPS = [cls for cls in all_ops() if kernels_of(cls)]
ALL_FEATURES = frozenset({"armv6m", "thumb2", "dsp", "fpu", "mve"})


def cases(op: type[Op]) -> list[Node]:
    return list(op.cases(np.random.default_rng(zlib.crc32(op.__name__.encode()))))


def alone(node: Node, name: str) -> Graph:
    """A graph of one node."""
    return verify(Graph(name, node.variable_inputs, node.outputs, (node,)))


def random_array(value: Value, rng: np.random.Generator) -> np.ndarray:
    """Random data over the whole range of the type, its extremes included; of energies, which are
    unsigned, numbers of all lengths."""
    dtype, shape = value.type.dtype, value.type.shape
    if dtype is DType.F32:
        return rng.normal(0, 3, shape).astype(np.float32)
    if dtype is DType.BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    low, high = (-100, 100) if dtype in (DType.I32, DType.I64) else dtype.limits
    if dtype in (DType.U32, DType.U64):
        data = rng.integers(low, high, shape, dtype.numpy, endpoint=True)
        data >>= rng.integers(0, 8 * dtype.size, shape).astype(dtype.numpy)
    else:
        data = rng.integers(low, high, shape, endpoint=True).astype(dtype.numpy)
    ends = rng.choice(np.array([low, high], dtype.numpy), shape)
    return np.where(rng.random(shape) < 0.1, ends, data).astype(dtype.numpy)


def random_inputs(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """Random data for the node's variable inputs; packed signs have no bit past their channels."""
    arrays = [random_array(v, rng) for v in node.variable_inputs]
    if isinstance(node.op, LceBconv2d):
        arrays[0] = random_words(rng, (*arrays[0].shape[:-1], node.op.channels))
    elif isinstance(node.op, (LceDequantize, LceBMaxPool2d)):
        arrays[0] = random_words(rng, (*arrays[0].shape[:-1], arrays[0].shape[-1] * 32))
    return arrays


def assert_same(expected: np.ndarray, actual: np.ndarray, where: str) -> None:
    # The sums of hybrid layers are integers: what follows is as exact, curves of libm apart.
    if expected.dtype == np.float32 and not re.match(r"Hybrid(?!Lstm|Rnn)", where):
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-6, err_msg=where)
    else:
        np.testing.assert_array_equal(actual, expected, err_msg=where)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Let the planner see a single kernel of an operator."""

    def choose(op: type[Op], kernel: Kernel) -> None:
        whatever = replace(kernel, aims=frozenset(base.AIMS))
        monkeypatch.setitem(base._TEMPLATES, op, (whatever,))
        if kernel.schedules is not None:
            pytest.importorskip("tvm", reason="no TVM found")

    return choose


def _is_quick(op: type[Op], kernel: Kernel) -> bool:
    """Whether `make check` runs a kernel: those that the planner likes best and that are written
    for an instruction set, of operators that do more than move or map elements."""
    simple = op.elementwise or issubclass(op, (Movement, Lookup))
    return kernel is kernels_of(op)[0] and bool(kernel.requires) and not simple


PAIRS = [
    pytest.param(
        op, k, id=f"{op.__name__}-{k.name}", marks=() if _is_quick(op, k) else pytest.mark.slow
    )
    for op in OPS
    for k in (*kernels_of(op), *tvm_kernels_of(op))
]


@pytest.mark.parametrize("op", [pytest.param(c, id=c.__name__) for c in all_ops()])
def test_operator_has_cases(op: type[Op]) -> None:
    nodes = cases(op)
    assert len(nodes) >= 2
    for node in nodes:
        node.op.check(node)


@pytest.mark.slow
@pytest.mark.parametrize(("op", "kernel"), PAIRS)
def test_host(op: type[Op], kernel: Kernel, only, tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    nodes = [n for n in cases(op) if kernel.reject(n) is None]
    assert nodes, "no case reaches this kernel"
    only(op, kernel)
    check_on_host(nodes, tmp_path, gcc)


Inputs = Callable[[Node, np.random.Generator], list[np.ndarray]]


def check_on_host(
    nodes: list[Node],
    tmp_path: Path,
    gcc: str,
    inputs: Inputs = random_inputs,
    features: frozenset[str] = ALL_FEATURES,
    optimize: str = "balanced",
    kernel: str | None = None,
) -> None:
    """Each node alone, by the kernels that the planner sees, or by one of a name, under ASan and
    UBSan."""
    rng = np.random.default_rng(1)
    forced = None if kernel is None else {0: Choice(kernel)}
    plans = [
        plan(alone(node, f"case{i}"), "host", features, optimize=optimize, forced=forced)
        for i, node in enumerate(nodes)
    ]
    arrays = [inputs(node, rng) for node in nodes]
    where = [f"{node.op} {[str(v.type) for v in node.inputs]}" for node in nodes]
    run_on_host(plans, arrays, where, tmp_path, gcc)


def run_on_host(
    plans: list[Plan], inputs: list[list[np.ndarray]], where: list[str], tmp_path: Path, gcc: str
) -> None:
    """Plans of graphs that are called case0, case1, ..., each once, under ASan and UBSan."""
    sources, includes, body, stdin, expected = [], [], [], b"", []
    for i, (planned, arrays) in enumerate(zip(plans, inputs, strict=True)):
        graph = planned.graph
        library = emit(planned)
        texts = library.files
        # What keeps a compiler from fusing products and sums is there where it has to be.
        assert library.floats or not re.search(r"\bfloat\b", texts[f"src/case{i}.c"])
        assert library.libm == ("#include <math.h>" in texts[f"src/case{i}_kernels.h"])
        for path, text in texts.items():
            (tmp_path / Path(path).name).write_text(text)
        # Code and weights in one, as each file costs a compiler's start.
        parts = [f'#include "{Path(path).name}"\n' for path in texts if path.endswith(".c")]
        sources.append(str(tmp_path / f"unit{i}.c"))
        Path(sources[-1]).write_text("".join(parts))
        includes.append(f'#include "case{i}.h"')
        computes = "".join(
            f"    if (fread(case{i}_input_{k}(arena), 1, CASE{i}_INPUT_{k}_BYTES, stdin) != "
            f"CASE{i}_INPUT_{k}_BYTES) return 1;\n"
            for k in range(len(graph.inputs))
        )
        computes += f"    case{i}_run(arena);\n"
        if library.fed is not None:
            computes = feeding(f"case{i}", library.fed.ctype)
        writes = "".join(
            f"    fwrite(case{i}_output_{k}(arena), 1, CASE{i}_OUTPUT_{k}_BYTES, stdout);\n"
            for k in range(len(graph.outputs))
        )
        # A heap block of exactly the arena's size: ASan sees the first byte past it.
        body.append(
            f"    arena = malloc(CASE{i}_ARENA_BYTES);\n"
            f"    memset(arena, 0x5a, CASE{i}_ARENA_BYTES);\n"
            f"{computes}{writes}    free(arena);\n"
        )
        stdin += b"".join(a.tobytes() for a in arrays)
        env = interpret(graph, arrays)
        expected.append([env[v] for v in graph.outputs])
    main = (
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
        + "\n".join(includes)
        + "\nint main(void)\n{\n    void *arena;\n"
        + "".join(body)
        + "    return 0;\n}\n"
    )
    outputs = written(gcc, main, tmp_path, tmp_path, sources, stdin)
    at = 0
    for place, arrays in zip(where, expected, strict=True):
        for array in arrays:
            actual = np.frombuffer(outputs, array.dtype, array.size, at).reshape(array.shape)
            at += array.nbytes
            assert_same(array, actual, place)
    assert at == len(outputs)


def feeding(name: str, ctype: str) -> str:
    """C that feeds an image from standard input, behind one that is given up in the middle, and
    returns from main where something is told that is not so. Every other row is copied."""
    rows, bytes = f"{name.upper()}_ROWS", f"{name.upper()}_ROW_BYTES"
    return f"""    {{
        {ctype} *const row = malloc({bytes});
        int32_t y;
        memset(row, 0x33, {bytes});
        {name}_begin(arena);
        if ({name}_finish(arena) != {rows}) return 2;
        for (y = 0; y < {rows} - 1; y++) {{
            if ({name}_push_row(arena, row) != {rows} - 1 - y) return 3;
        }}
        if ({name}_finish(arena) != 1) return 4;
        {name}_begin(arena);
        for (y = 0; y < {rows}; y++) {{
            {ctype} *const to = y % 2 ? {name}_next_row(arena) : row;
            if (fread(to, 1, {bytes}, stdin) != {bytes}) return 5;
            if ({name}_push_row(arena, to) != {rows} - 1 - y) return 6;
        }}
        if ({name}_next_row(arena) || {name}_push_row(arena, row) != -1) return 7;
        if ({name}_finish(arena) != 0) return 8;
        free(row);
    }}
"""


def extremes(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """`random_inputs` with many floats at the ends of float32 and beyond."""
    big = np.finfo(np.float32).max
    edges = np.array([np.nan, np.inf, -np.inf, big, -big, 3e38, -3e38, 1e-45], np.float32)
    return [
        np.where(rng.random(a.shape) < 0.4, rng.choice(edges, a.shape), a)
        if a.dtype == np.float32
        else a
        for a in random_inputs(node, rng)
    ]


@pytest.mark.slow
def test_host_at_the_ends_of_float32(tmp_path: Path) -> None:
    """Overflow, infinity and what is no number: C does as the references, these as LiteRT."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    nodes = [
        node
        for op in OPS
        for node in cases(op)
        if any(v.type.dtype is DType.F32 for v in node.variable_inputs)
    ]
    with np.errstate(all="ignore"):
        check_on_host(nodes, tmp_path, gcc, extremes)


def _boards(op: type[Op], kernel: Kernel) -> list[str]:
    """Where a kernel's code differs: with DSP instructions and an FPU (Cortex-M4, M33), without
    them (M3), and of ARMv6-M (M0+). Portable integer code is M4's on M3, and soft floats are
    M0+'s there."""
    if kernel.requires == {"thumb2"}:
        return ["mps2_an385", "mps2_an521"]
    if kernel.requires:
        return ["nucleo_g0b1re"] if "armv6m" in kernel.requires else ["mps2_an386", "mps2_an505"]
    floats = any(
        v.type.dtype is DType.F32
        for node in cases(op)
        if kernel.reject(node) is None
        for v in (*node.inputs, *node.outputs)
    )
    return ["mps2_an386" if floats else "mps2_an385", "nucleo_g0b1re"]


EMULATED = [
    pytest.param(*pair.values, board, id=f"{pair.id}-{board}", marks=marks)
    for pair in PAIRS
    for board in _boards(*pair.values)
    for marks in [pair.marks if board == "mps2_an386" else pytest.mark.slow]
]


@pytest.mark.parametrize(("op", "kernel", "board_name"), EMULATED)
def test_emulated(op: type[Op], kernel: Kernel, board_name: str, only, tmp_path: Path) -> None:
    """All cases of a kernel on a core that has what it requires."""
    from tinyc.target.boards import load_board

    assert kernel.requires <= load_board(board_name).core.features
    nodes = [n for n in cases(op) if kernel.reject(n) is None]
    only(op, kernel)
    check_on_core(nodes, board_name, tmp_path)


def check_on_core(
    nodes: list[Node],
    board_name: str,
    tmp_path: Path,
    inputs: Inputs = random_inputs,
    optimize: str = "balanced",
    kernel: str | None = None,
) -> None:
    """All nodes by the kernels that the planner sees, or by one of a name, as one network, in one
    image."""
    from tinyc.image.build import BuildOptions, build
    from tinyc.run import run
    from tinyc.target.boards import load_board

    board = load_board(board_name)
    apart = tuple(replace(n, outputs=n.outputs) for n in nodes)
    graph = verify(
        Graph(
            "cases",
            tuple(v for n in apart for v in n.variable_inputs),
            tuple(v for n in apart for v in n.outputs),
            apart,
        )
    )
    forced = None if kernel is None else dict.fromkeys(range(len(apart)), Choice(kernel))
    features = board.core.features
    lowered = plan(graph, board.core.name, features, optimize=optimize, forced=forced)
    image = build(emit(lowered), board, None, tmp_path / "out", BuildOptions("test"))
    rng = np.random.default_rng(2)
    arrays = [array for n in apart for array in inputs(n, rng)]
    sample = np.frombuffer(b"".join(a.tobytes() for a in arrays), np.uint8)[None]
    trace = run(image, sample)
    env = interpret(graph, arrays)
    at = 0
    for node in apart:
        for value in node.outputs:
            array = env[value]
            raw = trace.outputs[0][at : at + array.nbytes].tobytes()
            at += array.nbytes
            actual = np.frombuffer(raw, array.dtype).reshape(array.shape)
            assert_same(array, actual, f"{node.op} {[str(v.type) for v in node.inputs]}")
