"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, slow_but
from tflite_writer import litert, run_lce, run_litert

from tinyc.cli import app as cli
from tinyc.compress.calibrate import float_nodes
from tinyc.emit.emitter import emit
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.base import read_model
from tinyc.frontends.tflite import read, rules
from tinyc.image.build import BuildOptions, build
from tinyc.ir import DType, Graph, Quant, TensorType, Value, interpret
from tinyc.ops.lce_bconv2d import LceBconv2d
from tinyc.passes import optimize
from tinyc.pipeline import Compiled, CompileOptions, compile_model
from tinyc.plan import plan
from tinyc.run import emulators, run
from tinyc.run.data import dequantize, given_samples, quantize, random_samples
from tinyc.target.boards import load_board


def test_the_cases_are_there(cases: Path) -> None:
    assert {"embed.py", "twice.tflite", "two_heads.npz"} <= {p.name for p in cases.iterdir()}


# Calibration -----------------------------------------------------------------------------


def _scores(compiled: Compiled, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(of the network as it stands in the file, of what its firmware computes): real numbers
    [n, ...] of the first output, of the inputs x [n, ...] in the file's type."""
    found = []
    for graph in (compiled.source, compiled.graph):
        (value,), out = graph.inputs, graph.outputs[0]
        own = x if x.dtype == value.type.dtype.numpy else quantize(x, value.type)
        rows = [interpret(graph, [row.reshape(value.type.shape)])[out] for row in own]
        found.append(dequantize(np.stack(rows), out.type))
    return found[0], found[1]


def _agreement(compiled: Compiled, x: np.ndarray) -> float:
    tops = [y.reshape(len(y), -1).argmax(1) for y in _scores(compiled, x)]
    return float(np.mean(tops[0] == tops[1]))


@pytest.mark.slow
@pytest.mark.parametrize(("function", "vocabulary"), [("net", 20), ("big", 500)])
def test_calibrated_embeddings_keep_their_ids(
    cases: Path, tmp_path: Path, function: str, vocabulary: int
) -> None:
    """No id is lost: scores lie within three steps of Keras's."""
    if find_spec("larq_compute_engine") is None:
        pytest.skip("larq-compute-engine is not installed")
    with np.load(cases / "embed_net.npz") as file:
        x, y = file["x"], file["y"]
    if vocabulary != 20:
        x = np.random.default_rng(1).integers(0, vocabulary, x.shape).astype(x.dtype)
    np.savez(tmp_path / "x.npz", x=x)
    compiled = compile_model(
        f"{cases / 'embed.py'}:{function}",
        load_board("stm32"),
        CompileOptions(calibration=tmp_path / "x.npz"),
    )
    assert [v.type.dtype for v in compiled.graph.inputs] == [DType.F32]
    assert [type(n.op).__name__ for n in float_nodes(compiled.plan.graph)] == ["Cast"]
    assert _agreement(compiled, x) >= 0.98
    assert compiled.predict is not None
    keras = compiled.predict([x])[0]
    ours = _scores(compiled, x)[1].reshape(keras.shape)
    assert np.abs(ours - keras).max() <= 3 * compiled.graph.outputs[0].type.scale
    if vocabulary == 20:
        assert np.mean(ours.argmax(1) == y) >= 0.98


def test_calibrated_pixels_stay_uint8(cases: Path) -> None:
    data = cases / "cast_u8.npz"
    compiled = compile_model(
        cases / "cast_u8.tflite", load_board("stm32"), CompileOptions(calibration=data)
    )
    assert compiled.graph.inputs[0].type.dtype is DType.U8
    assert not float_nodes(compiled.plan.graph)
    with np.load(data) as file:
        scores = _scores(compiled, file["x"])[1]
        np.testing.assert_array_equal(scores.reshape(len(scores), -1).argmax(1), file["y"])
    assert cli.execute(["test", str(cases / "cast_u8.tflite"), "--board", "stm32", "--calibrate",
                        str(data), "--data", str(data), "--min-accuracy", "1"]) == 0  # fmt: skip


@pytest.mark.parametrize(
    ("name", "operators"),
    [
        ("t_transconv_bias_float", ["TransposeConv"]),
        ("t_resize_float", ["Conv2d", "ResizeBilinear"]),
        ("qat_partial", ["Conv2d", "MaxPool2d", "Reshape", "FullyConnected", "FullyConnected",
                         "Softmax"]),
    ],
)  # fmt: skip
def test_float_layers_calibrate(
    cases: Path, tmp_path: Path, name: str, operators: list[str]
) -> None:
    """Without a float left, and within a few steps of the float network."""
    model = cases / f"{name}.tflite"
    (value,) = compile_model(model, load_board("stm32")).source.inputs
    shape = (40, *value.type.shape)
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(0, 1, shape).astype(np.float32))
    compiled = compile_model(
        model, load_board("stm32"), CompileOptions(calibration=tmp_path / "x.npz")
    )
    assert [type(n.op).__name__ for n in compiled.plan.graph.nodes] == operators
    with np.load(tmp_path / "x.npz") as file:
        real, ours = _scores(compiled, file["x"])
    assert np.abs(real - ours).max() <= 4 * compiled.graph.outputs[0].type.scale


