"""Firmware that is left early: the reference's bits and ways out, and what the way out saves."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, slow_but
from mailbox_machine import Machine
from two_heads import CLASSES, inputs, write_two_heads

from tinyc import CompileError, compile
from tinyc.cli.app import execute
from tinyc.emit.emitter import emit
from tinyc.image.build import BuildOptions, build
from tinyc.image.mailbox import INBOX, OUTBOX, Batch
from tinyc.ir import Array, interpret
from tinyc.kernels.base import AIMS
from tinyc.pipeline import Compiled, CompileOptions, compile_model
from tinyc.run import run
from tinyc.run.data import random_samples
from tinyc.run.host import run_host
from tinyc.run.passing import passes
from tinyc.target.boards import load_board

sys.path.append(str(ROOT / "tests" / "plan"))
from test_arena import sound

SURE = 0.9


def made(model: Path, board: str = "stm32f4_discovery", **options: Any) -> Compiled:
    options = {"early_exit": SURE, **options}
    return compile_model(model, load_board(board), CompileOptions(**options))


def expected(compiled: Compiled, x: Array) -> Array:
    """uint8 [n, bytes of the output, and whether it was left early]."""
    graph, rows = compiled.graph, []
    assert graph.side is not None
    for sample in x:
        found = interpret(graph, [sample])
        rows.append(found[graph.outputs[0]].tobytes() + found[graph.side.sure].tobytes())
    return np.stack([np.frombuffer(row, np.uint8) for row in rows])


def bytes_of(x: Array) -> Array:
    return x.reshape(len(x), -1).view(np.uint8)


def at_the_threshold(compiled: Compiled, x: Array) -> float:
    """The greatest score of a sample that lies between those of the others."""
    graph = compiled.graph
    assert graph.side is not None
    (node,) = (n for n in graph.nodes if graph.side.sure in n.outputs)
    greatest = sorted(int(interpret(graph, [s])[node.inputs[0]].max()) for s in x)
    return (greatest[len(x) // 2] + 128) / 256


@pytest.mark.parametrize("optimize", AIMS)
@pytest.mark.parametrize("feed", ["whole", "rows"])
@pytest.mark.parametrize("real", [False, True], ids=["int8", "float32"])
def test_what_the_rest_needs_lives_across_the_side_head(
    optimize: str, feed: str, real: bool, tmp_path: Path
) -> None:
    model = write_two_heads(tmp_path / "net.tflite", real=real)
    sound(made(model, optimize=optimize, feed=feed).plan)


@pytest.mark.parametrize(
    ("real", "options"),
    [
        (False, {}),
        pytest.param(True, {"optimize": "ram", "feed": "rows"}, marks=pytest.mark.slow),
    ],
)
def test_the_host_leaves_where_the_reference_does(
    real: bool, options: dict[str, Any], tmp_path: Path
) -> None:
    """At a score that a sample has, and one above; outputs may be the real numbers of integers."""
    model = write_two_heads(tmp_path / "net.tflite", real=real)
    x = inputs(40)
    threshold = at_the_threshold(made(model), x)
    left = []
    for sure in (threshold, threshold + 1 / 256):
        compiled = made(model, early_exit=sure, **options)
        found = run_host(compiled.c_library, bytes_of(x), sanitize=True)
        np.testing.assert_array_equal(found, expected(compiled, x))
        left.append(int(found[:, -1].sum()))
    assert 40 > left[0] > left[1] > 0


def test_scores_are_moved_to_the_output(tmp_path: Path) -> None:
    """Where they do not lie there by themselves, as here they do not."""
    compiled, x = made(write_two_heads(tmp_path / "net.tflite")), inputs(20)
    plan, at = compiled.plan, compiled.plan.arena_bytes
    offsets = {**plan.offsets, plan.graph.outputs[0]: at}
    library = emit(replace(plan, offsets=offsets, arena_bytes=at + 8))
    assert f"memmove(a + {at}, a + " in library.files["src/net.c"]
    np.testing.assert_array_equal(run_host(library, bytes_of(x)), expected(compiled, x))


@pytest.mark.parametrize("board", slow_but(["mps2_an386"], ["mps2_an386", "nucleo_g0b1re"]))
def test_a_core_saves_what_it_skips(board: str, tmp_path: Path) -> None:
    x, target = inputs(24), load_board(board)
    compiled = made(write_two_heads(tmp_path / "net.tflite"), board)
    image = build(compiled.c_library, target, None, tmp_path / "out", BuildOptions("test"))
    steps = compiled.plan.steps
    (decides,) = (s.index for s in steps if s.kernel.name == "confident")
    truth = expected(compiled, x)
    late, early = (int(np.flatnonzero(truth[:, -1] == left)[0]) for left in (0, 1))
    found = run(image, x[[late, *range(24)]].reshape(25, -1).view(np.uint8), profile=True,
                layers=[step.symbol for step in steps])  # fmt: skip
    np.testing.assert_array_equal(found.outputs[1:], truth[:, :-1])
    np.testing.assert_array_equal(found.early[1:], truth[:, -1])
    skipped = sum(found.layers[step.symbol].cycles for step in steps[decides + 1 :])
    ends = {bool(trace.early[0]): trace for trace in found.counted.values()}
    saved = ends[False].cycles - ends[True].cycles
    assert 0.98 * skipped < saved < 1.02 * skipped and saved > 0.7 * ends[False].cycles
    assert found.worst.cycles >= found.cycles
    share = found.early.mean()
    usual = share * ends[True].cycles + (1 - share) * ends[False].cycles
    assert found.average("cycles") == pytest.approx(usual, rel=0.01)
    assert 0 <= early < 24


@pytest.mark.slow
def test_the_serial_port_tells_the_way_out(tmp_path: Path) -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    x, board = inputs(6), load_board("mps2_an386")
    compiled = made(write_two_heads(tmp_path / "net.tflite"), board.name)
    image = build(compiled.c_library, board, None, tmp_path / "out", BuildOptions("test_serial"))
    found, truth = run(image, bytes_of(x), "qemu"), expected(compiled, x)
    np.testing.assert_array_equal(found.outputs, truth[:, :-1])
    np.testing.assert_array_equal(found.early, truth[:, -1])


def test_the_mailbox_tells_the_way_out(tmp_path: Path) -> None:
    """What Renode runs: a sample that leaves by another way than expected is a mismatch."""
    x, board = inputs(8), load_board("stm32f4_discovery")
    compiled = made(write_two_heads(tmp_path / "net.tflite"), board.name)
    image = build(compiled.c_library, board, None, tmp_path / "out", BuildOptions("test_mailbox"))
    truth = expected(compiled, x)
    assert truth.shape == (8, image.c_library.output_bytes) == (8, CLASSES + 1)
    wrong = truth.copy()
    wrong[3, -1] ^= 1
    for outputs, mismatches in ((truth, 0), (wrong, 1)):
        machine = Machine(board, {"inbox": (INBOX, 4096), "outbox": (OUTBOX, 4096)})
        machine.load(image.elf)
        machine.write(INBOX, Batch(bytes_of(x), outputs).pack())
        machine.run([])
        assert f"8 samples, {mismatches} mismatches" in machine.console


def test_a_test_reports_both_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, x = write_two_heads(tmp_path / "net.tflite"), inputs(30)
    truth = expected(made(model), x)
    y = truth[:, :-1].view(np.int8).argmax(1)
    y[truth[:, -1] == 0] = (y[truth[:, -1] == 0] + 1) % CLASSES
    np.savez("data.npz", x=x, y=y)
    words = ["net.tflite", "--board", "stm32f4_discovery", "--early-exit", str(SURE), "--json"]
    assert execute(["test", *words, "--data", "data.npz"]) == 0
    test = json.loads(capsys.readouterr().out)
    exit, early = test["early_exit"], truth[:, -1].astype(bool)
    assert (exit["head"], exit["threshold"]) == ("soon", SURE)
    assert (exit["left_early"], exit["share"]) == (early.sum(), early.mean())
    assert (exit["accuracy_early"], exit["accuracy_final"]) == (1.0, 0.0)
    assert test["accuracy"] == pytest.approx(early.mean())
    assert exit["average_cycles"] < exit["worst_case_cycles"] == test["cycles"]
    assert execute(["profile", *words]) == 0
    profile = json.loads(capsys.readouterr().out)
    assert profile["early_exit"]["left_early"] is False
    assert profile["cycles"] == pytest.approx(test["cycles"], rel=0.001)
    page = (tmp_path / "build/stm32f4_discovery/net/report/report.md").read_text()
    assert "| cycles, average |" in page and "| cycles, worst case |" in page
    assert f"| left early | {early.sum()} of 30 samples" in page


@pytest.mark.slow
def test_the_worst_case_is_known_or_not_told(tmp_path: Path) -> None:
    """Though all samples leave early, another input tells; where there is none, no budget holds."""
    model, x = write_two_heads(tmp_path / "net.tflite"), inputs(30)
    sure = expected(made(model), x)[:, -1].astype(bool)
    firmware = compile(model, "stm32f4_discovery", early_exit=SURE, max_cycles=1_000_000)
    test = firmware.test({"x": x[sure]})
    assert test["early_exit"]["share"] == 1.0
    assert test["early_exit"]["worst_case_cycles"] > 3 * test["early_exit"]["average_cycles"]
    assert all(verdict.error is None for verdict in firmware.verdicts())
    np.testing.assert_array_equal(firmware.run(x), firmware.reference(x))
    np.testing.assert_array_equal(firmware.trace.early, sure)
    always = compile(model, "stm32f4_discovery", early_exit=0.0, max_cycles=1_000_000)
    assert always.test({"x": x})["cycles"] is None
    (error,) = (verdict.error for verdict in always.verdicts() if verdict.error)
    assert error.id == "E601" and "the worst case are not known" in error.what


def test_a_random_input_passes_the_side_head(tmp_path: Path) -> None:
    graph = made(write_two_heads(tmp_path / "net.tflite")).graph
    rows = random_samples(graph, 10, 0)
    assert not any(passes(graph, rows.at(i)) for i in range(10))
    assert passes(graph, random_samples(graph, 1, 0).at(0))


@pytest.mark.parametrize("threshold", [1.5, -0.1, float("nan"), "much"])
def test_no_other_threshold(threshold: Any, tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        compile(write_two_heads(tmp_path / "net.tflite"), "stm32f4_discovery", early_exit=threshold)
    assert caught.value.id == "E209" and "early_exit" in str(caught.value)


@pytest.mark.slow
def test_a_keras_model_of_two_heads(tmp_path: Path) -> None:
    """Float32 until it is calibrated; the original is left early by the same threshold."""
    keras = pytest.importorskip("tf_keras")
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3))
    a = keras.layers.Conv2D(4, 3, activation="relu")(image)
    soon = keras.layers.Dense(3, activation="softmax", name="soon")(keras.layers.Flatten()(a))
    b = keras.layers.Conv2D(8, 3, activation="relu")(a)
    late = keras.layers.Dense(3, activation="softmax", name="late")(keras.layers.Flatten()(b))
    keras.Model(image, [late, soon], name="net").save(tmp_path / "net.h5")
    x = np.random.default_rng(0).normal(0, 3, (60, 8, 8, 3)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    settings = {"early_exit": 0.8, "calibrate": tmp_path / "x.npz"}
    firmware = compile(tmp_path / "net.h5", "stm32f4_discovery", **settings)
    test = firmware.test({"x": x})
    assert test["mismatches"] == 0 and test["agreement"] > 0.9
    assert 0.1 < test["early_exit"]["share"] < 0.9 and test["early_exit"]["head"] == "soon"
    assert firmware.outputs == ("late",)


def test_float_heads_are_of_integers(tmp_path: Path) -> None:
    """What is decided by are the integers, and not their real numbers."""
    compiled = made(write_two_heads(tmp_path / "net.tflite", real=True))
    (node,) = (s.node for s in compiled.plan.steps if s.kernel.name == "confident")
    assert node.inputs[0].name == "soon_int8"
