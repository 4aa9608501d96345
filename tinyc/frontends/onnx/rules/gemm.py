"""Import Gemm and MatMul."""

from __future__ import annotations

import numpy as np

from ....ir import Array, Quant, Value
from ....ops.add import Add
from ....ops.base import CONVERT_AGAIN
from ....ops.batch_matmul import BatchMatMul
from ....ops.fully_connected import FullyConnected
from ....ops.mul import Mul
from ..rule import OnnxOp, rule


@rule(FullyConnected, "Gemm")
def gemm(src: OnnxOp) -> Value:
    """alpha * A' * B' + beta * C: a dense layer where B is constant, and C a number for each
    column; else a product of two activations, and a sum."""
    a, b = src.value(0), src.value(1)
    if len(a.type.shape) != 2 or len(b.type.shape) != 2:
        raise src.fail("its operands are not of rank 2", CONVERT_AGAIN, "E301")
    alpha, beta = src.number("alpha", 1.0), src.number("beta", 1.0)
    turned, turned_b = bool(src.integer("transA", 0)), bool(src.integer("transB", 0))
    c = src.value(2) if src.present(2) and beta else None
    columns = b.type.shape[0 if turned_b else 1]
    if b.constant and (c is None or (c.constant and _one_row(c.type.shape, columns))):
        weights = src.numbers(1) if turned_b else src.numbers(1).T
        bias = np.zeros(columns, np.float32)
        if c is not None:
            bias = np.broadcast_to(np.float32(beta) * src.numbers(2).ravel(), columns)
        x = src.transposed(a, (1, 0)) if turned else a
        return dense(src, x, np.float32(alpha) * weights, bias)
    rows = a.type.shape[1 if turned else 0]
    y = src.emit(BatchMatMul(turned, turned_b), [a, b], (rows, columns))
    y = _scaled(src, y, alpha, "alpha")
    if c is None:
        return y
    return src.emit(Add("none"), [y, _scaled(src, c, beta, "beta")], y.type.shape)


def _one_row(shape: tuple[int, ...], columns: int) -> bool:
    return shape[-1:] in ((), (1,), (columns,)) and all(d == 1 for d in shape[:-1])


def _scaled(src: OnnxOp, x: Value, factor: float, name: str) -> Value:
    if factor == 1:
        return x
    return src.emit(Mul("none"), [x, src.const(name, np.array(factor, np.float32))], x.type.shape)


@rule(BatchMatMul, "MatMul")
def matmul(src: OnnxOp) -> Value:
    """A dense layer where the second operand is a constant matrix, else a product of two."""
    a, b = src.values(2)
    rank_a, rank_b = len(a.type.shape), len(b.type.shape)
    if not rank_a or not rank_b:
        raise src.fail("an operand is a scalar", CONVERT_AGAIN, "E301")
    if b.constant and rank_b == 2 and a.type.shape[-1] == b.type.shape[0]:
        x = a if rank_a > 1 else src.reshaped(a, (1, *a.type.shape))
        weights = src.numbers(1).T
        y = dense(src, x, weights, np.zeros(len(weights), np.float32))
        return src.reshaped(y, (*a.type.shape[:-1], len(weights)))
    return product(src, BatchMatMul(False, False), a, b)


def product(src: OnnxOp, op: BatchMatMul, a: Value, b: Value, quant: Quant | None = None) -> Value:
    """``op`` of two activations of any rank; quant: of an int8 output. Raises E301."""
    rank_a, rank_b = len(a.type.shape), len(b.type.shape)
    # A vector is a row on the left and a column on the right, of which the result keeps nothing.
    left = a if rank_a > 1 else _shaped(src, a, (1, *a.type.shape))
    right = b if rank_b > 1 else _shaped(src, b, (*b.type.shape, 1))
    rows, depth = left.type.shape[-2:]
    if right.type.shape[-2] != depth:
        raise src.fail(f"{a.type} and {b.type} do not fit", CONVERT_AGAIN, "E301")
    lead = src.broadcast(left.type.shape[:-2], right.type.shape[:-2])
    y = src.emit(op, [left, right], (*lead, rows, right.type.shape[-1]), quant)
    kept = (*lead, *((rows,) if rank_a > 1 else ()), *(right.type.shape[-1:] if rank_b > 1 else ()))
    return src.reshaped(y, kept)


def _shaped(src: OnnxOp, x: Value, shape: tuple[int, ...]) -> Value:
    if x.data is None:
        return src.reshaped(x, shape)
    return src.const(x.name, x.data.reshape(shape), x.type.quant)


def dense(
    src: OnnxOp,
    x: Value,
    weights: Array,
    bias: Array,
    quants: tuple[Quant, Quant] | None = None,
) -> Value:
    """x [..., in] by weights [out, in] and bias [out] -> [..., out]; raises E301. quants: of the
    weights, and of the output."""
    out, depth = weights.shape
    if x.type.shape[-1] != depth:
        what = f"weights of {depth} inputs do not fit {list(x.type.shape)}"
        raise src.fail(what, CONVERT_AGAIN, "E301")
    operands = [
        x,
        src.const("weights", np.ascontiguousarray(weights), quants and quants[0]),
        src.const("bias", np.ascontiguousarray(bias)),
    ]
    op = FullyConnected("none", keep_num_dims=True, float_scaled=quants is not None)
    return src.emit(op, operands, (*x.type.shape[:-1], out), quants and quants[1])
