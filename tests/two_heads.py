"""A small classifier with a side head, as a .tflite file of two outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tflite_writer import TensorSpec, write_model

from tinyc.ir import Array

CONV = {"padding": 0, "strideW": 1, "strideH": 1, "fusedActivationFunction": 1}
CONV |= {"dilationWFactor": 1, "dilationHFactor": 1}
SHAPE = (1, 8, 8, 3)
CLASSES = 4
SCORES = ("int8", 1 / 256, -128)


def write_two_heads(
    path: Path, final_first: bool = False, real: bool = False, **changes: Any
) -> Path:
    """int8 [1, 8, 8, 3] through a convolution to the side head ``soon``, int8 [1, 4], a dense layer
    of its mean and a softmax; through two more to the final head ``late``.

    final_first: the order of the outputs; real: float32 outputs, of ``soon_int8`` and
    ``late_int8``; changes: ``without``, the tensors that are not made, ``outputs``, their names.
    """
    rng = np.random.default_rng(5)

    def weights(name: str, *shape: int) -> TensorSpec:
        return TensorSpec(name, shape, "int8", 0.02, 0, 0, rng.integers(-99, 100, shape))

    def bias(name: str, count: int, scale: float) -> TensorSpec:
        return TensorSpec(name, (count,), "int32", scale, 0, 0, rng.integers(-99, 100, count))

    def image(name: str, *scale: Any) -> TensorSpec:
        return TensorSpec(name, (1, 8, 8, 8), "int8", *scale)

    def head(name: str) -> list[TensorSpec]:
        return [
            TensorSpec(f"{name}_mean", (1, 8), "int8", 0.05, -128),
            weights(f"{name}_w", CLASSES, 8),
            bias(f"{name}_b", CLASSES, 0.001),
            TensorSpec(f"{name}_logits", (1, CLASSES), "int8", 0.15, 3),
            TensorSpec(f"{name}_int8" if real else name, (1, CLASSES), *SCORES),
            *([TensorSpec(name, (1, CLASSES), "float32")] if real else []),
        ]

    tensors = [
        TensorSpec("x", SHAPE, "int8", 0.05, -3),
        TensorSpec("axes", (2,), "int32", data=[1, 2]),
        weights("w0", 8, 3, 3, 3), bias("b0", 8, 0.001), image("a", 0.05, -128),
        weights("w1", 8, 3, 3, 8), bias("b1", 8, 0.001), image("b", 0.05, -128),
        weights("w2", 8, 3, 3, 8), bias("b2", 8, 0.001), image("c", 0.05, -128),
        *head("soon"), *head("late"),
    ]  # fmt: skip
    operators = [
        ("CONV_2D", CONV, "x w0 b0", "a"),
        ("CONV_2D", CONV, "a w1 b1", "b"),
        ("CONV_2D", CONV, "b w2 b2", "c"),
        *(
            operator
            for name, source in (("late", "c"), ("soon", "a"))
            for operator in (
                ("MEAN", {}, f"{source} axes", f"{name}_mean"),
                ("FULLY_CONNECTED", {}, f"{name}_mean {name}_w {name}_b", f"{name}_logits"),
                ("SOFTMAX", {"beta": 1.0}, f"{name}_logits", f"{name}_int8" if real else name),
                *([("DEQUANTIZE", {}, f"{name}_int8", name)] if real else []),
            )
        ),
    ]
    outputs = changes.get("outputs", ["late", "soon"] if final_first else ["soon", "late"])
    at = {tensor.name: index for index, tensor in enumerate(tensors)}
    return write_model(
        path,
        [
            (name, options, [at[t] for t in ins.split()], [at[out]])
            for name, options, ins, out in operators
            if out not in changes.get("without", ())
        ],
        tensors, [at["x"]], [at[name] for name in outputs],
    )  # fmt: skip


def inputs(count: int, seed: int = 0) -> Array:
    """int8 [count, 1, 8, 8, 3]: each of another contrast, so that some are sure and some not."""
    rng = np.random.default_rng(seed)
    contrast = rng.uniform(0, 127, (count, 1, 1, 1, 1))
    return np.round(rng.uniform(-1, 1, (count, *SHAPE)) * contrast).astype(np.int8)
