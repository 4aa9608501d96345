"""A side head on a Keras model: two outputs, trained together, of which one may be enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from blobs import blobs, dense

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Training, Work
from tinyc.compress.keras.export import convert
from tinyc.compress.keras.training import accuracy
from tinyc.errors import CompileError

pytestmark = pytest.mark.slow


def made(text: str, **training: Any) -> Work:
    settings = Training(batch=32, learning_rate=0.03, precision="float32", **training)
    *_, last = chain.run(chain.parse(text), Work(dense(), blobs(), settings))
    return last


def test_both_heads_learn_and_the_side_head_answers_where_it_is_sure() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = made("early_exit:hidden:threshold=0.9,finetune", epochs=8)
    side, final = (np.asarray(y) for y in work.model(work.data.inputs(work.data.x_test)))
    assert work.early_exit == 0.9
    for scores in (side, final):
        assert np.allclose(scores.sum(1), 1, atol=1e-5)
        assert np.mean(scores.argmax(1) == work.data.y_test) > 0.9
    sure = side.max(1) >= 0.9
    assert sure.any()
    answers = np.where(sure[:, None], side, final).argmax(1)
    assert accuracy(work.model, work) == np.mean(answers == work.data.y_test)
    assert convert(work)[4:8] == b"TFL3"


def test_a_layer_that_is_not_there_is_told() -> None:
    with pytest.raises(CompileError, match="did you mean 'hidden'") as error:
        made("early_exit:hiden", epochs=0)
    assert error.value.id == "E362"
    with pytest.raises(CompileError, match="a side head already"):
        made("early_exit:hidden,early_exit:hidden", epochs=0)
