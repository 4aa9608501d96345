"""Models of Keras 3, and models within models, as techniques take them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effects import squares

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Training, Work
from tinyc.compress.keras.load import functional, load
from tinyc.errors import CompileError


def every_layer() -> Any:
    """What models of vision are made of, as Keras 3 describes it, in a model of its own each."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    inside = keras.Input((8, 8, 8))
    y = layers.DepthwiseConv2D(3, padding="same")(inside)
    y = layers.Activation("relu")(y)
    y = layers.SeparableConv2D(8, 3, padding="same", activation="relu")(y)
    block = keras.Model(inside, y, name="block")
    image = keras.Input((8, 8, 3), name="image")
    normal = layers.Normalization()
    normal.adapt(np.random.default_rng(1).normal(3, 2, (40, 8, 8, 3)))
    x = normal(layers.Rescaling(2.0, offset=-1)(image))
    x = layers.Conv2D(
        8, 3, padding="same", use_bias=False, kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(1e-4), name="stem",
    )(x)  # fmt: skip
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization(momentum=0.9, name="norm")(x))
    x = keras.ops.relu(layers.Concatenate()([x, x + block(x)]))
    x = layers.Conv2DTranspose(6, 2, strides=2)(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.LeakyReLU(negative_slope=0.1)(x))
    x = layers.Dropout(0.3)(layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(x)))
    shared = layers.Dense(12, activation="relu", name="shared")
    ends = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    x = layers.LayerNormalization()(layers.Multiply()([shared(end) for end in ends]))
    x = layers.Flatten()(layers.Conv1D(5, 2, padding="same")(layers.Reshape((3, 4))(x)))
    model = keras.Model(image, layers.Dense(5, activation="softmax", name="scores")(x))
    rng = np.random.default_rng(2)
    for weights in model.trainable_weights:
        weights.assign(rng.uniform(-0.5, 0.5, weights.shape))
    model.get_layer("norm").moving_variance.assign(rng.uniform(0.5, 2, 8))
    return model


@pytest.mark.slow
def test_a_model_of_keras_3_computes_the_same_and_can_be_compressed(tmp_path: Path) -> None:
    from tinyc.compress.keras.export import convert

    pytest.importorskip("tensorflow_model_optimization")
    model, data = every_layer(), squares(60)
    model.save(tmp_path / "model.keras")
    loaded = load(str(tmp_path / "model.keras"))
    assert type(loaded).__module__.startswith("tf_keras.")
    names = [layer.name for layer in loaded.layers]
    assert {"norm", "shared", "scores"} < set(names) and "block" not in names
    assert "separable_conv2d" in " ".join(names)
    first, second = np.asarray(model(data.x)), np.asarray(loaded(data.x))
    assert np.ptp(first) > 0.1 and np.abs(first - second).max() < 1e-5
    work = Work(loaded, data, Training(epochs=1, precision="float32"))
    (made,) = chain.run(chain.parse("channels:0.5"), work)
    assert made.model.get_layer("stem").filters == 4
    assert convert(made)[4:8] == b"TFL3"


@pytest.mark.slow
def test_models_within_a_model_of_keras_2_are_taken_apart() -> None:
    tf_keras = pytest.importorskip("tf_keras")
    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(3)
    base = tf_keras.Sequential(
        [layers.Conv2D(4, 3, input_shape=(8, 8, 3), name="conv"), layers.BatchNormalization()]
    )
    model = tf_keras.Sequential([base, layers.Flatten(), layers.Dense(5, name="scores")])
    made = functional(model, "nested.h5")
    assert {"conv", "scores"} < {layer.name for layer in made.layers}
    x = squares(20).x
    assert np.array_equal(model(x).numpy(), made(x).numpy())
    twice = tf_keras.Sequential([base, layers.Flatten(), layers.Dense(5, name="conv")])
    with pytest.raises(CompileError, match="cannot be taken apart") as error:
        functional(twice, "nested.h5")
    assert error.value.id == "E360" and error.value.hint


@pytest.mark.slow
def test_what_keras_2_does_not_have_is_named() -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tf_keras")
    image = keras.Input((8, 8, 3))
    scaled = keras.Model(image, keras.layers.Flatten()(image * 2.0))
    with pytest.raises(CompileError, match=r"computes keras\.ops\.Multiply") as error:
        functional(scaled, "model.keras")
    assert error.value.id == "E360" and error.value.hint
    normal = keras.layers.GroupQueryAttention(2, 2, 1)
    flat = keras.layers.Reshape((64, 3))(image)
    with pytest.raises(CompileError, match="GroupedQueryAttention, which Keras 2"):
        functional(keras.Model(image, normal(flat, flat)), "model.keras")


@pytest.mark.slow
def test_autokeras_is_not_needed_for_what_it_found(tmp_path: Path) -> None:
    """Its layers in front of a network, as its `export_model` gives them to `save`; another class
    of its module would be imported, and is refused."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tf_keras")
    from tinyc.frontends.keras.autokeras_layers import MODULE, custom_objects

    for name, kind in custom_objects().items():
        kind.__module__ = MODULE
        keras.saving.register_keras_serializable("Custom", name.rpartition(">")[2])(kind)
    try:
        cast, expand = (keras.saving.get_registered_object(n) for n in custom_objects())
        image = keras.Input((6, 6), dtype="uint8")
        x = keras.layers.Normalization(mean=3, variance=4)(expand()(cast()(image)))
        x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="relu")(x))
        model = keras.Model(image, keras.layers.Softmax()(keras.layers.Dense(3)(x)))
        model.save(tmp_path / "found.keras")
    finally:
        for name in custom_objects():
            del keras.saving.get_custom_objects()[name]
    loaded = load(str(tmp_path / "found.keras"))
    given = np.random.default_rng(4).integers(0, 16, (20, 6, 6)).astype(np.float32)
    first, second = np.asarray(model(given)), np.asarray(loaded(given))
    assert np.ptp(first) > 0.01 and np.abs(first - second).max() < 1e-5
    with zipfile.ZipFile(tmp_path / "found.keras") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = files["config.json"].replace(b"Custom>CastToFloat32", b"Custom>Other")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(CompileError, match="Python module autokeras") as error:
        load(str(tmp_path / "other.keras"))
    assert error.value.id == "E312"
