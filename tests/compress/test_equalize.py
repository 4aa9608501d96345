"""Equalization: the same network, whose int8 form is as right as that of one that was even."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import exact, trained

from tinyc.compress.keras import chain
from tinyc.compress.keras.export import convert
from tinyc.compress.keras.training import scores
from tinyc.errors import CompileError
from tinyc.search.run import compressed


@pytest.mark.slow
def test_an_uneven_network_is_evened_out(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    pytest.importorskip("ai_edge_litert")
    work = trained()
    even = scores(work.model, work, work.data.x_test)
    # Two channels of 16 hold a thousand times what they did, and are read as if they did not.
    factor = np.where(np.arange(16) < 2, 1000.0, 1.0)
    norm = work.model.get_layer("first_norm")
    for variable in (norm.gamma, norm.beta):
        variable.assign(variable * factor)
    reader = work.model.get_layer("second").kernel
    reader.assign(reader / factor[:, np.newaxis])

    right = {}
    for text in ("int8", "equalize"):
        made = compressed(work, chain.parse(text))
        assert np.abs(scores(made.model, made, made.data.x_test) - even).max() < 1e-4
        path = tmp_path / f"{text}.tflite"
        path.write_bytes(convert(made))
        right[text] = exact(path, made)[-1]
    assert right["equalize"] > 0.95
    assert right["int8"] < right["equalize"] - 0.1


@pytest.mark.slow
def test_what_cannot_be_equalized_is_told() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    import tf_keras

    def through(layer: Any) -> Any:
        image = tf_keras.Input((8, 8, 1))
        x = layer(tf_keras.layers.Conv2D(4, 3)(image))
        return tf_keras.Model(image, tf_keras.layers.Dense(10)(tf_keras.layers.Flatten()(x)))

    work = trained()
    for layer in (tf_keras.layers.ReLU(6.0, name="six"), tf_keras.layers.ELU(name="six")):
        with pytest.raises(CompileError, match="no factor goes through layer 'six'") as error:
            compressed(replace(work, model=through(layer)), chain.parse("equalize"))
        assert error.value.id == "E361"
    with pytest.raises(CompileError, match="that an earlier technique holds"):
        compressed(work, chain.parse("int4:0,equalize"))
