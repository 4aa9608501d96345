"""The MLPerf Tiny models as firmware: every layer, every emulator, every board that they fit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but
from test_build import run_in_qemu
from tflite_writer import litert

from tinyc.emit.emitter import emit
from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.image.build import BuildOptions, build
from tinyc.ir import Graph, interpret
from tinyc.passes import optimize
from tinyc.plan import plan
from tinyc.run import Trace, emulators, run
from tinyc.target.boards import Board, all_boards, load_board

MODELS = ["ad", "ic", "kws", "sww", "vww"]
SAMPLES = 20
# One inference on an emulated Cortex-M4: what TensorFlow Lite Micro with CMSIS-NN needs, GCC 12.2
# -O2, counted by the same cycle model; RAM and flash in bytes.
TFLM = {
    "kws": (9_310_000, 24_300, 108_000),
    "ic": (36_800_000, 56_500, 150_000),
    "vww": (29_500_000, 102_000, 387_000),
    "ad": (727_000, 3_600, 306_000),
    "sww": (2_720_000, 17_900, 126_000),
}


def random_rows(graph: Graph, count: int) -> np.ndarray:
    """Seeded inputs over the whole range, as uint8 [count, bytes of all inputs]."""
    size = sum(v.type.bytes for v in graph.inputs)
    return np.random.default_rng(20).integers(0, 256, (count, size), np.uint8)


def references(graph: Graph, rows: np.ndarray) -> list[bytes]:
    """What the numpy reference gives for each row: the outputs' bytes."""
    found = []
    for row in rows:
        arrays, at = [], 0
        for value in graph.inputs:
            raw = row[at : at + value.type.bytes].tobytes()
            arrays.append(np.frombuffer(raw, value.type.dtype.numpy).reshape(value.type.shape))
            at += value.type.bytes
        env = interpret(graph, arrays)
        found.append(b"".join(env[v].tobytes() for v in graph.outputs))
    return found


def firmware(
    graph: Graph,
    board: Board,
    folder: Path,
    rows: np.ndarray,
    emulator: str,
    optimize: str = "balanced",
) -> Trace:
    library = emit(plan(graph, board.core.name, board.core.features, optimize=optimize))
    image = build(library, board, None, folder, BuildOptions(emulators()[emulator].main))
    return run(image, rows, emulator=emulator)


@pytest.mark.slow
@pytest.mark.parametrize("emulator", ["unicorn", "qemu", "host"])
@pytest.mark.parametrize("model", MODELS)
def test_every_layer_is_exact(model: str, emulator: str, data_folder: Path, tmp_path: Path) -> None:
    """Each layer's output is made an output of the model: none may differ in a bit."""
    if emulator == "qemu" and shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    graph = optimize(read(data_folder / "mlperf-tiny" / f"{model}.tflite"))
    inner = (v for n in graph.nodes for v in n.outputs if v not in graph.outputs)
    graph = replace(graph, outputs=(*graph.outputs, *inner))
    rows = random_rows(graph, SAMPLES)
    board = load_board("mps2_an386")
    if emulator == "qemu":
        # Megabytes of outputs: by semihosting, as the UART sends them a character at a time.
        library = emit(plan(graph, board.core.name, board.core.features))
        image = build(library, board, None, tmp_path / "out", BuildOptions("test"))
        raw, _ = run_in_qemu("qemu-system-arm", image, rows.tobytes(), tmp_path)
        outputs = np.frombuffer(raw, np.uint8).reshape(SAMPLES, -1)
    else:
        outputs = firmware(graph, board, tmp_path / "out", rows, emulator).outputs
    expected = references(graph, rows)
    for i, want in enumerate(expected):
        np.testing.assert_array_equal(
            outputs[i], np.frombuffer(want, np.uint8), err_msg=f"sample {i}"
        )


@pytest.mark.slow
@pytest.mark.parametrize("board", [b.name for b in all_boards()])
@pytest.mark.parametrize("model", MODELS)
def test_every_board(model: str, board: str, data_folder: Path, tmp_path: Path) -> None:
    """As it ships: arena shared, inputs overwritten, the board's own memory."""
    source = read(data_folder / "mlperf-tiny" / f"{model}.tflite")
    target = load_board(board)
    rows = random_rows(source, 2)
    try:
        trace = firmware(optimize(source), target, tmp_path / "out", rows, "unicorn")
    except CompileError as error:
        assert error.id == "E401", error
        pytest.skip(str(error))
    assert [row.tobytes() for row in trace.outputs] == references(source, rows)


@pytest.mark.parametrize("model", slow_but(["kws"], MODELS))
def test_budgets_on_cortex_m4(model: str, data_folder: Path, tmp_path: Path) -> None:
    """Fewer cycles, less RAM and less flash than TensorFlow Lite Micro."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("the figures to compare with are GCC's: arm-none-eabi-gcc is not installed")
    source = read(data_folder / "mlperf-tiny" / f"{model}.tflite")
    board = load_board("stm32f4_discovery")
    library = emit(plan(optimize(source), board.core.name, board.core.features))
    image = build(library, board, "gcc", tmp_path / "demo")
    test = build(library, board, "gcc", tmp_path / "test", BuildOptions("test"))
    rows = random_rows(source, 1)
    trace = run(test, rows)
    assert [row.tobytes() for row in trace.outputs] == references(source, rows)
    cycles, ram, flash = TFLM[model]
    assert trace.cycles is not None and trace.cycles < cycles
    assert image.ram_bytes < ram
    assert image.flash_bytes < flash


@pytest.mark.slow
def test_kws_scores_what_litert_scores(data_folder: Path, tmp_path: Path) -> None:
    """All 500 labelled samples through the emulated firmware and LiteRT's reference kernels."""
    pytest.importorskip("ai_edge_litert")
    path = data_folder / "mlperf-tiny" / "kws.tflite"
    with np.load(data_folder / "kws01" / "kws01.npz") as data:
        x, y = data["x"], data["y"]
    oracle = litert(path)
    scores = []
    for sample in x:
        oracle.set_tensor(oracle.get_input_details()[0]["index"], sample[None])
        oracle.invoke()
        scores.append(oracle.get_tensor(oracle.get_output_details()[0]["index"])[0])
    rows = np.ascontiguousarray(x).reshape(len(x), -1).view(np.uint8)
    graph = optimize(read(path))
    trace = firmware(graph, load_board("stm32f4_discovery"), tmp_path / "out", rows, "unicorn")
    np.testing.assert_array_equal(trace.outputs.view(np.int8), scores)
    assert np.mean(np.argmax(scores, 1) == y) == pytest.approx(0.904)
