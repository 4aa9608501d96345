"""larq models on their whole way: what becomes binary, how close int8 comes, what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_lce, write_model

from tinyc.cli import app as cli
from tinyc.compress.binarize import binarize
from tinyc.compress.calibrate import calibrate, float_nodes
from tinyc.errors import CompileError
from tinyc.frontends.base import read_model
from tinyc.frontends.packages import LARQ, remedy
from tinyc.ir import DType, Graph, interpret, verify
from tinyc.ops.binary_depthwise_conv2d import BinaryDepthwiseConv2d
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.fully_connected import FullyConnected
from tinyc.ops.lce_bconv2d import LceBconv2d
from tinyc.ops.lce_bmaxpool2d import LceBMaxPool2d
from tinyc.ops.lce_quantize import LceQuantize
from tinyc.passes import optimize
from tinyc.passes.fold_affine import fold_affine
from tinyc.passes.fold_thresholds import fold_thresholds
from tinyc.passes.remove_dead import remove_dead
from tinyc.pipeline import Compiled, CompileOptions, compile_model
from tinyc.target.boards import load_board

_missing = [name for name in LARQ if importlib.util.find_spec(name) is None]
if _missing:
    pytest.skip(f"needs {', '.join(_missing)}: {remedy(_missing)}", allow_module_level=True)
pytestmark = pytest.mark.slow  # TensorFlow takes long to start

MODELS = Path(__file__).parents[1] / "larq_models.py"
NAMES = ("mixed", "converted", "sequence")
CACHE: dict[str, tuple[Graph, object]] = {}


def graph_of(name: str) -> Graph:
    """The graph that LCE's converter makes of a model, read once."""
    if name not in CACHE:
        CACHE[name] = read_model(f"{MODELS}:{name}")
    return CACHE[name][0]


def samples(graph: Graph, count: int, seed: int = 0) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        [rng.normal(0, 1, v.type.shape).astype(np.float32) for v in graph.inputs]
        for _ in range(count)
    ]


def count(graph: Graph, op: type) -> int:
    return sum(type(n.op) is op for n in graph.nodes)


