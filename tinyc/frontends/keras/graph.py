"""A loaded network as a function of tensors: its inputs and outputs in order, with their names.

The same for models of either Keras, functional, sequential or subclassed, and for SavedModels.
"""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from ...errors import CompileError
from ...ir import Array
from ..order import Wanted
from ..packages import line
from .layers import simplify

_ROWS = 64
"""Samples that `Network.predict` computes at once."""


@dataclass(frozen=True, eq=False)
class Network:
    """call: a tensor for each input -> one for each output; specs: TensorSpec of each input, its
    first dimension None where it is the batch; inputs, outputs: in the order of ``call``;
    original: the concrete function of the same before it was simplified, None if it was not;
    root: what keeps the variables alive, to which functions of TensorFlow do not hold on."""

    call: Callable[[Sequence[Any]], list[Any]]
    specs: tuple[Any, ...]
    inputs: tuple[Wanted, ...]
    outputs: tuple[Wanted, ...]
    original: Any = None
    root: Any = None

    def traced(self) -> Any:
        """The concrete function of a batch of one, whose inputs and outputs have the surest of
        their names."""
        import tensorflow as tf

        specs = [
            tf.TensorSpec(
                [1 if size is None else size for size in spec.shape], spec.dtype, port.known_as[0]
            )
            for spec, port in zip(self.specs, self.inputs, strict=True)
        ]
        outputs = [port.known_as[0] for port in self.outputs]

        def function(*tensors: Any) -> dict[str, Any]:
            # An input that is an output too needs a tensor of its own.
            results = map(tf.identity, self.call(tensors))
            return dict(zip(outputs, results, strict=True))

        return tf.function(function).get_concrete_function(*specs)

    def predict(self, inputs: Sequence[Array]) -> list[Array]:
        """An array [n, ...] for each input, with or without a batch of 1 -> one of float32 [n, ...]
        for each output, with a batch where the model fixes one."""
        import tensorflow as tf

        function = (
            self.original
            or tf.function(
                lambda *tensors: self.call(tensors), input_signature=self.specs
            ).get_concrete_function()
        )
        types = [tensor.dtype for tensor in function.structured_input_signature[0]]
        states = [v for v in function.variables if not v.trainable]
        initial = [v.numpy() for v in states]
        batched = all(spec.shape.rank and spec.shape[0] is None for spec in self.specs)
        # Where the batch is fixed, or is none, each run takes one of the n.
        shapes = [spec.shape[1:] if batched else spec.shape for spec in self.specs]
        arrays = [
            np.reshape(x, (len(x), *(size or 1 for size in shape)))
            for x, shape in zip(inputs, shapes, strict=True)
        ]
        count = len(arrays[0])
        chosen = [slice(i, i + _ROWS) for i in range(0, count, _ROWS)] if batched else range(count)
        parts = []
        for rows in chosen:
            given = (tf.cast(x[rows], type) for x, type in zip(arrays, types, strict=True))
            parts.append(tf.nest.flatten(function(*given)))
        for variable, array in zip(states, initial, strict=True):
            variable.assign(array)
        join = np.concatenate if batched else np.stack
        outputs = zip(*parts, strict=True)
        return [join([np.asarray(y) for y in ys]).astype(np.float32) for ys in outputs]


def of_keras(model: Any, origin: str) -> Network:
    """A Keras model that is built. Raises CompileError E305 where it has no inputs or where
    their sizes are not fixed, E311 where it cannot be called on them."""
    import tensorflow as tf

    arguments = _arguments(model)
    specs = tf.nest.flatten(arguments)
    if not specs:
        raise CompileError(
            "E305", origin, f"the {type(model).__name__} has no inputs yet",
            "begin it with an Input of a fixed shape, or call it once on data",
        )  # fmt: skip
    names = _names(arguments, specs)
    flat = fixed([tf.TensorSpec(s.shape, s.dtype) for s in specs], names, origin)
    parameters = inspect.signature(model.call).parameters.values()
    takes = any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)
    options = {"training": False} if takes else {}

    def call(tensors: Sequence[Any]) -> Any:
        return model(*tf.nest.pack_sequence_as(arguments, list(tensors)), **options)

    try:
        found = tf.function(lambda *tensors: call(tensors)).get_concrete_function(*flat)
    except Exception as error:
        what = f"cannot be called on its inputs: {line(str(error))}"
        raise CompileError("E311", origin, what, "call it on data before it is given") from None
    results = tf.nest.flatten(found.structured_outputs)
    simplify(model, flat)
    simpler = [tf.TensorSpec(s.shape, s.dtype) for s in tf.nest.flatten(_arguments(model))]
    # What is named by the key of a dict may go by its layer's name in the file.
    layers = getattr(model, "output_names", None) or ()
    return Network(
        lambda tensors: tf.nest.flatten(call(tensors)), tuple(simpler),
        ports(names, simpler, [str(spec.name or "") for spec in specs]),
        ports(_output_names(model, found.structured_outputs), results, layers), found,
    )  # fmt: skip


