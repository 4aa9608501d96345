"""Have Keras's layers compute the same by operators that microcontrollers have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

_STEPS = 128
"""The longest sequence for which recurrent layers are unrolled: each step becomes operators."""
_PRECISIONS = ("float16", "bfloat16", "float64")


def simplify(model: Any, specs: Sequence[Any]) -> None:
    """Change the layers of a model whose inputs have ``specs``: recurrent ones of few steps go
    without a loop, and what is of another precision computes in float32; so does what
    `model.quantize` gave int8 weights and inputs that are quantized at run time. Of Keras 3, see
    `_SIMPLER`."""
    few = all(spec.shape.rank and (spec.shape.as_list()[1:] or [1])[0] <= _STEPS for spec in specs)
    for tensor in getattr(model, "_inputs", None) or ():  # of a functional model of Keras 3
        if tensor.dtype in _PRECISIONS:
            tensor._dtype = "float32"
    for layer in model._flatten_layers():
        if few and hasattr(layer, "unroll"):
            layer.unroll = True
            layer._could_use_gpu_kernel = False  # by which Keras 2 prefers a loop of its own
        mode = getattr(layer, "quantization_mode", None)
        if layer.compute_dtype in _PRECISIONS and hasattr(layer, "_set_dtype_policy"):  # Keras 2
            layer._set_dtype_policy("float32")
        elif layer.compute_dtype in _PRECISIONS:
            layer.dtype_policy = f"{mode}_from_float32" if mode else "float32"
        if getattr(layer, "inputs_quantizer", None):
            layer.inputs_quantizer = None
        simpler = _SIMPLER.get(type(layer).__name__)
        if simpler is not None and not mode and type(layer).__module__.startswith("keras."):
            layer.call = partial(simpler, layer, layer.call)


def _embed(layer: Any, _: Any, inputs: Any) -> Any:
    """Rows of a table without the choice of what a negative index means."""
    import tensorflow as tf

    rows = tf.gather(tf.convert_to_tensor(layer.embeddings), tf.cast(inputs, tf.int32))
    return tf.cast(rows, layer.compute_dtype)


def _enlarge(layer: Any, call: Any, inputs: Any) -> Any:
    """A resize in the place of repeated rows."""
    import tensorflow as tf

    if (layer.interpolation, layer.data_format) != ("nearest", "channels_last"):
        return call(inputs)
    size = [inputs.shape[1] * layer.size[0], inputs.shape[2] * layer.size[1]]
    return tf.image.resize(inputs, size, "nearest")


def _categories(layer: Any, call: Any, inputs: Any, count_weights: Any = None) -> Any:
    if count_weights is not None:
        return call(inputs, count_weights)
    return _encoded(inputs, layer.output_mode, layer.num_tokens, layer.compute_dtype)


def _bins(layer: Any, _: Any, inputs: Any) -> Any:
    """The number of bounds that are not above a number."""
    import tensorflow as tf

    ids = tf.add_n([tf.cast(inputs >= bound, tf.int32) for bound in layer.bin_boundaries])
    return _encoded(ids, layer.output_mode, len(layer.bin_boundaries) + 1, layer.output_dtype)


def _look_up(layer: Any, call: Any, inputs: Any) -> Any:
    """A comparison with each entry of a vocabulary in the place of a table of hashes."""
    import tensorflow as tf

    if layer.num_oov_indices > 1 or layer.output_mode == "tf_idf" or layer.invert:
        return call(inputs)
    with tf.init_scope():
        words = [int(word) for word in layer.get_vocabulary()]
    other = layer._oov_start_index() if layer.num_oov_indices else None
    given = tf.cast(inputs, tf.int32)
    ids = tf.zeros_like(given) + (other or 0)
    for place, word in enumerate(words):
        if place != other:
            ids = tf.where(given == word, place, ids)
    depth = layer.max_tokens if layer.pad_to_max_tokens else len(words)
    return _encoded(ids, layer.output_mode, depth, layer.compute_dtype)


def _encoded(ids: Any, mode: str, depth: int, dtype: Any) -> Any:
    """Indices [..., n] as Keras's output modes have them."""
    import tensorflow as tf

    if mode == "int":
        return ids
    if mode == "one_hot":
        ids = tf.squeeze(ids, -1) if ids.shape.rank > 1 and ids.shape[-1] == 1 else ids
        return tf.one_hot(tf.cast(ids, tf.int32), depth, dtype=dtype)
    rows = tf.one_hot(tf.cast(ids, tf.int32), depth)
    gather = tf.reduce_max if mode == "multi_hot" else tf.reduce_sum
    return tf.cast(gather(rows, 1 if ids.shape.rank > 1 else 0), dtype)


_SIMPLER = {
    "Embedding": _embed,
    "UpSampling2D": _enlarge,
    "CategoryEncoding": _categories,
    "Discretization": _bins,
    "IntegerLookup": _look_up,
}
"""Keras 3's layers by their class: (layer, its own call, its inputs) -> its output."""
