"""Keras models of both Kerases: files, exports, functions; and code that comes with a file."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.cli import app as cli
from tinyc.errors import CompileError
from tinyc.frontends import keras as frontend
from tinyc.frontends.packages import KERAS2, LARQ, prepare
from tinyc.frontends.script import imported
from tinyc.frontends.tflite import lift, parse
from tinyc.ir import DType, interpret

for _name in KERAS2:
    if importlib.util.find_spec(_name) is None:
        pytest.skip("needs TensorFlow: pip install 'tinyc[keras]'", allow_module_level=True)
pytestmark = pytest.mark.slow  # TensorFlow takes long to start

FUNCTIONS = """
import keras
import numpy as np
import tensorflow as tf

L = keras.layers


class Two(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = L.Dense(3)

    def call(self, inputs, training=True):
        y = self.dense(inputs["b"]) + inputs["a"]
        return {"q": y * 3 if training else y, "p": keras.ops.relu(y)}


def two():
    model = Two()
    model({"b": np.zeros((1, 5), "f"), "a": np.zeros((1, 3), "f")})
    return model


def recurrent():
    x = keras.Input((6, 4))
    y = L.LSTM(3, return_sequences=True)(x)
    return keras.Model(x, L.Dense(2)(L.Bidirectional(L.GRU(3))(y)))


def enlarged():
    x = keras.Input((3, 4, 2))
    return keras.Model(x, L.Conv2D(2, 3)(L.UpSampling2D((2, 3))(x)))


def trained_with_noise():
    x = keras.Input((8, 8, 1))
    y = L.GaussianNoise(0.5)(L.RandomFlip()(L.Dropout(0.5)(x)))
    return keras.Model(x, L.BatchNormalization()(L.Conv2D(2, 3)(y)))


def categories():
    x, ids = keras.Input((2,), name="in"), keras.Input((3,), dtype="int64", name="ids")
    words = L.IntegerLookup(vocabulary=[1, 5, 8], mask_token=4)(ids)
    ends = [L.Discretization([1.0, 2.5, 7.0])(x), L.Discretization([3.0], output_mode="one_hot")(x)]
    ends += [words, L.IntegerLookup(vocabulary=[3, 4], output_mode="count")(ids)]
    ends.append(L.CategoryEncoding(9, output_mode="multi_hot")(ids))
    return keras.Model([x, ids], ends)


def stateful():
    x = keras.Input(batch_shape=(1, 2, 4))
    y = L.GRU(3, stateful=True, return_sequences=True)(x)
    return keras.Model(x, L.LSTM(3, stateful=True)(y))


def half():
    x = keras.Input((5,), dtype="float16")
    y = L.Dense(4, activation="relu", dtype="float16")(x)
    return keras.Model(x, L.Dense(3, dtype="mixed_bfloat16")(L.Dense(4, dtype="mixed_float16")(y)))


def quantized():
    x = keras.Input((5,))
    model = keras.Model(x, L.Dense(3)(L.Dense(8, activation="relu")(x)))
    model.quantize("int8")
    return model


def cubic():
    x = keras.Input((4, 4, 1))
    return keras.Model(x, L.Resizing(2, 2, interpolation="bicubic")(x))


def unbuilt():
    return keras.Sequential([L.Dense(3)])


def dynamic():
    x = keras.Input((None, 3), name="text")
    return keras.Model(x, L.Dense(2)(x))


def words():
    x = keras.Input((1,), dtype="string", name="text")
    return keras.Model(x, L.StringLookup(vocabulary=["a", "b"])(x))


class Module(tf.Module):
    def __init__(self):
        self.scale = tf.Variable([1.0, 2.0, 4.0])

    @tf.function(input_signature=[tf.TensorSpec([1, 3], name="b"), tf.TensorSpec([1, 3], name="a")])
    def __call__(self, b, a):
        return {"y": b * self.scale - a, "x": tf.nn.relu(a)}

    @tf.function(input_signature=[tf.TensorSpec([3])])
    def other(self, x):
        return x * 2


module = Module


def nothing():
    pass


def which():
    module = tf.Module()
    module.one, module.two = Module().other, Module().other
    return module


def no_signature():
    return tf.function(lambda x: x * 2)
"""
FUNCTIONS2 = """
import numpy as np
import tensorflow as tf
import tf_keras


class Net(tf_keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = tf_keras.layers.Dense(3)

    def call(self, x):
        return tf.nn.relu(self.dense(x))


def called():
    model = Net()
    model(np.zeros((1, 5), "f"))
    return model


def built():
    model = Net()
    model.build((None, 5))
    return model


def recurrent():
    x = tf_keras.Input((6, 4))
    y = tf_keras.layers.GRU(3, return_sequences=True)(x)
    return tf_keras.Model(x, tf_keras.layers.LSTM(3)(y))
"""


@pytest.fixture(scope="module")
def kerases() -> tuple[Any, Any]:
    """Keras 3 and Keras 2."""
    prepare("tests", KERAS2)
    import keras
    import tf_keras

    keras.utils.set_random_seed(1)
    return keras, tf_keras


def agreed(model: str, trust: bool = False) -> frontend.KerasModel:
    """Load ``model``: tinyc reads its ``.tflite``, and that computes what Keras does, by the
    names of its inputs and outputs."""
    from ai_edge_litert.interpreter import Interpreter

    loaded = frontend.load(model, trust)
    lift(parse(loaded.tflite, "model", "model"))
    run = Interpreter(model_content=loaded.tflite).get_signature_runner("serving_default")
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 9, (3, *p.shape)).astype(p.dtype) for p in loaded.inputs]
    theirs = [
        y.reshape(3, *p.shape) for y, p in zip(loaded.predict(arrays), loaded.outputs, strict=True)
    ]
    for sample in range(3):
        given = zip(loaded.inputs, arrays, strict=True)
        ours = run(**{p.known_as[0]: x[sample : sample + 1] for p, x in given})
        for port, expected in zip(loaded.outputs, theirs, strict=True):
            found = ours[port.known_as[0]][0]
            np.testing.assert_allclose(found, expected[sample], rtol=1e-4, atol=1e-5)
    return loaded


def refused(model: str, id: str, *words: str, trust: bool = False) -> None:
    with pytest.raises(CompileError) as caught:
        frontend.load(model, trust)
    assert caught.value.id == id, caught.value
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


def names(ports: Any) -> list[str]:
    return [port.name for port in ports]


# Files -------------------------------------------------------------------------------------


def image(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((8, 8, 3), name="photo")
    y = layers.Rescaling(1 / 127.5, offset=-1)(x)
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(y))
    y = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3)(y))
    return keras.Model(x, layers.Dense(3, activation="softmax", name="scores")(y))


@pytest.mark.parametrize("which", [0, 1], ids=["keras3", "keras2"])
@pytest.mark.parametrize("saved", ["model.keras", "model.h5", "named.h5", "folder"])
def test_saved_models(which: int, saved: str, kerases: Any, tmp_path: Path) -> None:
    keras, path = kerases[which], tmp_path / saved
    model = image(keras)
    if saved == "named.h5":  # the content tells, not the name
        model.save(tmp_path / "model.keras")
        (tmp_path / "model.keras").rename(path)
    elif saved == "folder" and which == 0:
        model.export(path, verbose=False)
    else:
        model.save(path)
    loaded = agreed(str(path))
    x = np.random.default_rng(0).normal(0, 1, (3, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(loaded.predict([x])[0], model.predict(x, verbose=0), atol=1e-6)
    assert names(loaded.outputs) == (
        ["output_0"] if saved == "folder" and not which else ["scores"]
    )
    if saved != "folder":
        assert names(loaded.inputs) == ["photo"]


def test_inputs_and_outputs_keep_their_order(kerases: Any, tmp_path: Path) -> None:
    for keras in kerases:
        layers = keras.layers
        adapted = layers.Normalization()
        adapted.adapt(np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32))
        zeta, alpha = keras.Input((4,), name="zeta"), keras.Input((3,), name="alpha")
        ids = keras.Input((5,), name="ids", dtype="int32")
        h = layers.Concatenate()(
            [adapted(zeta), alpha, layers.Flatten()(layers.Embedding(9, 3)(ids))]
        )
        ends = [layers.Dense(3, name="z_out")(h), layers.Dense(2, name="a_out")(h)]
        path = tmp_path / f"{keras.__name__}.keras"
        keras.Model([zeta, alpha, ids], ends).save(path)
        loaded = agreed(str(path))
        assert names(loaded.inputs) == ["zeta", "alpha", "ids"]
        assert names(loaded.outputs) == ["z_out", "a_out"]
        assert [p.dtype for p in loaded.inputs] == ["float32", "float32", "int32"]
        if keras is kerases[0]:
            model = keras.Model([zeta, alpha], keras.layers.Concatenate()([zeta, alpha]))
            model.export(tmp_path / "exported", verbose=False)
            assert names(agreed(str(tmp_path / "exported")).inputs) == ["zeta", "alpha"]


def test_dictionaries_are_named_by_their_keys(kerases: Any, tmp_path: Path) -> None:
    for keras in kerases:
        a, b = keras.Input((4,), name="zeta"), keras.Input((4,), name="alpha")
        ends = {"o2": keras.layers.Dense(2)(a), "o1": keras.layers.Add()([a, b])}
        path = tmp_path / f"{keras.__name__}.h5"
        keras.Model({"zz": a, "aa": b}, ends).save(path)
        loaded = agreed(str(path))
        assert (names(loaded.inputs), names(loaded.outputs)) == (["aa", "zz"], ["o1", "o2"])
        assert [p.known_as for p in loaded.inputs] == [("aa", "alpha"), ("zz", "zeta")]


@pytest.mark.parametrize(
    ("text", "name"),
    [(FUNCTIONS, n) for n in (
        "two", "recurrent", "enlarged", "trained_with_noise", "module", "categories", "stateful",
    )]
    + [(FUNCTIONS2, n) for n in ("called", "built", "recurrent")],
)  # fmt: skip
def test_functions(text: str, name: str, kerases: Any, tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(text)
    loaded = agreed(f"{tmp_path / 'made.py'}:{name}")
    if name == "two":
        assert (names(loaded.inputs), names(loaded.outputs)) == (["a", "b"], ["p", "q"])
    if name == "module":
        assert (names(loaded.inputs), names(loaded.outputs)) == (["b", "a"], ["x", "y"])


@pytest.mark.parametrize("name", ["half", "quantized"])
def test_other_precisions_become_float32(name: str, kerases: Any, tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(FUNCTIONS)
    loaded = frontend.load(f"{tmp_path / 'made.py'}:{name}")
    graph = lift(parse(loaded.tflite, "model", "model"))
    assert {v.type.dtype for n in graph.nodes for v in (*n.inputs, *n.outputs)} == {DType.F32}
    x = np.random.default_rng(0).normal(0, 1, (4, 1, 5)).astype(np.float32)
    ours = np.stack([interpret(graph, [row])[graph.outputs[0]] for row in x])
    (theirs,) = loaded.predict([x])  # in the model's own precision
    error = np.abs(ours[:, 0] - theirs).max() / np.abs(theirs).max()
    assert 0 < error < 0.02


def test_the_kind_of_tf_keras_is_told_from_the_imports(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import tensorflow as tf\nfrom b import x\n")
    (tmp_path / "b.py").write_text("def f():\n    import c.d, a\n")
    (tmp_path / "c.py").write_text("from larq import layers\n")
    assert {"tensorflow", "b", "c", "larq"} <= imported(tmp_path / "a.py")
    assert "larq" not in imported(Path(__file__))


@pytest.mark.parametrize(
    ("name", "id", "words"),
    [
        ("unbuilt", "E305", ["Sequential has no inputs", "Input of a fixed shape"]),
        ("dynamic", "E305", ["'text' has the shape [None, None, 3]", "fix every size"]),
        ("words", "E311", ["'text' is of the type string"]),
        ("cubic", "E311", ["TensorFlow Lite has no ResizeBicubic; use other layers"]),
        ("which", "E313", ["it has several (one, two)"]),
        ("no_signature", "E313", ["it has none", "input_signature="]),
        ("nothing", "E216", ["type NoneType; return a keras.Model, a tf_keras.Model, a tf.Module"]),
    ],
)
def test_refused_functions(
    name: str, id: str, words: list[str], kerases: Any, tmp_path: Path
) -> None:
    (tmp_path / "made.py").write_text(FUNCTIONS)
    refused(f"{tmp_path / 'made.py'}:{name}", id, *words)


def test_refused_files(kerases: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    image(kerases[0]).save_weights(tmp_path / "only.weights.h5")
    refused(str(tmp_path / "only.weights.h5"), "E309", "weights without the layers")
    for content in (b"", b"PK\x03\x04junk", b"\x89HDF\r\n\x1a\njunk"):
        (tmp_path / "bad.keras").write_bytes(content)
        refused(str(tmp_path / "bad.keras"), "E309", "Keras cannot load it")
    for config in ("[" * 100_000, "{}", "[1]", '{"class_name": "Strange", "config": {}}'):
        with zipfile.ZipFile(tmp_path / "odd.keras", "w") as archive:
            archive.writestr("metadata.json", '{"keras_version": "3.8.0"}')
            archive.writestr("config.json", config)
        refused(str(tmp_path / "odd.keras"), "E309")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "saved_model.pb").write_bytes(b"junk")
    refused(str(tmp_path / "folder"), "E309")
    module = tf.Module()
    module.w = tf.Variable([1.0])
    tf.saved_model.save(module, str(tmp_path / "silent"))
    refused(str(tmp_path / "silent"), "E313", "no signature", "model.export")


def test_samples_that_keras_refuses(kerases: Any, tmp_path: Path) -> None:
    keras = kerases[1]
    x = keras.Input((3,))
    keras.Model(x, keras.layers.Embedding(9, 2)(x)).save(tmp_path / "model.keras")
    loaded = agreed(str(tmp_path / "model.keras"))
    with pytest.raises(CompileError, match=r"E225 .*: indices\[0,0\] = 50 is not in \[0, 9\);"):
        loaded.predict([np.full((1, 3), 50, np.float32)])


def test_plain_models_need_no_larq(
    kerases: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    absent = LARQ.keys() - KERAS2.keys()
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in absent else find(name)
    )
    image(kerases[1]).save(tmp_path / "plain.h5")
    agreed(str(tmp_path / "plain.h5"))
    (tmp_path / "signs.py").write_text("import larq\n\ndef net():\n    return larq.models\n")
    where = f"{tmp_path / 'signs.py'}:net"
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    refused(where, "E705", "needs larq, larq-compute-engine", "pip install 'tinyc[larq]'")
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    refused(where, "E705", "no wheels for Python 3.13", "use Python 3.11 or 3.12")


# Code from files ---------------------------------------------------------------------------


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that the code in a model writes."""
    return tmp_path / "ran"


def leaving(mark: Path) -> Callable[[Any], Any]:
    """A lambda whose bytecode alone writes ``mark``."""
    return eval(f"lambda x: (__import__('pathlib').Path({str(mark)!r}).touch(), x)[1]")


def save(keras: Any, model: Any, path: Path, mark: Path) -> str:
    model.save(path)
    mark.unlink(missing_ok=True)  # it was computed when it was made
    return str(path)


@pytest.mark.parametrize("which", [0, 1], ids=["keras3", "keras2"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_lambda_runs_only_if_it_is_trusted(
    which: int, nested: bool, kerases: Any, tmp_path: Path, mark: Path
) -> None:
    keras = kerases[which]
    layer = keras.layers.Lambda(leaving(mark), name="sly")
    x = keras.Input((6, 4))
    if nested:
        inner = keras.Sequential([keras.Input((4,)), layer], name="inner")
        layer = keras.layers.TimeDistributed(inner)
    model = keras.Model(x, keras.layers.Dense(2)(layer(x)))
    for name in ("model.keras", "model.h5", "folder")[: 3 if which else 2]:
        path = save(keras, model, tmp_path / name, mark)
        refused(path, "E312", "layer 'sly' (Lambda) holds Python code", "--trust")
        assert not mark.exists()
        agreed(path, trust=True)
        assert mark.exists()


def test_trust_is_a_setting(
    kerases: Any, tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    keras = kerases[0]
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(2)(keras.layers.Lambda(leaving(mark))(x)))
    path = save(keras, model, tmp_path / "model.keras", mark)
    monkeypatch.chdir(tmp_path)
    build = ["build", path, "--board", "stm32"]
    assert cli.execute(build) == 3
    assert "E312" in capsys.readouterr().err and not mark.exists()
    assert cli.execute([*build, "--trust"]) == 0
    assert mark.exists()
    for setting in ("environment", "file"):
        mark.unlink()
        if setting == "environment":
            monkeypatch.setenv("TINYC_TRUST", "1")
        else:
            monkeypatch.delenv("TINYC_TRUST")
            (tmp_path / "tinyc.toml").write_text("trust = true\n")
        assert cli.execute(build) == 0 and mark.exists()


def rewritten(path: Path, old: str, new: str) -> str:
    """A copy of a ``.keras`` file with ``old`` replaced in the description of its layers."""
    target = path.with_name("rewritten.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as made:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                assert old in content.decode()
                content = content.decode().replace(old, new).encode()
            made.writestr(name, content)
    return str(target)


def test_modules_and_files_that_a_description_names(
    kerases: Any, tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    _, keras = kerases
    (tmp_path / "sly_module.py").write_text(f"open({str(mark)!r}, 'w')\nclass Dense: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    x = keras.Input((4,))
    path = tmp_path / "model.keras"
    keras.Model(x, tf.reduce_sum(keras.layers.Dense(2)(x), -1, keepdims=True)).save(path)
    agreed(str(path))  # what Keras 2 calls by name only computes
    dense = json.dumps({"module": "keras.layers", "class_name": "Dense"})[1:-1]
    named = rewritten(path, dense, dense.replace("keras.layers", "sly_module"))
    refused(named, "E312", "(Dense) is of the Python module sly_module")
    assert not mark.exists()
    for function in ("io.write_file", "raw_ops.WriteFile", "compat.v1.py_func", "io.gfile.rmtree"):
        called = rewritten(path, '"math.reduce_sum"', json.dumps(function))
        refused(called, "E312", f"calls tf.{function.removeprefix('compat.v1.')}")


def test_operators_with_side_effects(kerases: Any, tmp_path: Path, mark: Path) -> None:
    import tensorflow as tf

    specs = [tf.TensorSpec([None, 4], tf.float32, name="x")]

    def written(x: Any) -> Any:
        tf.io.write_file(str(mark), "ran")
        return {"y": x * 2}

    def read(x: Any) -> Any:
        size = tf.strings.length(tf.io.read_file(__file__))
        return {
            "y": tf.cond(tf.reduce_sum(x) > 0, lambda: x + tf.cast(size, tf.float32), lambda: x)
        }

    def called(x: Any) -> Any:
        y = tf.py_function(lambda v: (mark.touch(), v)[1], [x], tf.float32)
        tf.print(y)
        return {"y": tf.ensure_shape(y, [None, 4])}

    for function, operators in ((written, "WriteFile"), (read, "ReadFile"),
                                (called, "EagerPyFunc, PrintV2")):  # fmt: skip
        module = tf.Module()
        traced = tf.function(function, input_signature=specs)
        folder = str(tmp_path / function.__name__)
        tf.saved_model.save(module, folder, signatures=traced)
        refused(folder, "E312", f"its graph runs code or touches files by {operators}", "--trust")
        assert not mark.exists()
        refused(folder, "E311", trust=True)  # No microcontroller has them either.


def test_the_environment_of_keras_is_left_alone(kerases: Any) -> None:
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert kerases[0].backend.backend() == "tensorflow"
