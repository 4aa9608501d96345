"""Chains of techniques on Keras models: their text, and the training that they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blobs import blobs, dense

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Training, Work, kernel
from tinyc.compress.keras.training import accuracy, fit
from tinyc.errors import CompileError


def test_a_chain_is_read_as_it_is_written() -> None:
    first, second = chain.parse("finetune:2.5, int8")
    assert first.params.model_dump() == {"epochs": 2.5}
    assert (first.text, second.technique.name) == ("finetune:2.5", "int8")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("finetun", "no technique 'finetun'"),
        ("finetune:-1", "'-1' is no epochs"),
        ("finetune:1:2", "takes no '2'"),
        ("finetune:depth=3", "no parameter 'depth'"),
    ],
)
def test_what_a_chain_cannot_be_is_told(text: str, what: str) -> None:
    with pytest.raises(CompileError, match=what) as error:
        chain.parse(text)
    assert error.value.id == "E209" and error.value.hint


@pytest.mark.slow
def test_training_learns_keeps_projections_and_repeats_to_the_bit() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    import tensorflow as tf

    training = Training(epochs=12, batch=32, learning_rate=0.03, precision="float32")
    mask = np.ones((4, 8), np.float32)
    mask[:, ::2] = 0

    def trained() -> Work:
        work = Work(dense(), blobs(), training)
        before = accuracy(work.model, work)
        work = work.then({"hidden": lambda w: tf.round(w * 4) / 4})
        fit(work, projections={"hidden": lambda w: w * mask})
        after = accuracy(work.model, work)
        assert before is not None and after is not None and after > max(0.9, before)
        return work

    first, second = trained(), trained()
    held = kernel(first.model.get_layer("hidden")).numpy()
    assert not held[:, ::2].any() and held[:, 1::2].any()
    assert np.array_equal(held * 4, np.round(held * 4))
    for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    again = replace(first, training=replace(training, precision="mixed_bfloat16", epochs=1))
    fit(again)
    held = kernel(again.model.get_layer("hidden")).numpy()
    assert held.dtype == np.float32 and np.array_equal(held * 4, np.round(held * 4))
