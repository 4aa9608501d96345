"""A keyword transformer and a language model's block, as Keras and TFLite's converter make them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_models import firmware
from tflite_writer import litert

from tinyc.compress.calibrate import float_nodes
from tinyc.frontends.packages import KERAS2
from tinyc.frontends.tflite import read
from tinyc.ir import Graph, interpret
from tinyc.passes import optimize
from tinyc.pipeline import CompileOptions, compile_model
from tinyc.run.data import dequantize
from tinyc.target.boards import load_board

for _name in KERAS2:
    if importlib.util.find_spec(_name) is None:
        pytest.skip("needs TensorFlow: pip install 'tinyc[keras]'", allow_module_level=True)
pytestmark = pytest.mark.slow  # TensorFlow takes long to start

TOKENS, DIM, HEADS, FEATURES, WORDS = 9, 32, 2, 12, 40


def block(x: Any, approximate: bool, causal: bool) -> Any:
    """Attention and two dense layers, each behind a normalization and beside a way around."""
    import keras

    layers = keras.layers
    h = layers.LayerNormalization()(x)
    x += layers.MultiHeadAttention(HEADS, DIM // HEADS)(h, h, use_causal_mask=causal)
    h = layers.Dense(2 * DIM)(layers.LayerNormalization()(x))
    return x + layers.Dense(DIM)(keras.ops.gelu(h, approximate=approximate))


def keyword() -> Any:
    """Frames of features -> scores of 12 words."""
    import keras

    layers = keras.layers
    x = keras.Input((TOKENS, FEATURES), batch_size=1)
    y = layers.Dense(DIM)(x)
    y += layers.Embedding(TOKENS, DIM)(np.arange(TOKENS))  # where in time each is
    y = block(y, approximate=False, causal=False)
    y = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(y))
    return keras.Model(x, layers.Dense(12, activation="softmax")(y))


def language() -> Any:
    """Ids of tokens -> for each place the scores of what comes next."""
    import keras

    layers = keras.layers
    x = keras.Input((TOKENS,), batch_size=1, dtype="int32")
    y = layers.Embedding(WORDS, DIM)(x) + layers.Embedding(TOKENS, DIM)(np.arange(TOKENS))
    y = layers.LayerNormalization()(block(y, approximate=True, causal=True))
    return keras.Model(x, layers.Dense(WORDS)(y))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of both networks, weights random, converted to int8; of the language model also
    in float32; and samples as ``x`` of an .npz each."""
    import keras
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("transformers")
    keras.utils.set_random_seed(4)
    rng = np.random.default_rng(4)
    data = {
        "keyword": rng.normal(0, 1, (40, TOKENS, FEATURES)).astype(np.float32),
        "language": rng.integers(0, WORDS, (40, TOKENS)).astype(np.int32),
    }
    for (name, x), model in zip(data.items(), (keyword(), language()), strict=True):
        np.savez(folder / f"{name}.npz", x=x)
        for weights in model.weights:  # as if they were trained: no biases of 0, no scales of 1
            weights.assign(weights + rng.normal(0, 0.1, weights.shape))
        model.export(folder / name, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / name))
        if name == "language":
            (folder / "float.tflite").write_bytes(converter.convert())

        def samples(x: np.ndarray = x) -> Iterator[list[np.ndarray]]:
            yield from ([row[None]] for row in x)

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_output_type = tf.int8
        if x.dtype == np.float32:
            converter.inference_input_type = tf.int8
        (folder / f"{name}.tflite").write_bytes(converter.convert())
    return folder


def samples(name: str, graph: Graph, rng: np.random.Generator) -> np.ndarray:
    """[n, *shape]: token ids; or features over the whole range, and near zero."""
    (value,) = graph.inputs
    if name == "language":
        return rng.integers(0, WORDS, (4, *value.type.shape), np.int32)
    wide = rng.integers(-128, 128, (2, *value.type.shape))
    return np.concatenate([wide, wide // 4]).astype(np.int8)


@pytest.mark.parametrize("board", ["stm32f4_discovery", "nucleo_g0b1re"])
@pytest.mark.parametrize("name", ["keyword", "language"])
def test_a_transformer_is_exact(name: str, board: str, models: Path, tmp_path: Path) -> None:
    path = models / f"{name}.tflite"
    graph, interpreter = read(path), litert(path)
    x = samples(name, graph, np.random.default_rng(5))
    expected = []
    for row in x:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], row)
        interpreter.invoke()
        expected.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    for row, want in zip(x, expected, strict=True):
        np.testing.assert_array_equal(interpret(graph, [row])[graph.outputs[0]], want)
    rows = x.reshape(len(x), -1).view(np.uint8)
    trace = firmware(optimize(graph), load_board(board), tmp_path / "out", rows, "unicorn")
    assert len(np.unique(expected)) > 15
    np.testing.assert_array_equal(
        trace.outputs.view(np.int8), np.stack(expected).reshape(len(x), -1)
    )


def test_a_masked_language_model_calibrates(models: Path) -> None:
    """What a mask hides takes no range, as it does in the converter's int8, which attends to all
    tokens alike: the mean error is a fraction of that one's."""
    options = CompileOptions(calibration=models / "language.npz")
    compiled = compile_model(models / "float.tflite", load_board("stm32f4_discovery"), options)
    graphs = compiled.source, compiled.graph, read(models / "language.tflite")
    assert not float_nodes(compiled.plan.graph)
    with np.load(models / "language.npz") as data:
        rows = data["x"][:10]
    real, ours, theirs = (
        dequantize(np.stack([interpret(g, [row[None]])[g.outputs[0]] for row in rows]), out.type)
        for g, out in ((g, g.outputs[0]) for g in graphs)
    )
    error = np.abs(ours - real).mean()
    assert error < 0.06 * np.abs(real).mean()
    assert error < 0.2 * np.abs(theirs - real).mean()
