"""Ranges of activations for post-training int8: the least and largest values that a network's
tensors take on training data, or less, where the rare ones would coarsen all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from ...ir import Array

Ranges = Literal["minmax", "percentile", "mse"]

PERCENTILE = 99.99
"""What a range holds of a tensor's values at each of its ends, in percent: between the 99.9 and
99.999 of Wu et al. (arXiv:2004.09602, table 5)."""
CUTS = np.linspace(1.0, 0.3, 36)
"""Parts of the whole range that are tried for the least square of what int8 misses."""
STEPS = 255
TAKEN = 4096
"""Values of a tensor that are looked at, of one sample, besides its least and largest."""


def _percentile(values: Array) -> tuple[float, float]:
    low, high = np.percentile(values, [100 - PERCENTILE, PERCENTILE])
    return float(low), float(high)


def _mse(values: Array) -> tuple[float, float]:
    least, most = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if least == most:
        return least, most

    def missed(cut: float) -> float:
        low = least * cut
        step = (most - least) * cut / STEPS
        zero = np.round(-low / step)
        q = np.clip(np.round(values / step) + zero, 0, STEPS)
        return float(np.mean(((q - zero) * step - values) ** 2))

    best = min(CUTS, key=missed)
    return least * best, most * best


_BY: Mapping[str, Callable[[Array], tuple[float, float]]] = {
    "percentile": _percentile,
    "mse": _mse,
}


def with_ranges(content: bytes, samples: Array, how: Ranges) -> bytes:
    """A calibrated float ``.tflite``, as TensorFlow's converter has it before it quantizes, with
    the ranges between its layers found another way.

    content: each of its tensors has a least and a largest value; samples: float32 [n, *input]. The
    ranges of inputs and outputs stay, as do "minmax".
    """
    from tensorflow.lite.tools import flatbuffer_utils

    if how == "minmax":
        return content
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = model.subgraphs[0]
    edges = {*graph.inputs, *graph.outputs}
    inner = [
        index
        for index, tensor in enumerate(graph.tensors)
        if index not in edges and tensor.quantization is not None
        if tensor.quantization.max is not None and len(tensor.quantization.max) == 1
    ]
    for index, values in _values(content, samples, inner).items():
        low, high = _BY[how](values)
        quantization = graph.tensors[index].quantization
        quantization.min, quantization.max = [min(0.0, low)], [max(0.0, high)]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _values(content: bytes, samples: Array, tensors: list[int]) -> dict[int, Array]:
    """Tensor -> float32 [n]: what it holds for samples, or a part of it at random."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    rng = np.random.default_rng(0)
    found: dict[int, list[Any]] = {index: [] for index in tensors}
    for sample in samples:
        interpreter.set_tensor(source["index"], sample[np.newaxis])
        interpreter.invoke()
        for index, parts in found.items():
            values = interpreter.get_tensor(index).reshape(-1)
            if len(values) > TAKEN:
                ends = [values.argmin(), values.argmax()]
                values = values[np.concatenate([ends, rng.integers(0, len(values), TAKEN)])]
            parts.append(values)
    return {index: np.concatenate(parts) for index, parts in found.items()}
