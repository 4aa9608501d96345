"""The MLPerf Tiny models: every layer's output against LiteRT's reference kernels."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but
from tflite_writer import litert

from tinyc.frontends.tflite import read
from tinyc.ir import Value, interpret

pytest.importorskip("ai_edge_litert")
ROOT = Path(__file__).parents[2]
MODELS = Path(os.environ.get("TINYC_DATA", ROOT.parent / "shared" / "data")) / "mlperf-tiny"
SAMPLES = 20


def tensor_index(value: Value) -> int:
    """The value's tensor in the file, from its origin."""
    match = re.search(r": tensor (\d+) ", value.origin)
    assert match is not None, value.origin
    return int(match[1])


@pytest.mark.parametrize("name", slow_but(["kws"], ["ad", "ic", "kws", "sww", "vww"]))
def test_every_layer(name: str) -> None:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} not found in {MODELS}: set TINYC_DATA")
    graph = read(path)
    oracle = litert(path)
    rng = np.random.default_rng(20)
    for _ in range(SAMPLES):
        arrays = []
        for value, detail in zip(graph.inputs, oracle.get_input_details(), strict=True):
            if detail["dtype"] == np.float32:
                array = rng.normal(0, 3, value.type.shape).astype(np.float32)
            else:
                array = rng.integers(-128, 127, value.type.shape, endpoint=True, dtype=np.int8)
            oracle.set_tensor(detail["index"], array)
            arrays.append(array)
        oracle.invoke()
        env = interpret(graph, arrays)
        assert all(value in env for node in graph.nodes for value in node.outputs)
        for value, ours in env.items():
            theirs = oracle.get_tensor(tensor_index(value))
            if ours.dtype == np.float32:
                np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4, err_msg=value.origin)
            else:
                np.testing.assert_array_equal(ours, theirs, err_msg=value.origin)
