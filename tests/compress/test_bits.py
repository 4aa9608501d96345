"""Weights of few bits: their projection, and the file that stores them as whole numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import exact, trained
from tflite_writer import litert

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Levels, kernel, kernel_layers
from tinyc.compress.keras.bits import Uniform
from tinyc.compress.keras.correction import SAMPLES, moments
from tinyc.compress.keras.export import convert
from tinyc.compress.keras.levels import numbers
from tinyc.compress.keras.training import accuracy
from tinyc.errors import CompileError
from tinyc.search.measure import measure
from tinyc.search.run import compressed
from tinyc.settings import Config

MOST = {4: 7, 2: 1, 1: 1}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("bits:3", "3 is no bits"),
        ("int4:-1", "'-1' is no epochs"),
        ("bits:4:scores=9", "9 is no scores"),
        ("int2:2:first=0", "0 is no first"),
    ],
)
def test_bits_that_there_are_none_of_are_told(text: str, what: str) -> None:
    with pytest.raises(CompileError, match=what) as error:
        chain.parse(text)
    assert error.value.id == "E209"


def test_numbers_are_the_smallest_whole_ones() -> None:
    weights = np.array([[-0.7, 0.1, 0.0], [0.4, -0.2, 0.2], [0.0, 0.0, 0.0]])
    found = numbers(weights, Levels(4))
    assert found.tolist() == [[-7, 1, 0], [2, -1, 1], [0, 0, 0]]
    with pytest.raises(ValueError, match="no levels of 2 bits"):
        numbers(weights, Levels(2))
    with pytest.raises(ValueError, match="no levels of 1 bits"):
        numbers(weights, Levels(1))


@pytest.mark.slow
@pytest.mark.parametrize("bits", MOST)
def test_a_projection_misses_little_and_keeps_what_it_made(bits: int) -> None:
    pytest.importorskip("tensorflow")
    rng = np.random.default_rng(bits)
    weights = rng.normal(size=(3, 3, 20, 6)).astype(np.float32)
    weights[..., 1] *= 100
    weights[..., 2] = 0
    weights[0, 0, 0, 3] = 40  # an outlier, which the scale must not follow
    project = Uniform(bits, (0, 1, 2))
    found = np.asarray(project(weights))
    assert np.allclose(np.asarray(project(found)), found, rtol=1e-5, atol=0)
    rows, given = (a.reshape(-1, 6).T.astype(np.float64) for a in (found, weights))
    kept = [0, 1, 4, 5]
    q = numbers(rows[kept], Levels(bits))
    assert np.abs(q).max() == MOST[bits]
    # Of a normal distribution the best uniform quantizer misses 0.0115 of the variance at 4 bits,
    # 0.190 at three levels, 0.363 at two (Max, Quantizing for minimum distortion, 1960, table II).
    missed = ((rows - given) ** 2).sum(1)[kept] / (given**2).sum(1)[kept]
    assert missed.max() < {4: 0.02, 2: 0.22, 1: 0.40}[bits]
    assert not rows[2].any()


@pytest.mark.slow
@pytest.mark.parametrize(("text", "lost"), [("int4", 0.02), ("int2:4", 0.06), ("int1:6", 0.35)])
def test_files_hold_the_levels_and_compute_what_litert_does(
    text: str, lost: float, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    pytest.importorskip("ai_edge_litert")
    work = trained()
    before = accuracy(work.model, work)
    assert before is not None and before > 0.95
    made = compressed(work, chain.parse(text + ":hidden=8"))
    after = accuracy(made.model, made)
    assert after is not None and after > before - lost

    path = tmp_path / "m.tflite"
    path.write_bytes(convert(made))
    interpreter = litert(path)
    layers = kernel_layers(made.model)
    shapes = {tuple(kernel(layer).shape): made.levels.get(name) for name, layer in layers.items()}
    assert made.levels.keys() == layers.keys() - {"stem", "hidden"}
    seen = 0
    for tensor in interpreter.get_tensor_details():
        scales = tensor["quantization_parameters"]["scales"]
        if len(scales) < 2 or tensor["dtype"] != np.int8:
            continue
        shape = tuple(tensor["shape"])
        keras = shape[::-1] if len(shape) == 2 else (*shape[1:], shape[0])
        levels = shapes[(3, 3, 16, 1) if shape == (1, 3, 3, 16) else keras]
        values = np.unique(interpreter.get_tensor(tensor["index"]))
        if levels is None:
            assert values[-1] == 127
            continue
        seen += 1
        most = MOST[levels.bits]
        wanted = [-1, 1] if levels.bits == 1 else list(range(-most, most + 1))
        assert values.tolist() == wanted
    assert seen == len(made.levels)

    assert abs(exact(path, work)[-1] - after) < 0.03


@pytest.mark.slow
def test_the_linked_firmware_shrinks_by_what_bits_save(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = trained()
    flash = {}
    for text in ("int8", "int4:0", "int2:0"):
        path = tmp_path / f"{text[:4]}.tflite"
        path.write_bytes(convert(compressed(work, chain.parse(text))))
        settings = Config(board="nucleo_f446re", optimize="flash", output_dir=str(tmp_path))
        flash[text] = measure(path, settings).flash_bytes
    layers = kernel_layers(work.model)
    weights = sum(int(np.prod(kernel(layers[name]).shape)) for name in layers if name != "stem")
    # Of half of the bytes, and of three quarters, less code of their own: for so few weights much.
    saved = {text: (flash["int8"] - flash[text]) / weights for text in flash}
    assert saved["int4:0"] > 0.2 and saved["int2:0"] > saved["int4:0"] + 0.15


@pytest.mark.slow
def test_rounding_is_corrected_where_nothing_is_trained() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = trained()
    x = work.data.typical(SAMPLES, work.training.seed)
    wanted = moments(work.model, kernel_layers(work.model), x)
    plain = compressed(work, chain.parse("int2:0:correct=no"))
    made = compressed(work, chain.parse("int2:0"))
    before, after = accuracy(plain.model, plain), accuracy(made.model, made)
    assert before is not None and after is not None and after > before + 0.2
    scores = moments(made.model, ["scores"], x)["scores"]
    assert np.allclose(scores[0], wanted["scores"][0], atol=1e-3)
    # Behind a batch normalization the spread is the same again, too.
    for name in ("first", "second", "depthwise"):
        mean, variance = moments(made.model, [name], x)[name]
        found = _normalized(made.model.get_layer(f"{name}_norm"), mean, variance)
        given = _normalized(work.model.get_layer(f"{name}_norm"), *wanted[name])
        assert np.allclose(found, given, rtol=1e-3, atol=1e-3)


def _normalized(norm: Any, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean and spread behind a normalization without its factor and offset: [2, channels]."""
    deviation = np.sqrt(norm.moving_variance + norm.epsilon)
    return np.stack([(mean - norm.moving_mean) / deviation, np.sqrt(variance) / deviation])


@pytest.mark.slow
def test_levels_that_are_gone_are_told() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = compressed(trained(), chain.parse("int4:0"))
    with pytest.raises(CompileError, match="first: its weights are no levels of 2 bits"):
        convert(replace(work, levels={"first": Levels(2)}))
    again = compressed(work, chain.parse("bits:8:epochs=0"))
    assert not again.levels and not any(again.projections.values())
    with pytest.raises(CompileError, match="no layer 'frist'") as error:
        compressed(work, chain.parse("int4:0:frist=2"))
    assert error.value.id == "E362"
