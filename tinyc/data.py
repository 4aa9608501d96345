"""Inputs and labels of a test: from an ``.npz`` file, or seeded at random."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import CompileError
from .ir import DType, Graph, TensorType, Value
from .ops._move import Movement
from .ops.cast import Cast
from .ops.gather import GatherComputed

NPZ_ERRORS = (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error,
              RuntimeError, SyntaxError, TypeError)  # fmt: skip
"""What `numpy.load` and the arrays' reading raise for a file that is none of `numpy.savez`, or a
damaged one; zipfile has RuntimeError for encrypted files and for methods that it does not know."""


@dataclass(frozen=True)
class Samples:
    """inputs: for each input of the graph an array [n, *shape] of its dtype;
    labels: class indices int64 [n], or None."""

    inputs: tuple[np.ndarray, ...]
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.inputs[0])

    def at(self, index: int) -> list[np.ndarray]:
        """The inputs of one sample, as `tinyc.ir.interpret` takes them."""
        return [array[index] for array in self.inputs]

    def first(self, count: int | None) -> Samples:
        """The first ``count`` samples; all of them if None."""
        if count is None:
            return self
        labels = None if self.labels is None else self.labels[:count]
        return Samples(tuple(a[:count] for a in self.inputs), labels)

    def bytes(self, states: bool = False) -> np.ndarray:
        """uint8 [n, bytes]: each sample's inputs one after the other, little-endian.

        states: of a model that keeps some; the samples are one sequence to it, and each is led by
        a byte that is 1 where the states are reset before: with the first (see `tinyc.run.run`).
        """
        rows = [
            np.ascontiguousarray(a, a.dtype.newbyteorder("<")).reshape(len(a), -1).view(np.uint8)
            for a in self.inputs
        ]
        if states:
            rows.insert(0, (np.arange(len(self)) == 0).astype(np.uint8)[:, None])
        return np.concatenate(rows, axis=1)


def random_samples(graph: Graph, count: int, seed: int) -> Samples:
    """``count`` seeded samples: integers over their whole range, floats from N(0, 1), indices
    into a table (of either type) over its rows."""
    rng = np.random.default_rng(seed)
    rows = _table_rows(graph)
    return Samples(tuple(_random(v.type, count, rng, rows.get(v)) for v in graph.inputs))


def _table_rows(graph: Graph) -> dict[Value, int]:
    """For each value that a GATHER takes its indices from, cast, moved or as it is: how many
    there are."""
    found: dict[Value, int] = {}
    for node in reversed(graph.nodes):
        if isinstance(node.op, GatherComputed):
            table, indices = node.inputs
            rows = [(indices, table.type.shape[node.op.axis])]
        elif isinstance(node.op, (Cast, Movement)) or node.op.view:
            least = [found[v] for v in node.outputs if v in found]
            rows = [(v, min(least)) for v in node.variable_inputs if least]
        else:
            continue
        for value, count in rows:
            found[value] = min(count, found.get(value, count))
    return found


def _random(type: TensorType, count: int, rng: np.random.Generator, rows: int | None) -> np.ndarray:
    shape = (count, *type.shape)
    if rows is not None and type.dtype is not DType.BOOL:
        most = rows if type.dtype is DType.F32 else min(rows, type.dtype.limits[1] + 1)
        return rng.integers(0, most, shape).astype(type.dtype.numpy)
    if type.dtype is DType.F32:
        return rng.standard_normal(shape, np.float32)
    if type.dtype is DType.BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    low, high = type.dtype.limits
    return rng.integers(low, high, shape, type.dtype.numpy, endpoint=True)


def load_npz(path: Path, graph: Graph) -> Samples:
    """The samples of an ``.npz``, see `given_samples`. Raises CompileError E202 (no such file),
    E210 (not an npz) and those of `given_samples`."""
    return given_samples(_read(path), graph, str(path))


def given_samples(arrays: Mapping[str, np.ndarray], graph: Graph, origin: str) -> Samples:
    """``x`` (of several inputs ``x_0``, ``x_1``, ...) and the optional labels ``y``.

    Each x is [n, *shape], the batch dimension of 1 may be left out, in the input's dtype or
    float (then quantized as TFLite's QUANTIZE does, halves away from zero); origin: where they
    are from. Raises CompileError E211 (a key is missing), E212 (shape), E213 (dtype),
    E214 (values).
    """
    names = ["x"] if len(graph.inputs) == 1 else [f"x_{i}" for i in range(len(graph.inputs))]
    for name in names:
        if name not in arrays:
            raise CompileError(
                "E211", origin, f"has no array '{name}' (it has {', '.join(arrays) or 'none'})",
                "save it with numpy.savez(path, x=inputs, y=labels)",
            )  # fmt: skip
    inputs = [
        _input(f"{origin}: {name}", arrays[name], value)
        for name, value in zip(names, graph.inputs, strict=True)
    ]
    counts = {len(a) for a in inputs}
    if len(counts) > 1 or counts == {0}:
        raise CompileError("E212", origin, f"holds {sorted(counts)} samples for its inputs")
    labels = _labels(f"{origin}: y", arrays["y"], len(inputs[0])) if "y" in arrays else None
    return Samples(tuple(inputs), labels)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            raise ValueError("it is a single .npy array")
        with content as file:
            return {key: file[key] for key in file.files if key in ("x", "y") or key[:2] == "x_"}
    except FileNotFoundError:
        raise CompileError("E202", str(path), "no such file") from None
    except PermissionError:
        raise
    except NPZ_ERRORS as error:
        raise CompileError(
            "E210", str(path), f"cannot be read as .npz: {error}", "save it with numpy.savez"
        ) from None


def _input(origin: str, x: np.ndarray, value: Value) -> np.ndarray:
    shape, dtype = value.type.shape, value.type.dtype
    accepted = [shape, shape[1:]] if shape[:1] == (1,) else [shape]
    if x.ndim == 0 or x.shape[1:] not in accepted:
        raise CompileError(
            "E212", origin, f"has shape {list(x.shape)}",
            f"the model takes [n, {', '.join(map(str, accepted[-1]))}]",
        )  # fmt: skip
    x = x.reshape(len(x), *shape)
    if x.dtype == dtype.numpy and dtype is not DType.F32:
        return x
    if x.dtype.kind != "f" or (value.type.quant is None and dtype is not DType.F32):
        also = " or float" if value.type.quant else ""
        raise CompileError(
            "E213", origin, f"has dtype {x.dtype}",
            f"the model's input is {dtype.numpy}{also}",
        )  # fmt: skip
    with np.errstate(over="ignore"):
        x = x.astype(np.float32, copy=False)
    _expect_finite(origin, x)
    return x if dtype is DType.F32 else quantize(x, value.type)


def _expect_finite(origin: str, x: np.ndarray) -> None:
    """Raise CompileError E214 for a number of x [n, ...] that float32 has not."""
    bad = ~np.isfinite(x)
    if bad.any():
        sample, *place = map(int, np.argwhere(bad)[0])
        count = int(bad.sum())
        more = f" and {count - 1} more" if count > 1 else ""
        raise CompileError(
            "E214", origin,
            f"holds NaN or infinity: sample {sample} at {place}{more}", "clean the data",
        )  # fmt: skip


def quantize(x: np.ndarray, type: TensorType) -> np.ndarray:
    """Floats to ``type``: round(x / scale) + zero_point, halves away from zero, clamped."""
    ratio = x.astype(np.float32) / np.float32(type.scale)
    rounded = np.trunc(ratio + np.copysign(np.float32(0.5), ratio))
    low, high = type.dtype.limits
    return np.clip(rounded.astype(np.float64) + type.zero_point, low, high).astype(type.dtype.numpy)


def dequantize(x: np.ndarray, type: TensorType) -> np.ndarray:
    """Numbers of ``type`` as float32: scale * (x - zero_point), or as they are."""
    if type.quant is None:
        return x.astype(np.float32)
    return (x.astype(np.float32) - np.float32(type.zero_point)) * np.float32(type.scale)


def _labels(origin: str, y: np.ndarray, count: int) -> np.ndarray:
    if y.shape == (count, 1):
        y = y[:, 0]
    if y.shape != (count,):
        raise CompileError(
            "E212", origin, f"has shape {list(y.shape)}", f"one class index a sample: [{count}]"
        )
    if y.dtype.kind not in "iu":
        raise CompileError("E213", origin, f"has dtype {y.dtype}", "class indices are integers")
    return y.astype(np.int64)
