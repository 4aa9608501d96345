"""What kernels of the audio front end share: the call of one C function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..ir import Node
from .base import Binding, Constant
from .move import bind_operands, caption


def call(
    node: Node,
    function: str,
    header: str,
    operands: Sequence[str] = ("in",),
    outputs: Sequence[str] = ("out",),
    numbers: Sequence[int] = (),
    tables: tuple[Constant, ...] = (),
    fields: tuple[str, Mapping[str, int | Sequence[int]]] = ("", {}),
    inplace: int | None = None,
    renewed: int = 0,
) -> Binding:
    """``function`` of ``header`` takes the operands and outputs, called so, tables, numbers, and
    the address of a constant of the type ``fields[0]``, whose members are the others."""
    named, constants = bind_operands(node, *operands)
    lines = [
        f".{name} = {value if isinstance(value, int) else '{' + ', '.join(map(str, value)) + '}'}"
        for name, value in fields[1].items()
    ]
    return Binding(
        params={
            **named,
            "caption": caption(node),
            "results": [
                f"{v.type.dtype.c} *{n}" for v, n in zip(node.outputs, outputs, strict=True)
            ],
            "outputs": list(outputs),
            "function": function,
            "numbers": list(numbers),
            "tables": [table.suffix for table in tables],
            "struct": fields[0],
            "fields": lines,
        },
        constants=(*constants, *tables),
        support=(header,),
        inplace=inplace,
        renewed=renewed,
    )
