"""Training: recipes that are refused, networks, data, resuming, and the committed weights."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import shutil
import sys
import tarfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, ROOT

from tinyc import config
from tinyc.cli import app as cli
from tinyc.errors import CompileError, CompileErrors
from tinyc.files.folder import written
from tinyc.frontends.packages import KERAS2, LARQ, remedy
from tinyc.frontends.tflite import read
from tinyc.train import cifar, dataset, packages, recipe

RECIPES = sorted((ROOT / "recipes").glob("*.toml"))

TINY = """
title = "a few steps"
data = "digits"
seed = 5
epochs = 2

[model]
body = "binary"
stem = 8
stages = [[16], [32]]

[optimizer]
learning_rate = 0.01
batch = 256

[augment]
shift = 1
flip = true
"""


def _skip_without(modules: Collection[str]) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"training needs {', '.join(missing)}: {remedy(missing)}")


@pytest.fixture(scope="module")
def keras():
    _skip_without([*KERAS2, "sklearn"])
    packages.tensorflow()
    import tf_keras

    return tf_keras


@pytest.fixture(scope="module")
def larq(keras):
    _skip_without(LARQ)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`tinyc train` in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def execute(*args: object) -> tuple[int, str, str]:
        code = cli.execute(["train", *map(str, args)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return execute


def refused(text: str, tmp_path: Path) -> list[CompileError]:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises((CompileError, CompileErrors)) as info:
        recipe.load(str(path))
    return list(getattr(info.value, "errors", (info.value,)))


# Recipes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipes_are_valid_and_those_with_a_result_have_its_weights(path: Path) -> None:
    name, found = recipe.load(path.stem)
    assert name == path.stem
    weights = path.with_suffix(".tflite")
    assert weights.exists() == (found.result is not None)
    if found.result:
        assert weights.stat().st_size == found.result.file_bytes < 200_000


@pytest.mark.parametrize(
    ("old", "new", "id", "words"),
    [
        ("epochs = 2", "epocs = 2\nepochs = 2", "E208", ["epocs", "did you mean 'epochs'"]),
        ("stem = 8", "stem = 8\nstride = 2", "E208", ["model.stride", "stem_stride"]),
        ("shift = 1", "zoom = 1", "E208", ["augment.zoom", "known keys: shift, flip"]),
        ("epochs = 2", "epochs = 0", "E209", ["epochs", "greater than or equal to 1"]),
        ("epochs = 2", 'epochs = "2"', "E209", ["epochs", "valid integer"]),
        ('"digits"', '"mnist"', "E209", ["data", "mnist"]),
        ("seed = 5", "", "E209", ["seed", "missing"]),
        ("[[16], [32]]", "[[16], []]", "E209", ["model", "filters"]),
        ("[[16], [32]]", "[[16, 32]]\nshortcut = 1", "E209", ["model", "repeats"]),
        ("[[16], [32]]", "[[16]]\nshortcut = 2", "E209", ["model", "multiple"]),
        ("batch = 256", "batch = ", "E209", ["not valid TOML"]),
    ],
)  # fmt: skip
def test_a_bad_recipe_is_refused(
    old: str, new: str, id: str, words: list[str], tmp_path: Path
) -> None:
    assert old in TINY
    (error,) = refused(TINY.replace(old, new), tmp_path)
    assert error.id == id
    assert all(word in str(error) for word in words), error


def test_every_problem_of_a_recipe_is_told_at_once(tmp_path: Path) -> None:
    text = TINY.replace("epochs = 2", "epochs = -1").replace("flip", "flipp")
    assert sorted(e.id for e in refused(text, tmp_path)) == ["E208", "E209"]


def test_an_unknown_recipe_is_refused_with_the_nearest(run) -> None:
    code, _, err = run("digit-bnn")
    assert code == 2 and "E218 digit-bnn" in err and "digits-bnn" in err
    code, _, err = run("none.toml")
    assert code == 2 and "E218 none.toml: no such file" in err and "digits-bnn" in err


def test_what_does_not_train_leaves_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TINY)
    _, one = recipe.load(str(tmp_path / "a.toml"))
    same = one.model_copy(update={"title": "another"})
    other = one.model_copy(update={"seed": 6})
    assert one.fingerprint == same.fingerprint != other.fingerprint


# Packages and data -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "python", "hint"),
    [
        ("larq", (3, 11), "pip install 'tinyc[larq]'"),
        ("larq", (3, 13), "no wheels for Python 3.13: use Python 3.11 or 3.12"),
        ("tf_keras", (3, 13), "pip install 'tinyc[keras]'"),
        ("sklearn", (3, 13), "pip install 'tinyc[train]'"),
    ],
)
def test_missing_packages_are_named(
    name: str, python: tuple[int, int], hint: str, monkeypatch: pytest.MonkeyPatch, run
) -> None:
    config.project()  # as long as pydantic sees the Python that there is
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda m: None if m == name else (find(m) or 1)
    )
    monkeypatch.setattr(sys, "version_info", python)
    code, _, err = run("digits-bnn")
    package = {"tf_keras": "tf-keras", "sklearn": "scikit-learn"}.get(name, name)
    assert code == 7 and "E705" in err and f"needs {package};" in err and hint in err


def test_missing_data_are_named_with_the_remedy(run, tmp_path: Path, keras) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        code, _, err = run("cifar10-int8", "--data", place)
        assert code == 2 and f"E219 {place}: there is no CIFAR-10" in err
        for word in ("cifar-10-python.tar.gz from https://", "TINYC_DATA", "--data my.npz"):
            assert word in err
    code, _, err = run("digits-int8", "--data", tmp_path / "absent.npz")
    assert code == 2 and "E219" in err and "absent.npz" in err
    (tmp_path / "other.tar.gz").write_bytes(b"")
    code, _, err = run("digits-int8", "--data", tmp_path / "other.tar.gz")
    assert code == 2 and "E223 --data" in err and "digits-int8 trains with digits" in err


# CIFAR-10 as it is published ---------------------------------------------------------------


def write_cifar(folder: Path, protocol: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """``cifar-10-batches-py`` and its archive with four images a batch; all of them, in order."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (24, 32, 32, 3), np.uint8)
    y = rng.integers(0, 10, 24)
    (folder / cifar.FOLDER).mkdir(parents=True)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for i, name in enumerate(names):
        part = slice(4 * i, 4 * i + 4)
        entries = {
            b"data": x[part].transpose(0, 3, 1, 2).reshape(4, -1), b"labels": y[part].tolist(),
            b"batch_label": b"a batch", b"filenames": [b"a.png"] * 4,
        }  # fmt: skip
        (folder / cifar.FOLDER / name).write_bytes(pickle.dumps(entries, protocol))
    with tarfile.open(folder / cifar.ARCHIVE, "w:gz") as archive:
        archive.add(folder / cifar.FOLDER, cifar.FOLDER)
    return x, y


