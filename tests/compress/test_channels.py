"""Channels that are removed: what hangs on them goes, what remains computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effects import effect, squares, trained

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Training, Work
from tinyc.errors import CompileError


def network() -> Any:
    """Every way in which channels of layers depend on each other."""
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(3)
    keras = tf_keras.layers
    image = tf_keras.Input((8, 8, 3))
    stem = keras.Conv2D(12, 3, padding="same", name="stem")(image)
    x = keras.ReLU()(keras.BatchNormalization(name="stem_norm")(stem))
    y = keras.Conv2D(16, 3, padding="same", activation="relu", name="inner")(x)
    y = keras.Conv2D(12, 3, padding="same", use_bias=False, name="outer")(y)
    x = keras.Add(name="sum")([x, keras.BatchNormalization(scale=False, name="outer_norm")(y)])
    y = keras.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep")(x)
    z = keras.SeparableConv2D(8, 3, padding="same", depth_multiplier=2, name="apart")(x)
    x = keras.Concatenate()([y, keras.PReLU(shared_axes=[1, 2])(z), x])
    x = keras.Conv2DTranspose(10, 2, strides=2, name="up")(x)
    x = keras.MaxPooling2D(4)(x)
    gate = keras.GlobalAveragePooling2D()(x)
    gate = keras.Dense(8, activation="relu", name="squeeze")(gate)
    gate = keras.Dense(10, activation="sigmoid", name="excite")(gate)
    x = keras.Multiply()([x, keras.Reshape((1, 1, -1))(gate)])
    x = keras.Dense(12, activation="relu", name="hidden")(keras.Flatten()(x))
    x = keras.LayerNormalization()(keras.Dense(9, name="whole")(x))
    model = tf_keras.Model(image, keras.Dense(5, activation="softmax", name="scores")(x))
    rng = np.random.default_rng(4)
    model.set_weights(
        [
            rng.uniform(0.1, 1, w.shape) * rng.choice([-1, 1], w.shape)
            if w.ndim > 1
            else rng.uniform(0.5, 1.5, w.shape)
            for w in model.get_weights()
        ]
    )
    return model


@pytest.mark.slow
def test_what_remains_computes_what_masked_channels_do() -> None:
    tf_keras = pytest.importorskip("tf_keras")
    from tinyc.compress.keras.structure import structure, without

    model = network()
    known = structure(model)
    assert {group.layers: len(group.channels) for group in known.groups} == {
        ("stem", "outer"): 12, ("inner",): 16, ("apart",): 8, ("up", "excite"): 10,
        ("squeeze",): 8, ("hidden",): 12,
    }  # fmt: skip
    removed = [c for group in known.groups for c in group.channels[1::3].tolist()]
    smaller = without(model, known, removed)
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    assert smaller.count_params() < 0.55 * model.count_params()
    masked = tf_keras.models.clone_model(model)
    for layer in model.layers:
        values = layer.get_weights()
        for at, axes in enumerate(known.weights.get(layer.name, ())):
            for axis, channels in enumerate(axes):
                if channels is not None:
                    shape = [1] * values[at].ndim
                    shape[axis] = -1
                    values[at] *= ~np.isin(channels, removed).reshape(shape)
        masked.get_layer(layer.name).set_weights(values)
    x = np.random.default_rng(5).normal(0, 1, (6, 8, 8, 3)).astype(np.float32)
    inner = [tf_keras.Model(m.input, m.get_layer("whole").output) for m in (masked, smaller)]
    first, second = (m(x).numpy() for m in inner)
    assert np.ptp(first) > 1
    assert np.abs(first - second).max() <= 1e-5 * np.abs(first).max()
    first, second = masked(x).numpy(), smaller(x).numpy()
    assert np.abs(first - second).max() <= 1e-5


@pytest.mark.parametrize(
    ("text", "id", "what"),
    [
        ("channels:1", "E209", "'1' is no ratio"),
        ("channels:0.5:iner=0.2", "E362", "no layer 'iner'"),
        ("channels:0.5:scores=0.2", "E361", "'scores' keeps its channels"),
        ("channels:0.5:stem=0.2:outer=0.3", "E361", "stem and outer lose the same channels"),
    ],
)
def test_what_cannot_be_removed_is_told(text: str, id: str, what: str) -> None:
    with pytest.raises(CompileError, match=what) as error:
        list(chain.run(chain.parse(text), Work(network(), squares(), Training(epochs=0))))
    assert error.value.id == id and error.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("by", ["l1", "l2", "taylor"])
def test_what_matters_least_goes_first(by: str) -> None:
    model = network()
    least = [1, 5]
    stem = model.get_layer("stem")
    stem.set_weights(
        [w * np.where(np.isin(np.arange(12), least), 9, 1) for w in stem.get_weights()]
    )
    for name in ("stem_norm", "outer", "outer_norm", "deep"):
        layer = model.get_layer(name)
        values = layer.get_weights()
        for at, values_at in enumerate(values[: len(layer.trainable_weights)]):
            every = np.arange(24).reshape(12, 2) // 2 if values_at.shape[-1] < 3 else np.arange(12)
            if values_at.shape == (24,):
                every = np.arange(24) // 2
            values[at] = values_at * np.where(np.isin(every, least), 1e-6, 1)
        layer.set_weights(values)
    work = Work(model, squares(), Training(epochs=0))
    (made,) = chain.run(chain.parse(f"channels:0.2:by={by}:inner=0.5"), work)
    assert made.model.get_layer("inner").filters == 8
    beta = made.model.get_layer("stem_norm").beta.numpy()
    assert len(beta) == 8 and (beta > 0.1).all()


def plain_network() -> Any:
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(3)
    keras = tf_keras.layers
    image = tf_keras.Input((8, 8, 3))
    x = image
    for width in (16, 32, 32):
        x = keras.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = keras.ReLU()(keras.BatchNormalization()(x))
    x = keras.GlobalAveragePooling2D()(keras.MaxPooling2D()(x))
    return tf_keras.Model(image, keras.Dense(5, activation="softmax")(x))


@pytest.mark.slow
def test_removed_channels_are_gone_from_the_firmware(tmp_path: Path) -> None:
    before, after = effect(trained(plain_network(), squares()), "channels:0.5:steps=2", tmp_path)
    assert before.accuracy is not None and after.accuracy is not None
    # Half of the channels on both sides of a convolution: a quarter of its weights and products.
    assert after.file_bytes < 0.5 * before.file_bytes
    assert after.flash_bytes < 0.5 * before.flash_bytes
    assert after.cycles < 0.5 * before.cycles
    assert after.accuracy >= 0.9
