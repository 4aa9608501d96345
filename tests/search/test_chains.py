"""The chains that a search tries: what techniques say of themselves, and what a model takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from blobs import blobs, dense

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Data, Known, Training, Work, techniques
from tinyc.errors import CompileError
from tinyc.search.chains import NONE, STEPS, Chains, allowed
from tinyc.search.recipe import Recipe
from tinyc.settings import Config

RECIPE = Recipe(model="m.h5", data="digits", board="stm32")


class Picks:
    """A trial that picks the first of what it is asked for, but for ``picked``."""

    def __init__(self, **picked: str) -> None:
        self.picked = picked

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        choice = self.picked.get(name, choices[0])
        assert choice in choices
        return choice

    def suggest_float(self, name: str, low: float, high: float, **more: Any) -> float:
        return low


def suggested(work: Work, names: str | None = None, **picked: str) -> str:
    known = Known(work, dict)
    chains = Chains(RECIPE, Config(), known, allowed(names, work), lambda recipe: "digest")
    return chains.suggest(Picks(**picked)).with_


def work_of(model: Any, data: Data | None = None) -> Work:
    return Work(model, blobs() if data is None else data, Training())


@pytest.mark.slow
def test_each_step_gives_at_most_one_technique_in_their_order() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = work_of(dense())
    every = {"structure": "channels", "ranges": "equalize", "sparsity": "prune"}
    every |= {"sharing": "cluster", "precision": "qat", "training": "distill"}
    text = suggested(work, **every)
    stages = [stage.technique for stage in chain.parse(text)]
    assert [t.name for t in stages] == [every[step] for step in STEPS]
    assert text == "channels:0.1,distill,equalize,prune:0.5:keep_ends=true,cluster:16,qat"
    assert suggested(work) == "int8"
    assert suggested(work, "cluster,qat", sharing="cluster", cluster=4) == "cluster:4"
    assert suggested(work, "cluster,qat", sparsity="prune") == "int8"
    searched = {t.name for t in techniques().values() if t.space is not None}
    assert {"cluster", "qat", "equalize"} < searched
    assert {t.name for t in allowed(None, work)} == searched
    assert all(name != NONE for name in searched)


@pytest.mark.slow
def test_what_a_model_or_its_data_does_not_take_is_not_tried() -> None:
    tf_keras = pytest.importorskip("tf_keras")
    image = tf_keras.Input((4,))
    x = tf_keras.layers.ReLU(6.0, name="six")(tf_keras.layers.Dense(8)(image))
    bent = work_of(tf_keras.Model(image, tf_keras.layers.Dense(3)(x)))
    assert {t.name for t in allowed(None, bent)} >= {"channels", "cluster", "qat", "bits"}
    assert "equalize" not in {t.name for t in allowed(None, bent)}
    for names, id, what in (
        ("equalize,prune", "E361", "no factor goes through layer 'six'"),
        ("int4", "E209", "a search does not try int4"),
    ):
        with pytest.raises(CompileError, match=what) as error:
            allowed(names, bent)
        assert error.value.id == id
    blind = replace(blobs(), y=None, y_test=None)
    assert {t.name for t in allowed(None, work_of(dense(), blind))} == {"equalize"}
    again = tf_keras.Model(image, tf_keras.layers.Dense(4)(tf_keras.layers.Dense(8)(image)))
    assert {t.name for t in allowed(None, work_of(again, blind))} >= {"prune", "qat", "finetune"}