@pytest.mark.parametrize("name", NAMES)
def test_graph_computes_what_keras_does(name: str) -> None:
    """Read, binarized and with folded thresholds: larq's own outputs but for float32's end."""
    graph = graph_of(name)
    predict = CACHE[name][1]
    binary = verify(remove_dead(binarize(graph)))
    folded = verify(remove_dead(fold_thresholds(binary)))
    for arrays in samples(graph, 4):
        (theirs,) = predict(arrays)
        ours = [interpret(g, arrays)[g.outputs[0]] for g in (graph, binary, folded)]
        np.testing.assert_allclose(ours[0], theirs, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(ours[1], ours[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(ours[2], ours[1])


def test_what_becomes_binary() -> None:
    for name in NAMES:
        graph = verify(remove_dead(fold_thresholds(remove_dead(binarize(graph_of(name))))))
        packed = [
            n for n in graph.nodes
            if isinstance(n.op, LceBconv2d) and n.output.type.dtype is DType.I32
        ]  # fmt: skip
        found = [count(graph, op) for op in (LceBconv2d, BinaryDepthwiseConv2d, LceBMaxPool2d)]
        kept = [count(graph, op) for op in (Conv2d, FullyConnected, LceQuantize)]
        assert (found, kept, len(packed)) == {
            "mixed": ([6, 0, 2], [1, 1, 3], 3),
            # the flattened 20 channels do not fill words, so that their signs are taken behind
            "converted": ([3, 2, 0], [2, 0, 3], 2),
            "sequence": ([2, 0, 0], [0, 0, 1], 1),
        }[name], name


@pytest.mark.parametrize("name", NAMES)
def test_calibrated_graph_is_close_and_has_no_float(name: str) -> None:
    graph = graph_of(name)
    prepared = verify(fold_affine(remove_dead(fold_thresholds(remove_dead(binarize(graph))))))
    for arrays in samples(graph, 2):
        np.testing.assert_allclose(
            interpret(prepared, arrays)[prepared.outputs[0]],
            interpret(graph, arrays)[graph.outputs[0]], rtol=1e-3, atol=1e-3,
        )  # fmt: skip
    made = calibrate(prepared, samples(graph, 16))
    assert not float_nodes(made)
    better = optimize(made)
    (source,), (target,) = made.inputs, made.outputs
    for arrays in samples(graph, 4, seed=1):
        real = interpret(graph, arrays)[graph.outputs[0]]
        quantized = np.round(arrays[0] / source.type.scale) + source.type.zero_point
        x = np.clip(quantized, -128, 127).astype(np.int8)
        y = interpret(made, [x])[target]
        np.testing.assert_array_equal(interpret(better, [x])[better.outputs[0]], y)
        near = (y.astype(np.float64) - target.type.zero_point) * target.type.scale
        # Random weights let signs near 0 flip; what matters is that the numbers go together.
        assert np.corrcoef(real.ravel(), near.ravel())[0, 1] > 0.8


def built(name: str, board: str, tmp_path: Path, **options: object) -> Compiled:
    data = tmp_path / "calibration.npz"
    graph = graph_of(name)
    np.savez(data, x=np.concatenate([s[0] for s in samples(graph, 16)]))
    if options.pop("calibrated", True):
        options["calibration"] = data
    return compile_model(f"{MODELS}:{name}", load_board(board), CompileOptions(**options))


@pytest.mark.parametrize("board", ["stm32", "nucleo_g0b1re", "mps2_an385", "mps2_an505"])
def test_mixed_model_is_exact_on_the_core(board: str, tmp_path: Path) -> None:
    """Calibrated, on cores with and without SIMD and FPU: every bit of 6 samples."""
    run_exact(built("mixed", board, tmp_path), board, tmp_path)


@pytest.mark.parametrize("name", ["mixed", "converted"])
def test_float_glue_is_exact_on_the_core(name: str, tmp_path: Path) -> None:
    compiled = built(name, "stm32", tmp_path, calibrated=False, float_glue=True)
    assert float_nodes(compiled.graph)
    run_exact(compiled, "stm32", tmp_path)


def run_exact(compiled: Compiled, board: str, tmp_path: Path) -> None:
    from tinyc.image.build import BuildOptions, build
    from tinyc.run import run
    from tinyc.run.data import random_samples

    graph = compiled.graph
    inputs = random_samples(graph, 6, 0)
    image = build(
        compiled.c_library, load_board(board), None, tmp_path / "out", BuildOptions("test")
    )
    rows = run(image, inputs.bytes()).outputs
    for i in range(len(inputs)):
        values = interpret(graph, inputs.at(i))
        assert rows[i].tobytes() == values[graph.outputs[0]].tobytes()


def test_report_states_bits_and_agreement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("data.npz", x=rng.normal(0, 1, (8, 16, 16, 3)).astype(np.float32))
    common = [f"{MODELS}:mixed", "--board", "stm32", "--calibrate", "data.npz", "--json"]
    # Random weights let signs near 0 flip.
    assert cli.execute(["test", *common, "--data", "data.npz", "--min-agreement", "0.5"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["mismatches"] == 0
    assert 0.5 <= report["agreement"] <= 1
    assert 0 < report["largest_difference"] < 10
    assert cli.execute(["profile", *common]) == 0
    profile = json.loads(capsys.readouterr().out)
    layers = [layer for layer in profile["layers"] if layer["op"] == "LceBconv2d"]
    assert sum(layer["binary_macs"] for layer in layers) == profile["binary_macs"]
    assert all(layer["bits"] == 1 and layer["macs"] == 0 for layer in layers)
    assert all(0 < layer["cycles_per_binary_mac"] < 8 for layer in layers)
    (stem,) = (layer for layer in profile["layers"] if layer["op"] == "Conv2d")
    assert (stem["bits"], stem["binary_macs"]) == (8, 0)


@pytest.mark.parametrize("saved", ["model.h5", "model.keras", "folder"])
def test_saved_models(saved: str, tmp_path: Path) -> None:
    import sys

    import tf_keras

    sys.path.insert(0, str(MODELS.parent))
    import larq_models

    model = larq_models.sequence()
    path = tmp_path / saved
    tf_keras.models.save_model(model, path)
    graph, predict = read_model(str(path))
    (arrays,) = samples(graph, 1)
    ours = interpret(graph, arrays)[graph.outputs[0]]
    assert predict is not None
    np.testing.assert_allclose(ours, predict(arrays)[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours, model.predict(arrays[0], verbose=0), rtol=1e-4, atol=1e-4)


def test_model_without_binary_layers(tmp_path: Path) -> None:
    """A plain Keras model: float32 as it is, int8 with calibration."""
    assert float_nodes(compile_model(f"{MODELS}:plain", load_board("stm32")).graph)
    made = built("plain", "stm32", tmp_path)
    assert not float_nodes(made.graph)
    assert made.graph.outputs[0].type.quant.scale == (1 / 256,)
    run_exact(made, "stm32", tmp_path)


def test_float_glue_agrees_with_keras(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["test", f"{MODELS}:mixed", "--board", "stm32", "--float-glue", "--json"]
    assert cli.execute(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["mismatches"], report["agreement"]) == (0, 1.0)
    assert report["largest_difference"] < 1e-3


def write_three_types(path: Path) -> Path:
    """float32 convolution -> signs -> binary convolution to int8 -> residual sum in int8 -> max
    pooling -> float32 dense layer; 40 channels."""
    rng = np.random.default_rng(2)
    bits = rng.integers(-(1 << 31), 1 << 31, (40, 3, 3, 2))
    bits[..., 1] &= 0xFF
    options = {
        "stride_height": 1, "stride_width": 1, "dilation_height_factor": 1,
        "dilation_width_factor": 1, "padding": 0, "pad_values": 1, "channels_in": 40,
        "fused_activation_function": 0,
    }  # fmt: skip
    shape, pooled = (1, 6, 6, 40), (1, 3, 3, 40)
    conv = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    pool = {"strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2, "padding": 1}
    tensors = [
        TensorSpec("image", (1, 6, 6, 3), "float32"),
        TensorSpec("kernel", (40, 3, 3, 3), "float32", data=rng.normal(0, 0.3, (40, 3, 3, 3))),
        TensorSpec("offset", (40,), "float32", data=rng.normal(0, 0.1, 40)),
        TensorSpec("stem", shape, "float32"),
        TensorSpec("signs", (1, 6, 6, 2), "int32"),
        TensorSpec("bits", bits.shape, "int32", data=bits),
        TensorSpec("multiplier", (40,), "float32", data=rng.normal(0, 0.05, 40)),
        TensorSpec("bias", (40,), "float32", data=rng.normal(0, 0.5, 40)),
        TensorSpec("binary", shape, "int8", 0.03, 4),
        TensorSpec("stem8", shape, "int8", 0.02, -7),
        TensorSpec("sum", shape, "int8", 0.04, 3),
        TensorSpec("pool", pooled, "int8", 0.04, 3),
        TensorSpec("real", pooled, "float32"),
        TensorSpec("dense", (5, 360), "float32", data=rng.normal(0, 0.1, (5, 360))),
        TensorSpec("scores", (1, 5), "float32"),
    ]
    return write_model(
        path,
        [
            ("CONV_2D", conv, [0, 1, 2], [3]),
            ("CUSTOM LceQuantize", {}, [3], [4]),
            ("CUSTOM LceBconv2d", options, [4, 5, 6, 7, -1], [8]),
            ("QUANTIZE", {}, [3], [9]),
            ("ADD", {}, [8, 9], [10]),
            ("MAX_POOL_2D", pool, [10], [11]),
            ("DEQUANTIZE", {}, [11], [12]),
            ("FULLY_CONNECTED", {}, [12, 13, -1], [14]),
        ],
        tensors, inputs=[0], outputs=[14],
    )  # fmt: skip


@pytest.mark.parametrize(("board", "glue"), [("stm32", True), ("nucleo_g0b1re", False)])
def test_three_types_in_one_model(board: str, glue: bool, tmp_path: Path) -> None:
    path = write_three_types(tmp_path / "three.tflite")
    graph = read_model(str(path))[0]
    arrays = [s[0] for s in samples(graph, 8)]
    theirs = np.concatenate([run_lce(path, [x])[0] for x in arrays])
    ours = np.concatenate([interpret(graph, [x])[graph.outputs[0]] for x in arrays])
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    data = tmp_path / "data.npz"
    np.savez(data, x=np.concatenate(arrays))
    options = {"float_glue": True} if glue else {"calibration": data}
    compiled = compile_model(path, load_board(board), CompileOptions(**options))
    assert bool(float_nodes(compiled.graph)) == glue
    run_exact(compiled, board, tmp_path)


# What is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "id", "words"),
    [
        ("no_kernel_quantizer", "E310", ["'faulty' (QuantConv2D)", 'kernel_quantizer="ste_sign"']),
        ("no_input_quantizer", "E310", ["'faulty' (QuantConv2D)", 'input_quantizer="ste_sign"']),
        ("dorefa", "E310", ["'faulty' (QuantConv2D)", "input_quantizer DoReFa", "--calibrate"]),
        ("ternary", "E310", ["'faulty'", "kernel_quantizer SteTern", "ste_sign"]),
        ("unknown", "E310", ["'faulty'", "kernel_quantizer strange", "ste_sign"]),
        ("transposed", "E310", ["'faulty' (QuantConv2DTranspose)", "QuantConv2D"]),
        ("dynamic", "E305", ["None", "fix every size"]),
        ("not_a_model", "E216", ["returns an object of type int", "tf_keras.Model"]),
        ("absent", "E216", ["no function 'absent'", "mixed"]),
    ],
)
def test_refused_models(name: str, id: str, words: list[str]) -> None:
    with pytest.raises(CompileError) as caught:
        read_model(f"{MODELS}:{name}")
    assert caught.value.id == id
    for word in words:
        assert word in str(caught.value)


def test_missing_calibration_and_its_remedies(tmp_path: Path) -> None:
    def refused(board: str, **options: object) -> CompileError:
        with pytest.raises(CompileError) as caught:
            compile_model(f"{MODELS}:sequence", load_board(board), CompileOptions(**options))
        return caught.value

    with_fpu, without = refused("stm32"), refused("nucleo_g0b1re")
    assert with_fpu.id == without.id == "E215"
    assert "--calibrate data.npz" in str(without) and "--float-glue" not in str(without)
    assert "--float-glue" in str(with_fpu)
    assert "has no FPU" in str(refused("nucleo_g0b1re", float_glue=True))
    np.savez(tmp_path / "bad.npz", x=np.zeros((2, 5)))
    assert refused("stm32", calibration=tmp_path / "bad.npz").id == "E212"
    assert refused("stm32", calibration=tmp_path / "none.npz").id == "E202"
    assert refused("stm32", calibration=tmp_path / "bad.npz", float_glue=True).id == "E217"


def test_broken_file(tmp_path: Path) -> None:
    for name in ("broken.h5", "broken.keras"):
        path = tmp_path / name
        path.write_bytes(b"not a model")
        with pytest.raises(CompileError, match=r"E309 .*Keras cannot load it"):
            read_model(str(path))
    with pytest.raises(CompileError, match=r"E216 .*without a saved_model.pb"):
        read_model(str(tmp_path))
    with pytest.raises(CompileError, match="E202"):
        read_model(str(tmp_path / "absent.h5"))