@pytest.fixture
def exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The exit code of ``tinyc test`` on an STM32F4 in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: cli.execute(["test", "--board", "stm32", *map(str, args)])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), [("larq_int8io", (12, 12, 3)), ("lce_int8", (8, 8, 1))])
def test_binarized_models_with_int8_inputs_get_a_verdict(
    cases: Path,
    exit_code: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    name: str,
    shape: tuple[int, ...],
) -> None:
    """Exact with float32 between the layers; of random weights int8 turns a few signs."""
    x = np.random.default_rng(0).integers(-128, 128, (12, *shape)).astype(np.int8)
    np.savez("x.npz", x=x)
    model = cases / f"{name}.tflite"
    assert exit_code(model, "--calibrate", "x.npz", "--data", "x.npz") in (0, 5)
    err = capsys.readouterr().err
    assert "bit_exact: 12 of 12 samples" in err and "E100" not in err
    assert exit_code(model, "--float-glue", "--samples", "4") == 0
    glued = compile_model(model, load_board("stm32"), CompileOptions(float_glue=True))
    assert _agreement(glued, x) == 1


def test_nan_in_float32_data_is_found(cases: Path) -> None:
    """The file with one NaN, as data of a network that takes float32 or int8 of that shape."""
    with np.load(cases / "calx_nan.npz") as bad, np.load(cases / "calx_ok.npz") as good:
        arrays, clean = {"x": bad["x"]}, {"x": good["x"]}
    place = tuple(np.argwhere(~np.isfinite(arrays["x"]))[0])
    for type in (
        TensorType((1, 16, 16, 3), DType.F32),
        TensorType((1, 16, 16, 3), DType.I8, Quant((0.01,), (0,))),
    ):
        x = Value("x", type, "here")
        graph = Graph("g", (x,), (x,), ())
        given_samples(clean, graph, "good.npz")
        with pytest.raises(CompileError) as caught:
            given_samples(arrays, graph, "bad.npz")
        where = f"bad.npz: x: holds NaN or infinity: sample {place[0]} at [0, "
        assert caught.value.id == "E214"
        assert f"{where}{', '.join(map(str, place[1:]))}]" in str(caught.value)


# Names, order and verdicts ---------------------------------------------------------------