@pytest.mark.parametrize("place", ["archive", "folder", "beside", "below", "archive below"])
def test_the_original_cifar_10_is_taken(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "cifar10" if "below" in place else tmp_path
    x, y = write_cifar(folder)
    if place in ("archive", "archive below"):
        shutil.rmtree(folder / cifar.FOLDER)
    given = {"archive": folder / cifar.ARCHIVE, "folder": folder / cifar.FOLDER}.get(
        place, tmp_path
    )
    found = dataset.load("cifar10", given, tmp_path / "cache")
    assert np.array_equal(found.x, x[:20]) and np.array_equal(found.y, y[:20])
    assert np.array_equal(found.x_test, x[20:]) and np.array_equal(found.y_test, y[20:])
    assert found.x.dtype == np.uint8 and found.classes == 10 and found.middle == 128


def test_a_pickle_of_cifar_10_runs_nothing(tmp_path: Path) -> None:
    class Sly:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    write_cifar(tmp_path)
    batch = tmp_path / cifar.FOLDER / "data_batch_3"
    for content, word in (
        (pickle.dumps({b"data": Sly()}), "names posix.mkdir"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}), "labels"),
        (pickle.dumps({b"data": np.zeros((1, 9), np.uint8), b"labels": [1]}), "a batch holds"),
        (b"junk", ""),
        (None, "data_batch_3"),
    ):
        batch.unlink()
        if content is not None:
            batch.write_bytes(content)
        with pytest.raises(CompileError, match=f"E210 .*is not CIFAR-10: .*{word}.*get cifar-10"):
            dataset.load("cifar10", batch.parent, tmp_path)
        batch.touch()
    assert not (tmp_path / "ran").exists()


# One's own images --------------------------------------------------------------------------