def _arguments(model: Any) -> list[Any]:
    """What a Keras model is called with: for each argument its structure of tensors or specs."""
    import tensorflow as tf

    for name in ("_inputs_struct", "_nested_inputs"):  # functional models of Keras 3, and 2
        if getattr(model, name, None) is not None:
            return [getattr(model, name)]
    try:
        inputs = model.inputs
    except (AttributeError, ValueError):  # a Sequential that is not built
        inputs = None
    if inputs:
        return list(inputs) if len(inputs) == 1 else [inputs]
    shapes = getattr(model, "_build_shapes_dict", None)  # Keras 3's, of a subclassed model
    if shapes:
        return [_specs_of(shape, tf.float32) for shape in shapes.values()]
    saved = model.save_spec() if hasattr(model, "save_spec") else None
    if saved is not None:
        return list(saved[0])
    built = getattr(model, "_build_input_shape", None)
    return [] if built is None else [_specs_of(built, tf.float32)]


def _specs_of(shape: Any, dtype: Any) -> Any:
    """The TensorSpecs of a structure of shapes."""
    import tensorflow as tf

    if isinstance(shape, dict):
        return {key: _specs_of(value, dtype) for key, value in shape.items()}
    sizes = list(shape)
    if all(size is None or isinstance(size, int) for size in sizes):
        return tf.TensorSpec([None, *sizes[1:]], dtype)
    return [_specs_of(value, dtype) for value in sizes]


def _names(arguments: Sequence[Any], specs: Sequence[Any]) -> list[str]:
    """The name of each input: its key where inputs are a dict, else its tensor's."""
    if len(arguments) == 1 and isinstance(arguments[0], dict) and len(specs) == len(arguments[0]):
        return sorted(arguments[0])  # the order of `tf.nest.flatten`
    return [str(spec.name or f"input_{i}") for i, spec in enumerate(specs)]


def _output_names(model: Any, structure: Any) -> list[str]:
    import tensorflow as tf

    number = len(tf.nest.flatten(structure))
    if isinstance(structure, dict) and len(structure) == number:
        return sorted(structure)
    inner = getattr(model, "_functional", None) or model  # Keras 3's Sequential has one
    names = getattr(inner, "output_names", None) or ()
    return list(names) if len(names) == number else [f"output_{i}" for i in range(number)]


# Inputs and outputs -------------------------------------------------------------------------


def fixed(specs: Iterable[Any], names: Sequence[str], origin: str) -> list[Any]:
    """``specs``, which must have every size but the batch's."""
    found = []
    for spec, name in zip(specs, names, strict=True):
        sizes = None if spec.shape.rank is None else spec.shape.as_list()
        if sizes is None or None in sizes[1:]:
            what = f"the input '{name}' has the shape {sizes or 'of any rank'}"
            raise CompileError("E305", origin, what, "fix every size but the batch")
        if not (spec.dtype.is_floating or spec.dtype.is_integer or spec.dtype.is_bool):
            what = f"the input '{name}' is of the type {spec.dtype.name}"
            raise CompileError("E311", origin, what, "leave the work on text before the model")
        found.append(spec)
    return found


def ports(
    names: Sequence[str], specs: Sequence[Any], also: Sequence[str] = ()
) -> tuple[Wanted, ...]:
    """The ports of tensors with ``names`` and ``specs``, whose layers are called ``also``."""
    found: list[Wanted] = []
    keys: set[str] = set()
    for index, (name, spec) in enumerate(zip(names, specs, strict=True)):
        # A signature wants names of Python's parameters, each once.
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = plain if plain[:1].isalpha() and not keyword.iskeyword(plain) else f"x_{plain}"
        key = next(k for i in count() if (k := f"{plain}_{i}" if i else plain) not in keys)
        keys.add(key)
        layer = also[index] if len(also) == len(names) else ""
        known_as = dict.fromkeys(n for n in (key, name, layer) if n)
        sizes = None if spec.shape.rank is None else spec.shape.as_list()[1:]
        shape = None if sizes is None or None in sizes else tuple(sizes)
        dtype = "float32" if spec.dtype.is_floating else spec.dtype.name
        found.append(Wanted(name, tuple(known_as), shape, dtype))
    return tuple(found)
