"""The keys, shapes and labels of test data, and what of a file is read."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_heads import SIGMOID, chain, copy, value

from tinyc.errors import CompileError
from tinyc.ir import DType, Graph, Quant
from tinyc.ops.reshape import Reshape
from tinyc.ops.softmax import Softmax
from tinyc.run import data
from tinyc.run.data import given_samples, load_inputs, load_npz, random_samples

A, B = np.full((2, 3), 1, np.float32), np.full((2, 3), 2, np.float32)
C = np.arange(6, dtype=np.float32).reshape(2, 3)
Y = np.array([0, 2])


def two(*names: str) -> Graph:
    """A network of inputs and outputs of these names, [1, 3] each."""
    graph = copy(*(value(n, 1, 3) for n in names))
    return Graph("g", graph.inputs, graph.outputs, graph.nodes, "", names, names)


def refused(arrays: dict[str, np.ndarray], graph: Graph, id: str, *words: str) -> None:
    with pytest.raises(CompileError) as caught:
        given_samples(arrays, graph, "d.npz")
    assert caught.value.id == id, caught.value
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("names", "arrays"),
    [
        (("gyro", "accel"), {"accel": B, "gyro": A}),
        (("gyro", "accel"), {"x_1": B, "x_0": A}),
        (("in A", "b:c"), {"in_a": A, "b_c": B}),
        (("in A", "b:c"), {"in A": A, "b:c": B}),
        (("x", "y"), {"x": A, "y": B}),
        (("x", "y"), {"x_0": A, "x_1": B, "y": Y}),
        (("x_1", "x_0"), {"x_1": A, "x_0": B}),  # a name wins over a place
        (("y", "z"), {"y": A, "z": B, "y_z": Y}),
    ],
)
def test_inputs_by_name_or_by_place(names: tuple[str, ...], arrays: dict) -> None:
    found = given_samples(arrays, two(*names), "d.npz")
    assert [int(x[0, 0, 0]) for x in found.inputs] == [1, 2]
    assert bool(found.labels) == any(array is Y for array in arrays.values())


@pytest.mark.parametrize("key", ["x", "x_0", "signal"])
def test_a_single_input(key: str) -> None:
    found = given_samples({key: A, "y": Y}, two("signal"), "d.npz")
    assert found.labels[0].tolist() == [0, 2]
    assert given_samples({"x": A, "y": Y}, two("y"), "d.npz").labels[0].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"gyro": A, "acel": B}, ("'accel'", "it has gyro, acel", "inputs are gyro, accel")),
        ({"gyro": A, "accel": B, "x_0": A}, ("two ways", "'gyro' and 'x_0'")),
        ({"gyro": A, "x_1": B}, ("two ways", "gyro, accel")),
        ({"x": A}, ("'gyro'", "gyro=..., accel=...")),
        ({"gyro": A, "accel": B, "y_nope": Y}, ("'y_nope'", "gyro, accel")),
        ({"gyro": A, "accel": B, "y": Y, "y_gyro": Y}, ("twice", "['y_gyro', 'y']")),
    ],
)
def test_wrong_keys_are_told_with_the_right_ones(arrays: dict, words: tuple[str, ...]) -> None:
    refused(arrays, two("gyro", "accel"), "E211", *words)


def test_two_keys_for_one_input() -> None:
    refused({"x": A, "signal": A}, two("signal"), "E211", "two ways")
    refused({"the signal": A, "the_signal": A}, two("the signal"), "E211", "twice")


def test_labels_choose_their_output() -> None:
    graph = two("a", "b")
    for key, index in (("y", 0), ("y_a", 0), ("y_b", 1), ("y_1", 1)):
        labels = given_samples({"x_0": A, "x_1": B, key: Y}, graph, "d.npz").labels
        assert {i: y.tolist() for i, y in labels.items()} == {index: [0, 2]}
    both = given_samples({"x_0": A, "x_1": B, "y": Y, "y_b": Y[::-1]}, graph, "d.npz").labels
    assert (both[0].tolist(), both[1].tolist()) == ([0, 2], [2, 0])


def test_labels_outside_of_the_classes() -> None:
    graph = two("a")
    refused({"x": A, "y": np.array([0, 3])}, graph, "E229", "sample 1", "label 3", "0 to 2")
    refused({"x": A, "y": np.array([-1, 0])}, graph, "E229", "sample 0", "label -1")
    one = copy(value("p", 1, 1, quant=SIGMOID, dtype=DType.I8))
    x = np.zeros((2, 1), np.int8)
    assert given_samples({"x": x, "y": np.array([[0], [1]])}, one, "d").labels[0].tolist() == [0, 1]
    assert given_samples({"x": x, "y": np.array([0, 1], bool)}, one, "d").labels[0][1] == 1
    refused({"x": x, "y": np.array([0, 2])}, one, "E229", "label 2", "0 to 1")


def test_one_hot_labels() -> None:
    graph = two("a")
    for dtype in (np.float32, np.float64, np.int8, bool):
        found = given_samples({"x": A, "y": np.eye(3, dtype=dtype)[[2, 1]]}, graph, "d.npz")
        assert found.labels[0].tolist() == [2, 1]
    refused({"x": A, "y": np.array([[1, 0, 0], [0, 1, 1]])}, graph, "E229", "sample 1")
    refused({"x": A, "y": np.array([[1, 0, 0], [0, 0.5, 0.5]])}, graph, "E229", "sample 1")
    refused({"x": A, "y": np.eye(4)[:2]}, graph, "E212", "[2, 4]", "[2, 3]")
    refused({"x": A, "y": np.array(["a", "b"])}, graph, "E213")


def test_labels_of_no_classifier() -> None:
    graph = chain(value("x", 1, 6), (Reshape(), value("map", 1, 2, 3)))
    found = given_samples({"x": np.zeros((2, 6), np.float32), "y": Y}, graph, "d.npz")
    assert not found.labels and "no output of the model is a classifier" in found.warnings[0]


def test_anomalies_of_what_reproduces_its_input() -> None:
    graph = copy(value("map", 1, 2, 3))
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    for y in (np.array([0, 1]), np.array([False, True]), np.array([[0.0], [1.0]])):
        found = given_samples({"x": x, "y": y}, graph, "d.npz")
        assert found.anomalies[0].tolist() == [0, 1] and not found.labels and not found.warnings
    refused({"x": x, "y": Y}, graph, "E229", "sample 1 has the label 2", "1 is anomalous")
    refused({"x": x, "y_map": np.zeros((2, 4))}, graph, "E212", "[2, 2, 3]")


def test_numbers_that_outputs_should_have() -> None:
    graph = two("a", "b")
    arrays = {"x_0": C, "x_1": B, "y_b": B}
    found = given_samples(arrays, graph, "d.npz")
    assert found.targets[1].shape == (2, 1, 3) and not found.labels and not found.warnings
    # Numbers find the output of their shape, where a classifier stands before it.
    mixed = copy(value("s", 1, 4), value("map", 1, 2, 3))
    x = {"x_0": np.zeros((2, 4), np.float32), "x_1": np.zeros((2, 2, 3), np.float32)}
    assert set(given_samples({**x, "y": np.ones((2, 2, 3))}, mixed, "d").targets) == {1}
    assert given_samples({**x, "y": Y}, mixed, "d").labels[0].tolist() == [0, 2]
    one = copy(value("p", 1, 1))
    x = {"x": np.zeros((2, 1), np.float32)}
    assert given_samples({**x, "y": np.array([0.5, 9])}, one, "d").targets[0].ravel().tolist() == [
        0.5, 9,
    ]  # fmt: skip
    assert given_samples({**x, "y": np.array([0.0, 1])}, one, "d").labels[0].tolist() == [0, 1]
    refused({**x, "y": np.array([0.5, np.nan])}, one, "E214", "sample 1")
    refused({**x, "y": np.array([0, 7])}, one, "E229", "given as float")
    soft = chain(value("x", 1, 3), (Softmax(1.0), value("p", 1, 3)))
    refused({"x": A, "y": np.full((2, 3), 0.5)}, soft, "E229", "sample 0")


def test_names_of_classes() -> None:
    names = np.array(["yes", "no", "it's"])
    graph = two("a")
    found = given_samples({"x": C, "y": Y, "classes": names}, graph, "d.npz")
    assert found.names == {0: ("yes", "no", "it's")} and not found.warnings
    found = given_samples({"x": C, "y": Y, "classes": names[:2]}, graph, "d.npz")
    assert not found.names and "classes is not used: it has shape [2]" in found.warnings[0]


# Warnings ------------------------------------------------------------------------------------


def warnings(x: np.ndarray, quant: Quant, **more: np.ndarray) -> tuple[str, ...]:
    graph = copy(value("x", 1, 4, quant=quant, dtype=DType.I8))
    return given_samples({"x": x, **more}, graph, "d.npz").warnings


def test_inputs_that_saturate() -> None:
    quant = Quant((1 / 128,), (0,))
    rng = np.random.default_rng(0)
    good = rng.uniform(-1, 1, (20, 4))
    assert warnings(good, quant) == ()
    assert warnings(np.where(good > 0, 1.0, -1.0), quant) == ()  # one step beyond
    (text,) = warnings(np.round(127.5 * (good + 1)), quant)
    assert "% of the numbers saturate" in text
    assert "the input takes -1 to 0.9922" in text and "they lie in" in text
    (text,) = warnings(good / 100, quant)
    assert "only" in text and "of the input's 256 steps" in text
    (text,) = warnings(np.ones((20, 4)), quant)
    assert "its 20 samples are all the same" in text
    (text,) = warnings(good, quant, junk=good, more=good)
    assert "nothing reads 'junk', 'more'" in text


# Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
def test_only_some_rows(order: str, tmp_path: Path) -> None:
    x = np.asarray(np.random.default_rng(0).normal(0, 1, (50, 3)), np.float32, order=order)
    np.savez_compressed(tmp_path / "d.npz", x=x, y=np.arange(50) % 3)
    graph = two("a")
    found = load_npz(tmp_path / "d.npz", graph, 7)
    assert np.array_equal(found.inputs[0][:, 0], x[:7]) and found.labels[0].tolist()[-1] == 0
    assert np.array_equal(load_npz(tmp_path / "d.npz", graph, 10**30).inputs[0][:, 0], x)
    spread = load_inputs(tmp_path / "d.npz", graph, 8).inputs[0][:, 0]
    assert np.array_equal(spread, x[np.linspace(0, 49, 8).astype(int)])


def write(path: Path, **arrays: np.ndarray | tuple[tuple[int, ...], int]) -> Path:
    """An .npz; of a tuple, a header of float32 of that shape and so many zero bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w") as file:
                if isinstance(array, np.ndarray):
                    np.lib.format.write_array(file, array)
                    continue
                head = {"descr": "<f4", "fortran_order": False, "shape": array[0]}
                np.lib.format.write_array_header_1_0(file, head)
                for _ in range(array[1] >> 20):
                    file.write(bytes(1 << 20))
    return path


