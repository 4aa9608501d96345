"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tinyc import cli
from tinyc.boards import load_board
from tinyc.compile import Compiled, compile_model
from tinyc.data import dequantize, given_samples, quantize
from tinyc.ir import DType, interpret
from tinyc.passes.calibrate import float_nodes


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
        f"{cases / 'embed.py'}:{function}", load_board("stm32"), calibration=tmp_path / "x.npz"
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
    compiled = compile_model(cases / "cast_u8.tflite", load_board("stm32"), calibration=data)
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
    compiled = compile_model(model, load_board("stm32"), calibration=tmp_path / "x.npz")
    assert [type(n.op).__name__ for n in compiled.plan.graph.nodes] == operators
    with np.load(tmp_path / "x.npz") as file:
        real, ours = _scores(compiled, file["x"])
    assert np.abs(real - ours).max() <= 4 * compiled.graph.outputs[0].type.scale


@pytest.fixture
def tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The exit code of ``tinyc test`` on an STM32F4 in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: cli.execute(["test", "--board", "stm32", *map(str, args)])


@pytest.mark.parametrize(("name", "shape"), [("larq_int8io", (12, 12, 3)), ("lce_int8", (8, 8, 1))])
def test_binarized_models_with_int8_inputs_get_a_verdict(
    cases: Path,
    tested: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    name: str,
    shape: tuple[int, ...],
) -> None:
    """Exact with float32 between the layers; of random weights int8 turns a few signs."""
    x = np.random.default_rng(0).integers(-128, 128, (12, *shape)).astype(np.int8)
    np.savez("x.npz", x=x)
    model = cases / f"{name}.tflite"
    assert tested(model, "--calibrate", "x.npz", "--data", "x.npz") in (0, 5)
    err = capsys.readouterr().err
    assert "bit_exact: 12 of 12 samples" in err and "E100" not in err
    assert tested(model, "--float-glue", "--samples", "4") == 0
    glued = compile_model(model, load_board("stm32"), float_glue=True)
    assert _agreement(glued, x) == 1


def test_nan_in_float32_data_is_found(cases: Path) -> None:
    """The file with one NaN, as data of a network that takes float32 or int8 of that shape."""
    from tinyc.errors import CompileError
    from tinyc.ir import Graph, Quant, TensorType, Value

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


# Tables and binary layers ----------------------------------------------------------------


# Files that pass and should not ----------------------------------------------------------


# What the reader of TFLite understands ---------------------------------------------------


# Keras ------------------------------------------------------------------------------------


# Operators and types ---------------------------------------------------------------------
