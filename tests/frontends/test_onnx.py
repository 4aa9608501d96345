"""ONNX networks against onnxruntime: the same outputs in float32, on the host and on a core."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.base import read_model
from tinyc.ir import interpret

pytest.importorskip("onnx", reason="pip install 'tinyc[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
from onnx_models import Builder, run_onnx

TOLERANCE = 1e-5
"""Of float32: sums are added in another order."""


def small(path: Path) -> Path:
    b = Builder(["batch", 3, 9, 8])
    x = b.add("Relu", b.conv("x", 3, 6, (3, 3), pads=[1] * 4, strides=[2, 2]))
    x = b.add("MaxPool", b.conv(x, 6, 6, (3, 1), group=6), kernel_shape=[2, 2])
    x = b.add("Gemm", b.add("Flatten", x), b.weights(5, 36), b.weights(5), transB=1)
    return b.save(path / "small.onnx", x)


def agrees(path: Path, *shapes: tuple[int, ...]) -> None:
    """The graph that is read gives what onnxruntime does, on random inputs."""
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=s).astype(np.float32) for s in shapes]
    graph = read_model(str(path)).graph
    found = interpret(graph, inputs)
    for value, wanted in zip(graph.outputs, run_onnx(path, *inputs), strict=True):
        np.testing.assert_allclose(found[value], wanted, TOLERANCE, TOLERANCE)


def test_a_small_network(tmp_path: Path) -> None:
    agrees(small(tmp_path), (1, 3, 9, 8))


def test_each_unsupported_operator_is_told(tmp_path: Path) -> None:
    b = Builder([1, 4])
    x = b.add("Gemm", b.add("Acosh", "x"), b.weights(4, 4))
    y = b.add("Acosh", x)
    with pytest.raises(CompileErrors) as found:
        read_model(str(b.save(tmp_path / "net.onnx", y)))
    assert str(found.value) == (
        "E300 net.onnx: node 0 'v0_0' (Acosh): this operator is not supported; see `tinyc ops` for "
        "what is (and 1 more like it)"
    )


@pytest.mark.parametrize("content", [b"", b"text", b"\x08"])
def test_what_is_no_onnx(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(content)
    with pytest.raises(CompileError, match=r"^E301 net\.onnx: "):
        read_model(str(file))
