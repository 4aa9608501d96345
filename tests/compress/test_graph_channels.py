"""Pruned channels: which ones, what the passes make of them, and how they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import TensorSpec, write_model

from tinyc.cli.app import execute
from tinyc.compress.base import chosen
from tinyc.compress.channels import channels
from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.ir import Graph, interpret
from tinyc.ops.conv2d import Conv2d
from tinyc.passes import optimize


@pytest.fixture(scope="module", params=["int8", "float32"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions in a chain, of 16 and 8 channels; each channel of the first has weights
    of another size, the fourth and the sixth the least."""
    rng, kind = np.random.default_rng(4), request.param
    size = np.array([9, 8, 7, 1, 6, 2, 8, 9, 3, 9, 9, 9, 9, 9, 9, 4])
    first = np.round(rng.uniform(0.5, 1, (16, 1, 1, 4)) * size[:, None, None, None] * 14)
    first *= rng.choice([-1, 1], first.shape)
    second = rng.integers(-127, 128, (8, 3, 3, 16))

    def tensor(name: str, shape: tuple[int, ...], data: np.ndarray | None = None) -> TensorSpec:
        if kind == "float32":
            return TensorSpec(name, shape, kind, data=None if data is None else data / 100)
        if name.startswith("w"):
            return TensorSpec(name, shape, kind, [0.01] * shape[0], [0] * shape[0], 0, data)
        if data is not None:
            return TensorSpec(name, shape, "int32", [0.001] * shape[0], [0] * shape[0], 0, data)
        return TensorSpec(name, shape, kind, 0.1, 3)

    conv = {"padding": 0, "strideW": 1, "strideH": 1, "fusedActivationFunction": 1}
    conv |= {"dilationWFactor": 1, "dilationHFactor": 1}
    return write_model(
        tmp_path_factory.mktemp("channels") / f"{kind}.tflite",
        [("CONV_2D", conv, [0, 1, 2], [3]), ("CONV_2D", conv, [3, 4, 5], [6])],
        [
            tensor("x", (1, 5, 5, 4)),
            tensor("w1", (16, 1, 1, 4), first), tensor("b1", (16,), rng.integers(-9, 9, 16)),
            tensor("y", (1, 5, 5, 16)),
            tensor("w2", (8, 3, 3, 16), second), tensor("b2", (8,), rng.integers(-9, 9, 8)),
            tensor("z", (1, 5, 5, 8)),
        ],
        [0], [6],
    )  # fmt: skip


def weights(graph: Graph, operand: int = 1) -> list[np.ndarray]:
    return [node.inputs[operand].data for node in graph.nodes if isinstance(node.op, Conv2d)]


def test_the_weakest_channels_are_cut(model: Path) -> None:
    graph = read(model)
    pruned = channels(graph, 0.3)  # of 16, four and not 4.8: what is left is a multiple of four
    before, after = weights(graph)[0], weights(pruned)[0]
    cut = np.flatnonzero(~after.any((1, 2, 3)))
    assert cut.tolist() == [3, 5, 8, 15] and before[cut].any((1, 2, 3)).all()
    np.testing.assert_array_equal(np.delete(after, cut, 0), np.delete(before, cut, 0))
    before, after = weights(graph, 2)[0], weights(pruned, 2)[0]
    np.testing.assert_array_equal(after, np.where(np.isin(np.arange(16), cut), 0, before))
    # The last one's channels are the output's.
    np.testing.assert_array_equal(weights(pruned)[1], weights(graph)[1])
    assert channels(graph, 0.2).nodes == graph.nodes and channels(graph, 0).nodes == graph.nodes


def test_the_passes_drop_them_to_the_bit(model: Path) -> None:
    pruned = channels(read(model), 0.5)
    made = optimize(pruned)
    if pruned.inputs[0].type.dtype.value == "i8":
        assert [w.shape for w in weights(made)] == [(8, 1, 1, 4), (8, 3, 3, 8)]
    x = np.random.default_rng(0).integers(-128, 128, (1, 5, 5, 4))
    x = x.astype(pruned.inputs[0].type.dtype.numpy)
    (before, after) = (interpret(g, [x])[g.outputs[0]] for g in (pruned, made))
    np.testing.assert_array_equal(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["int8"], indirect=True)
def test_a_build_has_less_to_compute_and_says_why(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    found = []
    for options in ((), ("--compress", "channels:0.5")):
        status = execute(["test", str(model), "--board", "stm32", "--json", *options])
        assert status in (0, 5)  # of random weights no agreement is expected
        found.append(json.loads(capsys.readouterr().out))
        assert found[-1]["mismatches"] == 0
    assert found[0]["changed_by"] == [] and found[1]["changed_by"] == ["channels"]
    assert found[1]["cycles"] < 0.7 * found[0]["cycles"]
    status = execute(["show", str(model), "--compress", "channels:0.5", "--after", "channels"])
    assert status == 0 and "conv2d" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("channel:0.5", "there is no technique 'channel'; use one of channels"),
        ("channels:2", "'2' is no amount for channels; give a number from 0 to 1"),
        ("channels:nan", "'nan' is no amount for channels"),
        ("channels:a", "'a' is no amount for channels"),
        ("channels, channels:0.5", "'channels' stands twice; leave one out"),
        (",", "there is no technique ''"),
    ],
)
def test_what_cannot_be_asked_for(text: str, said: str) -> None:
    with pytest.raises(CompileError) as caught:
        chosen(text)
    assert str(caught.value).startswith(f"E209 --compress: {said}")


def test_techniques_and_amounts() -> None:
    assert chosen(None) == chosen("") == []
    assert [(t.name, amount) for t, amount in chosen(" channels:0.5")] == [("channels", 0.5)]
    assert [amount for _, amount in chosen("channels")] == [0.25]
