"""Functions of TensorFlow as networks: those of a SavedModel and of a `tf.Module`, and functions of
JAX, of which `jax2tf` makes them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import CompileError
from ..packages import line
from .file import unreadable
from .graph import Network, fixed, ports


def of_saved_model(folder: Path, origin: str) -> Network:
    """The graph of a SavedModel: what its signature computes. Raises CompileError E305, E309 (it
    cannot be loaded), E313 (it has no signature)."""
    import tensorflow as tf

    try:
        root = tf.saved_model.load(str(folder))
    except Exception as error:
        raise unreadable(folder, error) from None
    signatures = root.signatures
    chosen = [name for name in ("serving_default", "serve") if name in signatures] or [*signatures]
    if not chosen:
        raise CompileError(
            "E313", origin, "the SavedModel has no signature to compute",
            "save it with model.export(folder), or with signatures=",
        )  # fmt: skip
    signature = signatures[chosen[0]]
    known = signature.structured_input_signature[1]
    inputs = _ordered(root, known)
    outputs = sorted(signature.structured_outputs, key=_natural)
    specs = fixed([known[name] for name in inputs], inputs, origin)

    def call(tensors: Sequence[Any]) -> list[Any]:
        results = signature(**dict(zip(inputs, tensors, strict=True)))
        return [results[name] for name in outputs]

    results = [signature.structured_outputs[name] for name in outputs]
    return Network(call, tuple(specs), ports(inputs, specs), ports(outputs, results), root=root)


def _ordered(root: Any, known: dict[str, Any]) -> list[str]:
    """The inputs of a signature, in the order of a function behind it."""
    import tensorflow as tf

    for behind in vars(root).values():
        for function in getattr(behind, "concrete_functions", ()):
            specs = tf.nest.flatten(function.structured_input_signature)
            names = [str(getattr(spec, "name", spec)) for spec in specs]
            if sorted(names) == sorted(known):
                return names
    return sorted(known, key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which output_10 comes behind output_9."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", name)]


def of_module(module: Any, origin: str) -> Network:
    """A `tf.Module`, or one function of TensorFlow: what it computes for its `input_signature`.
    Raises CompileError E305, E311 (it cannot be traced), E313 (which function is not clear)."""
    found = dict(_signed(module))
    function = found.get("__call__") or (next(iter(found.values())) if len(found) == 1 else None)
    if function is None:
        several = f"several ({', '.join(found)})" if found else "none"
        raise CompileError(
            "E313", origin, f"of functions with an input_signature it has {several}",
            "give one of them to tf.function(function, input_signature=[tf.TensorSpec(...)]), and "
            "return that",
        )  # fmt: skip
    return _traced(function.get_concrete_function, module, origin)


def _signed(module: Any) -> Iterator[tuple[str, Any]]:
    """The functions of a module, or itself, that tell what they take."""
    import tensorflow as tf

    kind = tf.types.experimental.PolymorphicFunction
    names = [] if isinstance(module, kind) else dir(module)
    for name, found in [("", module), *((name, getattr(module, name, None)) for name in names)]:
        if isinstance(found, kind) and found.input_signature is not None:
            yield name, found


def of_jax(function: Callable[..., Any], examples: Sequence[Any], origin: str) -> Network:
    """A function of JAX.

    examples: for each of its arguments an array, or a structure of them, of the shape and dtype of
    one run. Raises CompileError E311 where it cannot be computed on them, or not by TensorFlow.
    """
    import jax
    import tensorflow as tf
    from jax.experimental import jax2tf

    def traced() -> Any:
        named = inspect.signature(function).bind(*examples).arguments
        specs = []
        for parameter, example in named.items():
            flat, structure = jax.tree_util.tree_flatten_with_path(example)
            names = [f"{parameter}{jax.tree_util.keystr(path)}" for path, _ in flat]
            leaves = [
                tf.TensorSpec(leaf.shape, leaf.dtype, re.sub(r"\W+", "_", name).strip("_"))
                for name, (_, leaf) in zip(names, flat, strict=True)
            ]
            specs.append(jax.tree_util.tree_unflatten(structure, leaves))
        converted = jax2tf.convert(
            function, with_gradient=False, native_serialization_platforms=["cpu"]
        )
        return tf.function(converted, autograph=False).get_concrete_function(*specs)

    return _traced(traced, function, origin)


def _traced(trace: Callable[[], Any], root: Any, origin: str) -> Network:
    """The network of the concrete function that ``trace`` makes."""
    import tensorflow as tf

    try:
        concrete = trace()
    except Exception as error:
        what = f"cannot be called on its inputs: {line(str(error))}"
        raise CompileError("E311", origin, what, "call it before it is given") from None
    arguments, structure = concrete.structured_input_signature, concrete.structured_outputs
    inputs = tf.nest.flatten(arguments)
    names = [str(spec.name or f"input_{i}") for i, spec in enumerate(inputs)]
    specs = fixed(inputs, names, origin)
    results = tf.nest.flatten(structure)
    keys = structure if isinstance(structure, dict) and len(structure) == len(results) else None
    outputs = sorted(keys) if keys else [f"output_{i}" for i in range(len(results))]

    def call(tensors: Sequence[Any]) -> list[Any]:
        positional, named = tf.nest.pack_sequence_as(arguments, list(tensors))
        return list(tf.nest.flatten(concrete(*positional, **named)))

    return Network(call, tuple(specs), ports(names, specs), ports(outputs, results), root=root)
