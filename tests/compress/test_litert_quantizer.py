"""Files of litert-quantizer: tensors of int4, two numbers a byte, for convolutions and dense
layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras_models import exact, trained

from tinyc.compress.keras.export import _of_one
from tinyc.frontends.tflite import read
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.fully_connected import FullyConnected


@pytest.mark.slow
def test_int4_tensors_of_litert_quantizer_are_exact(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("litert_quantizer")
    import tensorflow as tf
    from litert_quantizer.qtyping import TFLOperationName
    from litert_quantizer.quantizer import Quantizer

    work = trained()
    path = tmp_path / "float.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(_of_one(work.model)).convert())
    quantizer = Quantizer(str(path))
    for operator, bits in (
        (TFLOperationName.ALL_SUPPORTED, 8),
        (TFLOperationName.CONV_2D, 4),
        (TFLOperationName.FULLY_CONNECTED, 4),
    ):
        quantizer.add_static_config(".*", operator, activation_num_bits=8, weight_num_bits=bits)
    samples = work.data.typical(64, work.training.seed)
    (name,) = work.model.input_names
    calibrated = quantizer.calibrate(
        {"serving_default": [{name: row[np.newaxis]} for row in samples]}
    )
    path = tmp_path / "int4.tflite"
    quantizer.quantize(calibrated, enable_progress_report=False).export_model(str(path))

    most = {
        (type(node.op), int(np.abs(node.inputs[1].array).max()))
        for node in read(path).nodes
        if isinstance(node.op, (Conv2d, DepthwiseConv2d, FullyConnected))
    }
    assert most == {(Conv2d, 7), (FullyConnected, 7), (DepthwiseConv2d, 127)}
    assert exact(path, work)[-1] > 0.9