def write_own(path: Path, **arrays: np.ndarray) -> Path:
    """Images uint8 [40, 12, 10] of five classes whose brightness tells them apart; ``arrays``
    take the place of those."""
    y = np.arange(40) % 5
    x = np.random.default_rng(0).integers(0, 50, (40, 12, 10)) + 50 * y[:, None, None]
    np.savez(path, **{"x": x.astype(np.uint8), "y": y, **arrays})
    return path


def test_own_images_are_split_by_the_seed(tmp_path: Path) -> None:
    path = write_own(tmp_path / "mine.npz")
    one, same, other = (dataset.load(str(path), Path(), Path(), seed) for seed in (1, 1, 2))
    assert one.x.shape == (30, 12, 10, 1) and one.x_test.shape == (10, 12, 10, 1)
    assert np.bincount(one.y_test).tolist() == [2] * 5 and one.classes == 5
    assert np.array_equal(one.x, same.x) and not np.array_equal(one.x, other.x)
    assert np.array_equal(one.x.mean((1, 2, 3)) // 50, one.y)
    assert one.middle == 128
    everything = np.concatenate([one.x, one.x_test])[..., 0]
    assert sorted(map(bytes, everything)) == sorted(map(bytes, np.load(path)["x"]))
    held = {"x_test": np.ones((3, 12, 10), np.uint8), "y_test": np.array([[4], [0], [1]])}
    given = dataset.load(str(write_own(tmp_path / "two.npz", **held)), Path(), Path())
    assert len(given.x) == 40 and given.y_test.tolist() == [4, 0, 1]
    assert given.digest != one.digest == other.digest
    floats = {"x": np.linspace(0, 1, 40 * 12).reshape(40, 12, 1, 1)}
    found = dataset.load(str(write_own(tmp_path / "floats.npz", **floats)), Path(), Path())
    assert found.x.dtype == np.uint8 and found.x.max() == 255
    small = {"x": np.full((40, 2, 2), 15)}
    assert dataset.load(str(write_own(tmp_path / "s.npz", **small)), Path(), Path()).middle == 8


@pytest.mark.parametrize(
    ("arrays", "id", "words"),
    [
        ({"x": np.zeros((40, 7))}, "E212", "shape [40, 7]; recipes train with images"),
        ({"y": np.zeros(39, int)}, "E212", "one class a sample: [40]"),
        ({"y": np.zeros(40)}, "E213", "float64; class indices are integers"),
        ({"y": np.zeros(40, int)}, "E214", "no sample of class 1"),
        ({"y": np.arange(40) % 5 + 1}, "E214", "no sample of class 0"),
        ({"y": np.r_[-1, np.arange(39) % 2]}, "E214", "holds the class -1"),
        ({"y": np.r_[2, np.arange(39) % 2]}, "E214", "1 sample of class 2; one is held out"),
        ({"x": np.full((40, 4, 4), 256)}, "E214", "256 as int64; pixels are"),
        ({"x": np.full((40, 4, 4), -0.5)}, "E214", "floats in 0..1"),
        ({"x": np.full((40, 4, 4), np.nan)}, "E214", "holds nan"),
        ({"x": np.full((40, 4, 4), "a")}, "E213", "has dtype <U1"),
        ({"x": np.full((40, 4, 4), None)}, "E210", "cannot be read as .npz"),
        ({"x_test": np.zeros((2, 4, 4))}, "E211", "no array 'y_test'"),
        ({"x_test": np.zeros((2, 4, 4)), "y_test": np.arange(2)}, "E212", "those of x [12, 10, 1]"),
        ({"x_test": np.zeros((1, 12, 10)), "y_test": np.array([5])}, "E214", "reaches class 5"),
        ({"x_test": np.zeros((1, 12, 10)), "y_test": np.array([-1])}, "E214", "holds the class -1"),
    ],
)  # fmt: skip
def test_own_images_that_are_refused(
    arrays: dict[str, np.ndarray], id: str, words: str, tmp_path: Path
) -> None:
    path = write_own(tmp_path / "mine.npz", **arrays)
    with pytest.raises(CompileError) as caught:
        dataset.load(str(path), Path(), Path())
    assert caught.value.id == id and words in str(caught.value)


@pytest.mark.slow
def test_a_recipe_trains_with_own_images(run, tmp_path: Path, keras) -> None:
    """Their shape and classes are the network's; named in the recipe, or in its data's place."""
    write_own(tmp_path / "mine.npz")
    text = TINY.replace('"binary"', '"int8"').replace("batch = 256", "batch = 10")
    (tmp_path / "named.toml").write_text(text.replace('"digits"', '"mine.npz"'))
    code, out, err = run("named.toml", "--json", "-q")
    assert code == 0, err
    assert json.loads(out)["held_out_images"] == 10
    graph = read(Path("build/train/named/named.tflite"))
    assert graph.inputs[0].type.shape == (1, 12, 10, 1)
    assert graph.outputs[0].type.shape == (1, 5)
    (tmp_path / "tiny.toml").write_text(text)
    code, out, _ = run("tiny.toml", "--data", "mine.npz", "--json", "-q")
    assert code == 0 and json.loads(out)["held_out_images"] == 10
    x = np.zeros((40, 12, 10), np.uint8)
    x[::2] = 9
    write_own(tmp_path / "mine.npz", x=x)
    code, _, err = run("tiny.toml", "--data", "mine.npz")
    assert code == 2 and "E220" in err and "of other data" in err


def test_images_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    folder, cache = tmp_path / "data", tmp_path / "cache"
    (folder / "cifar10").mkdir(parents=True)
    flat = rng.integers(0, 256, (6, 1, 1, 3), np.uint8).repeat(32, 1).repeat(32, 2)
    for name, images in (("train", flat[:4]), ("test", flat[4:])):
        jpegs = [tf.io.encode_jpeg(image, quality=100).numpy() for image in images]
        np.savez(
            folder / "cifar10" / f"{name}.npz",
            jpeg=np.frombuffer(b"".join(jpegs), np.uint8),
            offset=np.cumsum([0, *map(len, jpegs)]),
            label=np.arange(len(images), dtype=np.uint8),
        )
    first = dataset.load("cifar10", folder, cache)
    assert first.x.shape == (4, 32, 32, 3) and first.x_test.shape == (2, 32, 32, 3)
    assert np.abs(first.x.astype(int) - flat[:4]).max() <= 4  # What JPEG loses of one colour.
    assert first.y.tolist() == [0, 1, 2, 3]

    def fail(path: Path) -> None:
        raise AssertionError(f"{path} is decoded again")

    decode = dataset._decode
    monkeypatch.setattr(dataset, "_decode", fail)
    again = dataset.load("cifar10", folder, cache)
    assert np.array_equal(again.x, first.x) and np.array_equal(again.y_test, first.y_test)
    monkeypatch.setattr(dataset, "_decode", decode)
    (cache / "cifar10.npz").write_bytes(b"damaged")
    assert np.array_equal(dataset.load("cifar10", folder, cache).x, first.x)
    (folder / "cifar10" / "test.npz").write_bytes(b"damaged")
    with pytest.raises(CompileError, match=r"E210 .*test\.npz"):
        dataset.load("cifar10", folder, cache)


@pytest.mark.slow
def test_pixels_become_exact_int8_inputs(keras) -> None:
    digits = dataset.load("digits", Path(), Path())
    assert len(digits.x) == 1347 and len(digits.x_test) == 450
    assert digits.x.max() == 16
    assert np.array_equal(digits.normalized(digits.x) * 8, digits.x.astype(int) - 8)


# Networks ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_networks_have_what_their_recipe_says(path: Path, keras) -> None:
    from tinyc.train.network import build

    _, found = recipe.load(path.stem)
    if found.model.body == "binary":
        _skip_without(LARQ)
    network = found.model
    model = build(network, (8, 8, 1) if found.data == "digits" else (32, 32, 3), 10)
    assert model.output_shape == (None, 10)
    kinds = [type(layer).__name__ for layer in model.layers]
    convolutions = sum(map(len, network.stages))
    assert kinds.count("MaxPooling2D") == len(network.stages) - 1
    assert kinds.count("Add") == (convolutions // network.shortcut if network.shortcut else 0)
    binary = [layer for layer in model.layers if type(layer).__name__ == "QuantConv2D"]
    assert len(binary) == (convolutions if network.body == "binary" else 0)
    if binary:
        assert [c.filters for c in binary] == [f for stage in network.stages for f in stage]


def test_the_int8_twin_of_the_digits_has_their_topology(keras) -> None:
    (_, one), (_, two) = recipe.load("digits-bnn"), recipe.load("digits-int8")
    assert one.model.model_copy(update={"body": "int8"}) == two.model
    assert (
        one.model_copy(update={"model": two.model, "title": two.title, "result": two.result}) == two
    )


@pytest.mark.slow
def test_the_order_to_export_is_the_same_function(larq) -> None:
    from tinyc.train.network import build

    _, found = recipe.load("digits-bnn")
    rng = np.random.default_rng(0)
    one, two = (build(found.model, (8, 8, 1), 10, fused) for fused in (False, True))
    weights = [rng.normal(0, 1, w.shape) ** (2 if w.ndim == 1 else 1) for w in one.get_weights()]
    one.set_weights(weights)
    two.set_weights(weights)
    x = rng.uniform(-1, 1, (16, 8, 8, 1)).astype(np.float32)
    expected = one.predict(x, verbose=0)
    assert np.ptp(expected) > 1
    assert np.allclose(two.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)


def test_augmentation_moves_each_image_on_its_own(keras) -> None:
    import tensorflow as tf

    from tinyc.train.loop import _augmented

    x = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    same = _augmented(tf.constant(x), 0, False, tf.constant([1, 2])).numpy()
    assert np.array_equal(same, x)
    found = _augmented(tf.constant(x), 1, True, tf.constant([1, 2])).numpy()
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "reflect")
    flipped = np.pad(x[:, :, ::-1], [(0, 0), (1, 1), (1, 1), (0, 0)], "reflect")
    seen = set()
    for index, image in enumerate(found):
        matches = [
            (flip, i, j)
            for flip, source in enumerate((padded, flipped))
            for i in range(3)
            for j in range(3)
            if np.array_equal(source[index, i : i + 8, j : j + 8], image)
        ]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) > 12


