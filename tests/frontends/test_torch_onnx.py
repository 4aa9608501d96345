"""PyTorch's networks by way of ONNX: float32, and int8 by ONNX Runtime's quantizer."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyc
from tinyc.frontends.base import read_model
from tinyc.ir import interpret

torch = pytest.importorskip(
    "torch", reason="needs PyTorch, in an environment of its own: make test-torch"
)
for _name in ("onnx", "onnxscript", "onnxruntime"):
    if importlib.util.find_spec(_name) is None:
        pytest.skip(f"needs {_name}: make test-torch", allow_module_level=True)
pytestmark = pytest.mark.slow  # PyTorch takes long to start


def exported(name: str, folder: Path) -> tuple[Path, Any, Any]:
    """``model.onnx`` of a network, the network, and some inputs [n, c, h, w]."""
    import torch_models

    kind = getattr(torch_models, name)
    module = torch_models.lived(kind).eval()
    x = np.random.default_rng(0).normal(0, 1, (24, *torch_models.SHAPES[kind])).astype(np.float32)
    path = folder / "model.onnx"
    torch.onnx.export(module, (torch.tensor(x[:1]),), path, verbose=False)
    return path, module, x


def int8(path: Path, x: Any) -> Path:
    """The model with QuantizeLinear and DequantizeLinear, per channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter(x)

        def get_next(self) -> Any:
            row = next(self.rows, None)
            return None if row is None else {name: row[None]}

    prepared, made = path.with_name("prepared.onnx"), path.with_name("int8.onnx")
    quant_pre_process(path, prepared)
    name = session(prepared).get_inputs()[0].name
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    quantize_static(prepared, made, Reader(), per_channel=True, **kinds)
    return made


def session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", ["ResNet8", "Depthwise"])
def test_networks_by_way_of_onnx(name: str, tmp_path: Path) -> None:
    path, module, x = exported(name, tmp_path)
    with torch.no_grad():
        expected = module(torch.tensor(x)).numpy()
    graph, *_ = read_model(str(path))
    order = graph.input_orders[0]
    given = x.transpose(0, *order[1:]) if order else x
    for sample, y in zip(given[:4], expected, strict=False):
        found = interpret(graph, [sample[None]])[graph.outputs[0]]
        np.testing.assert_allclose(found[0], y, rtol=1e-4, atol=1e-5)
    quantized = int8(path, x)
    own = session(quantized)
    theirs = np.concatenate([own.run(None, {own.get_inputs()[0].name: r[None]})[0] for r in x])
    for board in ("stm32", "microbit"):
        firmware = tinyc.compile(str(quantized), board=board)
        result = firmware.test({"x": x[:3]})
        assert result["mismatches"] == 0
        # No step apart from ONNX Runtime.
        np.testing.assert_allclose(firmware.scores(x[:3]), theirs[:3], rtol=1e-6, atol=1e-6)
    assert np.abs(theirs - expected).max() < 0.2 * np.abs(expected).max()