@pytest.fixture
def tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The object of `tinyc test --json` for a model and options; it has to end well."""
    monkeypatch.chdir(tmp_path)

    def run(model: object, *options: object) -> dict[str, Any]:
        command = ["test", model, "--board", "stm32", "--json", *options]
        code = cli.execute([str(part) for part in command])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    # Keras numbers layers without a name by what the process made before.
    [("two_sensors", ["gyro", "accel"], None), ("two_heads", ["x"], ["z_cls", "a_reg"])],
)
def test_keras_order(
    cases: Path, tested, name: str, inputs: list[str], outputs: list[str] | None, calibrated: bool
) -> None:
    data = cases / f"{name}.npz"
    options = ("--calibrate", data) if calibrated else ()
    report = tested(cases / f"{name}.py:net", "--data", data, *options)
    assert report["accuracy"] == report["agreement"] == 1
    assert [port["name"] for port in report["inputs"]] == inputs
    assert outputs is None or [port["name"] for port in report["outputs"]] == outputs


def test_one_sigmoid_is_thresholded(cases: Path, tested) -> None:
    model, data = cases / "sigmoid_known_int8.tflite", cases / "sigmoid_known.npz"
    assert tested(model, "--data", data, "--min-accuracy", 1)["accuracy"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qat_partial", "gru_unroll_float"])
def test_float_results_within_the_tolerance(cases: Path, tested, name: str) -> None:
    report = tested(cases / f"{name}.tflite")
    assert [check["name"] for check in report["verdicts"]] == ["within_tolerance"]
    assert 0 < report["outputs"][0]["largest_deviation"] < 1e-6


@pytest.mark.slow
def test_pixels_of_another_scale_are_told(cases: Path, tested) -> None:
    model = ROOT / "recipes" / "digits-int8.tflite"
    assert tested(model, "--data", cases / "dig_ok.npz")["warnings"] == []
    (text,) = tested(model, "--data", cases / "dig_px_float.npz")["warnings"]
    assert (
        "52% of the numbers saturate" in text and "0 to 255" in text and "-0.9961 to 1.004" in text
    )


# Tables and binary layers ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["LOGISTIC_256", "TANH_256"])
def test_tables_at_powers_of_two_are_litert_s(cases: Path, name: str) -> None:
    pytest.importorskip("ai_edge_litert")
    graph = read(cases / f"{name}.tflite")
    for byte in range(-128, 128):
        x = np.full((1, 1), byte, np.int8)
        (theirs,) = run_litert(cases / f"{name}.tflite", [x])
        assert interpret(graph, [x])[graph.outputs[0]] == theirs


@pytest.mark.slow
def test_a_relu_of_packed_signs_is_in_their_thresholds(cases: Path) -> None:
    pytest.importorskip("larq_compute_engine")
    path = cases / "larq_relu.tflite"
    graph = read(path)
    assert any(
        isinstance(n.op, LceBconv2d) and n.output.type.dtype is DType.I32 for n in graph.nodes
    )
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.normal(0, 1, graph.inputs[0].type.shape).astype(np.float32)
        ours = interpret(graph, [x])[graph.outputs[0]]
        np.testing.assert_allclose(ours, run_lce(path, [x])[0], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("larq_padzero.py:zero", "padzero_zero.npz"),
        ("larq_zero_gamma.py:zero", "zg_zero.npz"),
        ("larq_zero_gamma.py:tiny", "zg_zero.npz"),
    ],
)
def test_signs_behind_zeros_and_beside_constants(cases: Path, model: str, data: str) -> None:
    """Every layer but the last gives signs, and all samples agree with Keras."""
    pytest.importorskip("larq_compute_engine")
    board = load_board("mps2_an386")
    compiled = compile_model(cases / model, board, CompileOptions(calibration=cases / data))
    graph = compiled.plan.graph
    layers = [n for n in graph.nodes if isinstance(n.op, LceBconv2d)]
    assert [n.output.type.dtype for n in layers] == [*[DType.I32] * 3, DType.I8]
    assert not graph.missed and compiled.predict is not None
    (source,) = graph.inputs
    for x in np.load(cases / data)["x"]:
        # -1 and 1, whose signs are all that counts
        signs = np.where(x < 0, -127, 127) + source.type.zero_point
        narrow = np.clip(signs, -128, 127).astype(np.int8)[None]
        ours = interpret(graph, [narrow])[graph.outputs[0]]
        assert np.argmax(ours) == np.argmax(compiled.predict([x[None]])[0])


# Files that pass and should not ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "id", "words"),
    [
        ("scale_ratio_1", "E304", "op 0 'y' (RELU_N1_TO_1): rescales numbers of up to 255 by"),
        ("union_type_1", "E301", "op 0 'z' (ADD): its options are those of SplitV"),
        ("lce_padding_bits_1", "E325", "its filters have bits beyond the last channel"),
        ("nan_weights_1", "E324", "op 0 'y' (CONV_2D): its operand 'w' holds NaN or infinity"),
    ],
)
def test_mutated_files_are_refused(cases: Path, name: str, id: str, words: str) -> None:
    with pytest.raises(CompileError) as caught:
        read(cases / f"{name}.tflite")
    assert caught.value.id == id and words in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_constant_output_that_stands_twice(cases: Path, tmp_path: Path) -> None:
    board = load_board("mps2_an386")
    compiled = compile_model(cases / "twice.tflite", board)
    first, second = compiled.plan.graph.outputs
    assert first is second and first.data is not None
    image = build(compiled.c_library, board, None, tmp_path, BuildOptions("test"))
    trace = run(image, np.zeros((1, 4), np.uint8))
    assert trace.outputs[0].tobytes() == 2 * first.data.tobytes()


# What the reader of TFLite understands ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("pruned_sparse_int8", 0), ("unet_keras", 0), ("fb_unused_string", 0), ("fb_int4", 0),
        ("tf1_uint8", 0),
        ("gru_reset_before", 1e-5), ("conv1d_drq", 1e-5), ("mnist_hybrid", 1e-6),
    ],
)  # fmt: skip
def test_files_that_a_user_expects_to_work(name: str, tolerance: float, cases: Path) -> None:
    path = cases / f"{name}.tflite"
    graph = read(path)
    samples = random_samples(graph, 5, 0)
    for version in (graph, optimize(graph)):
        for i in range(len(samples)):
            values = interpret(version, samples.at(i))
            found = [values[v] for v in version.outputs]
            for y, want in zip(found, run_litert(path, samples.at(i)), strict=True):
                np.testing.assert_allclose(y, want, rtol=0, atol=tolerance)


# Keras ------------------------------------------------------------------------------------


@pytest.mark.slow  # TensorFlow takes long to start
@pytest.mark.skipif(not find_spec("tensorflow"), reason="needs TensorFlow: tinyc[keras]")
@pytest.mark.parametrize("model", ["sig_k3.keras", "k3_function.py:net", "plain_export"])
def test_keras_3_and_what_it_exports_are_read(model: str, cases: Path) -> None:
    """The numpy reference computes what the model does, in Keras or by TensorFlow."""
    graph, predict = read_model(str(cases / model))
    assert predict is not None
    shape = graph.inputs[0].type.shape
    x = np.random.default_rng(0).normal(0, 1, (8, *shape)).astype(np.float32)
    (theirs,) = predict([x.reshape(8, *shape[1:])])
    ours = [interpret(graph, [row])[graph.outputs[0]][0] for row in x]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert np.ptp(theirs) > 0.01


# Operators and types ---------------------------------------------------------------------


def emulated(graph: Graph, board_name: str, rows: np.ndarray, folder: Path) -> bytes:
    """The outputs of the firmware for inputs as its test harness takes them."""
    board = load_board(board_name)
    lowered = plan(optimize(graph), board.core.name, board.core.features)
    image = build(emit(lowered), board, None, folder, BuildOptions(emulators()["unicorn"].main))
    return run(image, rows).outputs.tobytes()


def as_litert_remembers(
    path: Path, graph: Graph, board: str, steps: list[np.ndarray], folder: Path
) -> tuple[bytes, bytes]:
    """The outputs of LiteRT and of the firmware for one input after the other, with a reset before
    the 21st."""
    expected, rows = b"", []
    for i, x in enumerate(steps):
        if i in (0, 20):
            interpreter = litert(path)
        (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        expected += interpreter.get_tensor(result["index"]).tobytes()
        rows.append(np.frombuffer(bytes([i in (0, 20)]) + x.tobytes(), np.uint8))
    return expected, emulated(graph, board, np.stack(rows), folder)


@pytest.mark.slow
@pytest.mark.parametrize("board", ["stm32f4_discovery", "stm32f072b_disco"])
def test_a_wake_word_remembers_as_litert_does(cases: Path, board: str, tmp_path: Path) -> None:
    """Its six variables over 20 steps, then after a reset."""
    path = cases / "wake_word_okay_nabu.tflite"
    graph = read(path)
    assert len(graph.states) == 6
    rng = np.random.default_rng(1)
    steps = [rng.integers(-128, 128, graph.inputs[0].type.shape).astype(np.int8) for _ in range(24)]
    expected, found = as_litert_remembers(path, graph, board, steps, tmp_path / "out")
    assert len(set(expected)) > 1
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("board", ["stm32f4_discovery", "nucleo_g0b1re"])
def test_an_int8_lstm_remembers_as_litert_does(cases: Path, board: str, tmp_path: Path) -> None:
    """The hidden and the cell state, over 20 runs of 49 steps, then after a reset."""
    path = cases / "micro_speech_lstm.tflite"
    graph = read(path)
    assert len(graph.states) == 2
    rng = np.random.default_rng(1)
    spread = rng.uniform(1, 12, (24, 1, 1, 1))  # louder features drive every score to its end
    noise = np.abs(rng.normal(0, spread, (24, *graph.inputs[0].type.shape)))
    steps = list(np.clip(noise - 128, -128, 127).astype(np.int8))
    expected, found = as_litert_remembers(path, graph, board, steps, tmp_path / "out")
    assert len(set(expected)) > 6
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["micro_speech_lstm", "wake_word_okay_nabu"])
def test_samples_are_one_sequence_to_a_model_with_states(
    name: str, cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tinyc test` and its reference both start with a reset and then go on."""
    args = [str(cases / f"{name}.tflite"), "--board", "stm32", "--samples", "7"]
    assert cli.execute(["test", *args, "-o", str(tmp_path / "out"), "--json"]) == 0
    assert '"mismatches": 0' in capsys.readouterr().out
    assert cli.execute(["profile", *args[:3], "-o", str(tmp_path / "out")]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("board", ["stm32f4_discovery", "stm32f072b_disco"])
def test_a_float_lstm_remembers_as_litert_does(cases: Path, board: str, tmp_path: Path) -> None:
    path = cases / "lstm_fused_float.tflite"
    graph = read(path)
    rng = np.random.default_rng(2)
    steps = [rng.standard_normal(graph.inputs[0].type.shape, np.float32) for _ in range(24)]
    expected, found = as_litert_remembers(path, graph, board, steps, tmp_path / "out")
    y, want = (np.frombuffer(raw, np.float32) for raw in (found, expected))
    np.testing.assert_allclose(y, want, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_loop_of_known_length_is_unrolled(cases: Path, tmp_path: Path) -> None:
    """29 steps of a GRU of Mycroft's Precise."""
    path = cases / "hey_mycroft_gru_while.tflite"
    graph = read(path)
    x = np.random.default_rng(2).standard_normal((3, *graph.inputs[0].type.shape), np.float32)
    expected = np.stack([run_litert(path, [row])[0] for row in x])
    rows = x.reshape(3, -1).view(np.uint8)
    found = np.frombuffer(emulated(graph, "stm32f4_discovery", rows, tmp_path / "out"), np.float32)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-7)


def test_a_loop_over_what_is_refused_gives_no_error_of_its_own(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(rules.load(), "TRANSPOSE")
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(cases / "hey_mycroft_gru_while.tflite")
    (line,) = str(raised.value).splitlines()
    assert line.startswith("E300") and "(TRANSPOSE)" in line


def test_a_dilated_convolution_is_one_layer(cases: Path, tmp_path: Path) -> None:
    path = cases / "dilated_int8.tflite"
    graph = read(path)
    kinds = [type(node.op).__name__ for node in optimize(graph).nodes]
    assert kinds == ["Conv2d", "Add", "Conv2d", "Add", "Mean", "FullyConnected"]
    x = np.random.default_rng(3).integers(-128, 128, (2, *graph.inputs[0].type.shape))
    expected = b"".join(run_litert(path, [row.astype(np.int8)])[0].tobytes() for row in x)
    rows = x.astype(np.int8).reshape(2, -1).view(np.uint8)
    assert emulated(graph, "stm32f4_discovery", rows, tmp_path / "out") == expected


@pytest.mark.parametrize("name", ["int16x8_mtb", "resnet_16x8"])
@pytest.mark.parametrize(
    "board", slow_but(["stm32f4_discovery"], ["stm32f4_discovery", "nucleo_g0b1re"])
)
def test_int16_activations_are_exact(name: str, board: str, cases: Path, tmp_path: Path) -> None:
    """Over the whole range of the type, and near zero."""
    path = cases / f"{name}.tflite"
    graph = read(path)
    rng = np.random.default_rng(4)
    shape = graph.inputs[0].type.shape
    wide = rng.integers(-32768, 32767, (3, *shape), endpoint=True)
    x = np.concatenate([wide, wide // 300]).astype(np.int16)
    expected = b"".join(run_litert(path, [row])[0].tobytes() for row in x)
    assert len(set(expected)) > 20
    rows = x.reshape(len(x), -1).view(np.uint8)
    assert emulated(graph, board, rows, tmp_path / "out") == expected


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("elu_int8", ["FullyConnected", "ByteTable", "FullyConnected"]),
        ("layernorm_int8",
         ["Reshape", "FullyConnected", "Reshape", "Add", "Mean", "ByteTable", "SquaredDifference",
          "Mean", "ByteTable", "Mul", "Mul", "Add", "Mul", "Add", "Reshape", "FullyConnected",
          "Reshape", "Add"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "board", slow_but(["stm32f4_discovery"], ["stm32f4_discovery", "nucleo_g0b1re"])
)
def test_what_float32_computes_between_int8_is_a_table(
    name: str, kinds: list[str], board: str, cases: Path, tmp_path: Path
) -> None:
    graph = read(cases / f"{name}.tflite")
    assert [type(node.op).__name__ for node in optimize(graph).nodes] == kinds
    # LiteRT's reference kernels, among which there is no ELU: XNNPACK's there.
    if name == "elu_int8":
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(cases / f"{name}.tflite"))
    else:
        interpreter = litert(cases / f"{name}.tflite")
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape = graph.inputs[0].type.shape
    interpreter.resize_tensor_input(source["index"], shape)
    interpreter.allocate_tensors()
    x = np.random.default_rng(4).integers(-128, 128, (40, *shape)).astype(np.int8)
    expected = b""
    for row in x:
        interpreter.set_tensor(source["index"], row)
        interpreter.invoke()
        expected += interpreter.get_tensor(result["index"]).tobytes()
    rows = x.reshape(len(x), -1).view(np.uint8)
    assert len(set(expected)) > 10
    assert emulated(graph, board, rows, tmp_path / "out") == expected


def test_a_dynamic_range_model_rounds_its_inputs_as_litert_does(
    cases: Path, tmp_path: Path
) -> None:
    path = cases / "mnist_hybrid.tflite"
    graph = read(path)
    x = np.random.default_rng(4).random((3, *graph.inputs[0].type.shape), np.float32)
    expected = np.stack([run_litert(path, [row])[0] for row in x])
    rows = x.reshape(3, -1).view(np.uint8)
    found = np.frombuffer(emulated(graph, "stm32f4_discovery", rows, tmp_path / "out"), np.float32)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=2e-6, atol=0)


@pytest.mark.parametrize(
    "board", slow_but(["stm32f4_discovery"], ["stm32f4_discovery", "nucleo_g0b1re"])
)
def test_a_uint8_model_is_exact(board: str, cases: Path, tmp_path: Path) -> None:
    path = cases / "tf1_uint8.tflite"
    graph = read(path)
    assert {v.type.dtype for v in (*graph.inputs, *graph.outputs)} == {DType.U8}
    x = np.random.default_rng(6).integers(0, 256, (4, *graph.inputs[0].type.shape), np.uint8)
    expected = b"".join(run_litert(path, [row])[0].tobytes() for row in x)
    assert len(set(expected)) > 3
    assert emulated(graph, board, x.reshape(4, -1), tmp_path / "out") == expected


@pytest.mark.slow
def test_a_dynamic_range_model_calibrates(cases: Path, tmp_path: Path) -> None:
    path, data = cases / "mnist_hybrid.tflite", tmp_path / "x.npz"
    rng, images = np.random.default_rng(5), np.zeros((60, 28, 28, 1), np.float32)
    for image in images:
        for _ in range(3):  # strokes
            y, x0, h, w = rng.integers((4, 4, 2, 2), (20, 20, 12, 12))
            image[y : y + h, x0 : x0 + w] = rng.random()
    np.savez(data, x=images)
    compiled = compile_model(
        path, load_board("stm32f4_discovery"), CompileOptions(calibration=data)
    )
    assert not any(v.type.dtype is DType.F32 for n in compiled.graph.nodes for v in n.outputs)
    before, after = (y.reshape(60, -1).argmax(1) for y in _scores(compiled, images))
    assert len(set(before)) > 3 and np.mean(before == after) >= 0.95