def test_what_is_not_used_is_not_read(tmp_path: Path) -> None:
    large = ((16 << 20,), 64 << 20)
    path = write(tmp_path / "d.npz", x=A, y=Y, x_1=large, other=((10**12, 9), 0))
    tracemalloc.start()
    found = load_npz(path, two("a"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 2 and peak < 8 << 20
    assert "nothing reads 'x_1', 'other'" in found.warnings[0]


@pytest.mark.parametrize(
    ("shape", "size", "id"),
    [
        ((10**9, 3), 1 << 20, "E228"),
        ((10**17, 3), 0, "E228"),
        ((10**30, 3), 0, "E210"),
        ((10**9,), 1 << 20, "E212"),
        ((-1, 3), 0, "E210"),
        ((5, 3), 0, "E210"),
    ],
)
def test_sizes_are_checked_before_anything_is_read(
    shape: tuple[int, ...], size: int, id: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "d.npz", x=(shape, size))
    tracemalloc.start()
    with pytest.raises(CompileError) as caught:
        load_npz(path, two("a"))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert caught.value.id == id and str(path) in str(caught.value)


def test_the_first_of_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = write(tmp_path / "d.npz", x=((data.MOST_BYTES // 4, 3), 1 << 20))
    assert load_npz(path, two("a"), 5).inputs[0].shape == (5, 1, 3)
    assert len(load_inputs(write(tmp_path / "e.npz", x=((99, 3), 1 << 20)), two("a"), 4)) == 4


@pytest.mark.parametrize("count", [10**8, 10**11, 10**30])
def test_too_many_random_samples(count: int) -> None:
    with pytest.raises(CompileError) as caught:
        random_samples(two("a"), count, 0)
    assert caught.value.id == "E228" and f"{count:,}" in str(caught.value)