# Training ----------------------------------------------------------------------------------


def _weights(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "checkpoint.npz") as file:
        return {key: file[key] for key in file.files if key != "seconds"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, larq) -> tuple[Path, Path]:
    """(recipe, folder) of a tiny training that ran to its end."""
    folder = tmp_path_factory.mktemp("train")
    (folder / "tiny.toml").write_text(TINY)
    code = cli.execute(["train", str(folder / "tiny.toml"), "-q", "-o", str(folder / "build")])
    assert code == 0
    return folder / "tiny.toml", folder / "build" / "train" / "tiny"


@pytest.mark.slow
def test_a_training_leaves_model_result_logs_and_calibration(whole) -> None:
    _, folder = whole
    result = json.loads((folder / "result.json").read_text())
    assert result["epochs"] == 2 and result["seed"] == 5 and result["held_out_images"] == 450
    assert result["file_bytes"] == (folder / "tiny.tflite").stat().st_size
    assert set(result["versions"]) >= {"tensorflow", "larq"}
    with np.load(folder / "calibration.npz") as file:
        assert file["x"].shape == (256, 8, 8, 1) and file["x"].dtype == np.float32
    import tf_keras

    kept = tf_keras.models.load_model(folder / "tiny.keras", compile=False)
    assert kept.count_params() == result["parameters"]
    (log,) = (folder / "logs").glob("events.out.tfevents.*")
    text = log.read_bytes()
    assert b"training/loss" in text and b"held_out/accuracy" in text
    kinds = {type(node.op).__name__ for node in read(folder / "tiny.tflite").nodes}
    assert "LceBconv2d" in kinds
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("at", [3, 5])
def test_an_interrupted_training_resumes_to_the_same_weights(
    at: int, whole, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,347 digits are 5 steps of 256: within the first epoch, and at its very end."""
    from tinyc.train import loop

    path, folder = whole
    made = loop._training_step

    def interrupting(training):
        step = made(training)

        def wrapped(*args):
            if training.done == at:
                raise KeyboardInterrupt
            step(*args)

        return wrapped

    monkeypatch.setattr(loop, "_training_step", interrupting)
    code, _, err = run(path)
    assert code == 130 and "goes on from" in err
    half = _weights(Path("build/train/tiny"))
    assert not Path("build/train/tiny/result.json").exists()
    monkeypatch.setattr(loop, "_training_step", made)
    code, _, err = run(path)
    assert code == 0 and f"going on after step {at} of 10" in err
    found, expected = _weights(Path("build/train/tiny")), _weights(folder)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)
    assert any(not np.array_equal(half[key], expected[key]) for key in expected)
    assert (
        Path("build/train/tiny/tiny.tflite").read_bytes() == (folder / "tiny.tflite").read_bytes()
    )


@pytest.mark.slow
def test_an_epoch_interrupted_behind_its_last_step_is_told_once(
    whole, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinyc.train import loop

    path, _ = whole
    made = loop._training_step

    def interrupting(training):
        step = made(training)

        def wrapped(*args):
            step(*args)
            if training.done == 5:
                raise KeyboardInterrupt

        return wrapped

    def told(err: str) -> list[str]:
        return [line for line in err.splitlines() if line.startswith("epoch ")]

    monkeypatch.setattr(loop, "_training_step", interrupting)
    code, _, err = run(path)
    assert code == 130 and not told(err)
    monkeypatch.setattr(loop, "_training_step", made)
    resumed = told(run(path)[2])
    assert len(resumed) == 2 and resumed == told(run(path, "--fresh")[2])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("shift = 1", "shift = 8", "E221 augment.shift: 8 moves an image of 8 pixels"),
        ("[[16], [32]]", "[[8], [8], [8], [8], [8]]", "E221 model.stages: 5 stages halve"),
    ],
)
def test_recipes_too_large_for_their_images(
    old: str, new: str, words: str, larq, run, tmp_path: Path
) -> None:
    path = tmp_path / "large.toml"
    path.write_text(TINY.replace(old, new))
    code, _, err = run(path)
    assert code == 2 and words in err


@pytest.mark.slow
def test_a_checkpoint_of_another_recipe_is_not_taken(whole, run, tmp_path: Path) -> None:
    path, folder = whole
    target = tmp_path / "build" / "train" / "tiny" / "checkpoint.npz"
    target.parent.mkdir(parents=True)
    target.write_bytes((folder / "checkpoint.npz").read_bytes())
    code, _, err = run(path, "--epochs", 3)
    assert code == 2 and "E220" in err and "another recipe" in err and "--fresh" in err
    target.write_bytes(b"damaged")
    code, _, err = run(path)
    assert code == 2 and "E220" in err and "cannot be read" in err
    code, out, _ = run(path, "--fresh", "--epochs", 1, "--json", "-q")
    assert code == 0 and json.loads(out)["epochs"] == 1


def test_too_large_a_batch_is_refused(run, tmp_path: Path, larq) -> None:
    (tmp_path / "big.toml").write_text(TINY.replace("batch = 256", "batch = 5000"))
    code, _, err = run("big.toml")
    assert code == 2 and "E221" in err and "1347" in err


def test_a_file_that_fails_midway_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), written(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


# The committed weights ---------------------------------------------------------------------


def _scored(name: str, images: dataset.Dataset) -> tuple[float, float]:
    """The accuracies of a committed file: now, and by its recipe."""
    from tinyc.train import export

    _, found = recipe.load(name)
    if found.model.body == "binary":
        _skip_without(LARQ)
    content = (ROOT / "recipes" / f"{name}.tflite").read_bytes()
    return export.accuracy(found, content, images), found.result.accuracy


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits-bnn", "digits-int8"])
def test_the_committed_digits_score_what_their_recipe_says(name: str, keras) -> None:
    score, told = _scored(name, dataset.load("digits", Path(), Path()))
    # Float layers round in another order on other machines: one image may go either way.
    assert score == pytest.approx(told, abs=1.5 / 450)
    assert score >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [p.stem for p in RECIPES if "cifar10" in p.stem and p.with_suffix(".tflite").exists()],
)
def test_the_committed_cifar10_score_what_their_recipe_says(name: str, keras) -> None:
    if not (DATA / "cifar10").is_dir():
        pytest.skip(f"no cifar10 in {DATA}; set TINYC_DATA to a folder that has it")
    x, y = dataset._decode(DATA / "cifar10" / "test.npz")
    score, told = _scored(name, dataset.Dataset(x, y, x, y, middle=128))
    assert score == pytest.approx(told, abs=5 / 5000)
    assert score > 0.75


def test_training_where_nothing_can_be_written(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run("digits-int8", "--output-dir", tmp_path / "file", "-q")
    assert code == 8 and "E806 " in err and "a part of the path is a file" in err
    assert "E100" not in err and err.count("\n") == 1
