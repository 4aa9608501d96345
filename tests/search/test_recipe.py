"""Recipes of compression: their text, their paths, their digest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.compress.keras.base import Data
from tinyc.errors import CompileError
from tinyc.search.network import Block, Network
from tinyc.search.recipe import Digests, Recipe, Trained, dumps, load, moved

NETWORK = Network(stem=4, blocks=[Block(filters=8, form="separable"), Block(filters=8, stride=2)])


def test_a_recipe_is_read_as_it_was_written(tmp_path: Path) -> None:
    recipe = Recipe(
        network=NETWORK, data="digits", with_="finetune", board="stm32", training=Trained(epochs=2)
    )
    (tmp_path / "r.toml").write_text(dumps(recipe))
    assert load(tmp_path / "r.toml") == recipe
    assert recipe.text == "c3x3:4-s3x3:8-c3x3:8/2"


def test_its_paths_go_with_it(tmp_path: Path) -> None:
    text = 'model = "m.py:make"\ndata = "x.npz"\nboard = "own.toml"\nteacher = "../t.h5"\n'
    (tmp_path / "r.toml").write_text(text)
    recipe = load(tmp_path / "r.toml")
    assert recipe.model == f"{tmp_path}/m.py:make" and recipe.board == f"{tmp_path}/own.toml"
    assert recipe.teacher == f"{tmp_path.parent}/t.h5"
    there = moved(recipe, tmp_path / "build", back=True)
    assert (there.model, there.data) == ("../m.py:make", "../x.npz")
    (tmp_path / "build").mkdir()
    (tmp_path / "build/r.toml").write_text(dumps(there))
    assert load(tmp_path / "build/r.toml") == recipe


@pytest.mark.parametrize(
    ("text", "id", "what"),
    [
        ('model = "m.h5"\ndata = "digits"\n', "E209", "'board' is missing"),
        ('data = "digits"\nboard = "b"\n', "E209", "one of 'model', 'network' and 'subnet'"),
        ('model = "m.h5"\ndata = "digits"\nboard = "b"\nwiht = "int8"\n', "E208", "mean 'with'"),
        (
            'data = "digits"\nboard = "b"\n[network]\nstem = 4\nblocks = [{ filtres = 1 }]\n',
            "E208",
            "did you mean 'filters'",
        ),
        (
            'model = "m.h5"\ndata = "digits"\nboard = "b"\n[training]\nepochs = -1.0\n',
            "E209",
            "training.epochs: -1.0",
        ),
    ],
)
def test_what_a_recipe_cannot_say(tmp_path: Path, text: str, id: str, what: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(Exception, match=what) as error:
        load(tmp_path / "r.toml")
    errors: Any = getattr(error.value, "errors", (error.value,))
    assert id in {e.id for e in errors}


def test_its_digest_is_of_contents(tmp_path: Path) -> None:
    model = tmp_path / "m.h5"
    model.write_bytes(b"weights")
    recipe = Recipe(model=str(model), data="digits", board="stm32")
    data = Data(np.zeros((2, 4)), np.zeros((1, 4)))
    first = Digests(data)(recipe)
    (tmp_path / "copy.h5").write_bytes(b"weights")
    twin = recipe.model_copy(update={"model": str(tmp_path / "copy.h5")})
    assert Digests(data)(twin) == first
    others = [
        Digests(data)(recipe.model_copy(update={"with_": "finetune"})),
        Digests(data)(recipe.model_copy(update={"training": Trained(threads=2)})),
        Digests(replace(data, x=np.ones((2, 4))))(recipe),
        Digests(replace(data, scale=0.5))(recipe),
    ]
    model.write_bytes(b"other weights")
    others.append(Digests(data)(recipe))
    assert len({first, *others}) == len(others) + 1


def test_no_recipe() -> None:
    with pytest.raises(CompileError) as error:
        load(Path("none.toml"))
    assert error.value.id == "E218"
