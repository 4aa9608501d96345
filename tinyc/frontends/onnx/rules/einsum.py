"""Import Einsum."""

from __future__ import annotations

import math

from ....ir import Value
from ....ops.batch_matmul import BatchMatMul
from ....ops.reduce import Sum
from ..rule import OnnxOp, rule
from .reduce import reduced


@rule(BatchMatMul, "Einsum")
def einsum(src: OnnxOp) -> Value:
    """Of two operands: a product of matrices, of axes that are brought together for it."""
    terms, _, result = src.text("equation").replace(" ", "").partition("->")
    left, _, right = terms.partition(",")
    values = src.values(2) if right else src.values(1)
    if not result or "." in terms or any(len(set(t)) < len(t) for t in (left, right, result)):
        raise src.fail(
            f"its equation {src.text('equation')!r} is not supported",
            "write it as a product of matrices, with its result and no letter twice in a term",
        )
    summed = [
        _summed(src, v, own, other + result)
        for v, own, other in zip(values, (left, right), (right, left), strict=False)
    ]
    if not right:
        ((x, letters),) = summed
        return src.transposed(x, [letters.index(i) for i in result])
    (a, left), (b, right) = summed
    sizes = dict(zip(left + right, a.type.shape + b.type.shape, strict=True))
    batch = [i for i in left if i in right and i in result]
    inner = [i for i in left if i in right and i not in result]
    rows, columns = ([i for i in own if i not in batch + inner] for own in (left, right))

    def matrix(x: Value, own: str, outer: list[str], first: list[str], last: list[str]) -> Value:
        """[batch, first, last], each one axis."""
        x = src.transposed(x, [own.index(i) for i in (*outer, *first, *last)])
        return src.reshaped(x, [math.prod(sizes[i] for i in part) for part in (outer, first, last)])

    y = src.emit(
        BatchMatMul(False, False),
        [matrix(a, left, batch, rows, inner), matrix(b, right, batch, inner, columns)],
        [math.prod(sizes[i] for i in part) for part in (batch, rows, columns)],
    )
    made = [*batch, *rows, *columns]
    y = src.reshaped(y, [sizes[i] for i in made])
    return src.transposed(y, [made.index(i) for i in result])


def _summed(src: OnnxOp, x: Value, letters: str, kept: str) -> tuple[Value, str]:
    """``x`` without the axes that nothing else has."""
    gone = tuple(i for i, letter in enumerate(letters) if letter not in kept)
    if not gone:
        return x, letters
    return reduced(src, Sum, x, gone, keep=False), "".join(i for i in letters if i in kept)
