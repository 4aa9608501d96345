"""Weights that are pruned in training: zeros where they were asked for, in the file as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from effects import effect
from keras_models import network, stored, trained

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Data, Training, Work, kernel, kernel_layers
from tinyc.compress.keras.export import convert
from tinyc.compress.keras.training import accuracy
from tinyc.errors import CompileError
from tinyc.search.run import compressed


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("prune:1", "'1' is no ratio"),
        ("prune:0.5:begin=0.6", "begins at 0.6, above the ratio 0.5"),
        ("prune:structure=2-4", "'2-4' is no structure"),
        ("prune:structure=4x4", "of 4 weights fewer than 4"),
        ("prune:0.7:structure=2x4", "2x4 makes 0.5 of the weights zero, not 0.7"),
        ("prune:structure=2x4:first=0.3", "2x4 makes 0.5 of the weights zero, not 0.3"),
        ("prune:0.5:first=2", "'2' is no first"),
    ],
)
def test_what_cannot_be_pruned_is_told(text: str, what: str) -> None:
    with pytest.raises(CompileError, match=what) as error:
        chain.parse(text)
    assert error.value.id == "E209" and error.value.hint


@pytest.mark.slow
def test_zeros_reach_the_firmware(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = trained(epochs=3)
    text = "prune:0.6:begin=0.4:second=0.8:scores=0,finetune:1"
    before, after = effect(work, text, tmp_path, optimize="flash")
    found = stored(tmp_path / "after.tflite", work)
    zeros = {name: float(np.mean(rows == 0)) for name, rows in found.items()}
    # Of the others some weights are rounded to zero.
    assert zeros["depthwise"] < 0.1 and zeros["scores"] < 0.1
    assert 0.799 <= zeros["second"] < 0.87
    for name in ("first", "pointwise", "hidden"):
        assert 0.599 <= zeros[name] < 0.67, name
    assert before.accuracy is not None and after.accuracy is not None
    assert after.accuracy > before.accuracy - 0.06
    assert after.flash_bytes < before.flash_bytes - 500


@pytest.mark.slow
def test_pruning_keeps_names_and_later_trainings_keep_zeros() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = trained(precision="mixed_bfloat16", epochs=1)
    made = compressed(work, chain.parse("prune:0.6:depthwise=true:keep_ends=true,finetune"))
    assert [layer.name for layer in made.model.layers] == [x.name for x in work.model.layers]
    assert {type(layer).__module__.split(".")[0] for layer in made.model.layers} == {"tf_keras"}
    for name, layer in kernel_layers(made.model).items():
        weights = kernel(layer).numpy()
        assert weights.dtype == np.float32
        wanted = 0 if name in ("stem", "scores") else round(0.6 * weights.size)
        assert np.count_nonzero(weights == 0) == wanted, name
    assert accuracy(made.model, made) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 1])
def test_each_group_of_four_has_two_zeros(epochs: int, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    made = compressed(trained(), chain.parse(f"prune:structure=2x4:epochs={epochs}"))
    path = tmp_path / "m.tflite"
    path.write_bytes(convert(made))
    found = stored(path, made)
    for name in ("first", "second", "pointwise", "hidden", "scores"):
        groups = found[name].reshape(-1, 4)
        assert (np.count_nonzero(groups, 1) <= 2).all(), name
        assert np.count_nonzero(groups) > 0.45 * groups.size, name
    assert np.count_nonzero(found["stem"]) > 100  # of one input channel
    assert accuracy(made.model, made) > (0.9 if epochs else 0.3)


@pytest.mark.slow
def test_an_autoencoder_is_pruned_and_clustered_without_labels() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    import tf_keras

    rng = np.random.default_rng(7)
    x = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 12))).astype(np.float32)
    tf_keras.utils.set_random_seed(1)
    image = tf_keras.Input((12,))
    hidden = tf_keras.layers.Dense(16, activation="relu", name="hidden")(image)
    model = tf_keras.Model(image, tf_keras.layers.Dense(12, name="again")(hidden))
    work = Work(model, Data(x[100:], x[:100]), Training(20, 32, 0.02, precision="float32"))

    def missed(work: Work) -> float:
        return float(np.mean((work.model(x[:100]).numpy() - x[:100]) ** 2) / np.var(x))

    work = compressed(work, chain.parse("finetune"))
    made = compressed(work, chain.parse("prune:0.5,cluster:8"))
    assert missed(work) < 0.05 and missed(made) < 0.15
    for layer in kernel_layers(made.model).values():
        weights = kernel(layer).numpy()
        assert np.mean(weights == 0) >= 0.5 and len(np.unique(weights)) <= 8


def test_pruning_stands_before_clustering() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = Work(network(), trained().data, Training(epochs=0), done=("cluster:4",))
    with pytest.raises(CompileError, match="prune follows cluster") as error:
        list(chain.run(chain.parse("prune"), work))
    assert error.value.id == "E361"
    with pytest.raises(CompileError, match="no layer 'scorse'") as error:
        list(
            chain.run(
                chain.parse("prune:0.5:scorse=0.2"), Work(network(), work.data, work.training)
            )
        )
    assert error.value.id == "E362"
