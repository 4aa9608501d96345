"""Networks of two heads that are left early: which head is which, what is computed first, what is
refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_tiny
from tflite_writer import TensorSpec, write_model
from two_heads import inputs, write_two_heads

from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.ir import DType, Graph, Node, Quant, TensorType, Value, interpret, verify
from tinyc.ops.confident import Confident
from tinyc.passes import optimize
from tinyc.passes.early_exit import early_exit, side_head, taken
from tinyc.passes.side_head_first import side_head_first
from tinyc.pipeline import CompileOptions, compile_model, stages
from tinyc.target.boards import load_board

BOARD = "stm32f4_discovery"


def test_the_head_of_less_work_is_the_side_head(tmp_path: Path) -> None:
    for final_first in (False, True):
        graph = read(write_two_heads(tmp_path / "net.tflite", final_first))
        side = side_head(graph)
        assert graph.output_names[side] == "soon"
        made = verify(early_exit(graph, 0.5, side))
        assert made.output_names == ("late",) and made.side is not None
        assert str(made).count("return") == 2
        assert "%9 if %10, else\n  return %6" in str(made)


def test_the_output_is_that_of_the_head_that_is_taken(tmp_path: Path) -> None:
    """And so it stays through the passes, which have the side head computed first."""
    both = read(write_two_heads(tmp_path / "net.tflite"))
    made = early_exit(both, 0.9, 0)
    rewritten = optimize(made)
    assert rewritten.side is not None and made.side is not None
    counts = {True: 0, False: 0}
    for x in inputs(30):
        before = interpret(both, [x])
        soon, late = (before[v] for v in both.outputs)
        sure = bool((soon.max() + 128) / 256 >= 0.9)
        for graph in (made, rewritten):
            found = interpret(graph, [x])
            np.testing.assert_array_equal(found[graph.outputs[0]], soon if sure else late)
            assert graph.side is not None
            assert found[graph.side.sure].tolist() == [sure]
        counts[sure] += 1
    assert min(counts.values()) > 3
    names = [node.outputs[0].name for node in rewritten.nodes]
    assert names.index("soon/sure") < names.index("b") < names.index("late")
    assert side_head_first(both) is both


def test_real_outputs_are_taken_alike(tmp_path: Path) -> None:
    scores = np.array([[[0.5, 0.5]], [[0.9, 0.1]], [[0.1, 0.8]]], np.float32)
    final = np.zeros((3, 1, 2), np.float32)
    (found,) = taken([final, scores], 0.8, 1)
    np.testing.assert_array_equal(found, [final[0], scores[1], scores[2]])


@pytest.mark.parametrize("threshold", [0.0, 1 / 256, 0.5, 0.8, 205 / 256, 255 / 256, 1.0])
def test_the_threshold_itself_is_enough(threshold: float) -> None:
    """Of each integer that a softmax may give, by exact fractions: at the threshold, one below."""
    type = TensorType((1, 3), DType.I8, Quant((1 / 256,), (-128,)))
    op = Confident(threshold)
    x, y = Value("x", type, "test"), Value("y", TensorType((1,), DType.BOOL), "test")
    node = Node(op, (x,), (y,), "test")
    op.check(node)
    for q in range(-128, 128):
        scores = np.array([[-128, q, -128]], np.int8)
        (sure,) = op.evaluate(node, scores)
        assert sure.tolist() == [(q + 128) >= threshold * 256], q
    assert op.least(type) == min(int(np.ceil(threshold * 256)) - 128, 128)


def refusal(path: Path, threshold: float = 0.5, **options: Any) -> str:
    with pytest.raises(CompileError) as caught:
        compile_model(path, load_board(BOARD), CompileOptions(early_exit=threshold, **options))
    assert caught.value.id == "E356" and caught.value.hint
    return caught.value.what


def test_what_cannot_be_left_early_says_why(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    assert "it has 1 output, not those of a side head" in refusal(write_tiny(path))
    bare = {"without": ("soon",), "outputs": ["soon_logits", "late"]}
    assert "'soon_logits' ends in FullyConnected" in refusal(write_two_heads(path, **bare))
    assert "a stream keeps states" in refusal(write_two_heads(path), stream=1)
    assert "take the same work" in refusal(twins(path))
    assert "classes of one sample: 'a' is 1x3 i8" in refusal(twins(path, 3))
    assert "computes with float32" in refusal(twins(path, 4, "float32"))


def twins(path: Path, classes: int = 4, dtype: str = "int8") -> Path:
    """Two softmaxes, ``a`` and ``b``, of the first ``classes`` and of the first four numbers of an
    input; of float32 the second one of a dense layer."""
    kind: Sequence[Any] = ("int8", 1 / 256, -128) if dtype == "int8" else ("float32",)
    given = ("int8", 0.1, 3) if dtype == "int8" else ("float32",)
    tensors = [
        TensorSpec("x", (1, 4), *given),
        TensorSpec("begin", (2,), "int32", data=[0, 0]),
        TensorSpec("size", (2,), "int32", data=[1, classes]),
        TensorSpec("part", (1, classes), *given),
        TensorSpec("a", (1, classes), *kind),
        TensorSpec("all", (2,), "int32", data=[1, 4]),
        TensorSpec("whole", (1, 4), *given),
        TensorSpec("b", (1, 4), *kind),
        TensorSpec("w", (4, 4), "float32", data=np.eye(4)),
        TensorSpec("dense", (1, 4), "float32"),
    ]
    last = [("SOFTMAX", {"beta": 1.0}, [6], [7])]
    if dtype == "float32":
        last = [("FULLY_CONNECTED", {}, [6, 8, -1], [9]), ("SOFTMAX", {"beta": 1.0}, [9], [7])]
    operators = [
        ("SLICE", {}, [0, 1, 2], [3]), ("SOFTMAX", {"beta": 1.0}, [3], [4]),
        ("SLICE", {}, [0, 1, 5], [6]), *last,
    ]  # fmt: skip
    return write_model(path, operators, tensors, inputs=[0], outputs=[4, 7])


def test_the_stage_is_shown(tmp_path: Path) -> None:
    path = write_two_heads(tmp_path / "net.tflite")
    shown = dict(stages(path, None, CompileOptions(early_exit=0.75)))
    made = shown["early_exit"]
    assert isinstance(made, Graph) and "confident %9, threshold=0.75" in str(made)
    assert "early_exit" not in dict(stages(path))
