"""What an operator's import rule sees of the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from ...errors import CompileError
from ...ir import Array, DType, Node, Op, Quant, TensorType, Value
from ...ops.base import CONVERT_AGAIN
from ..rulebook import Rulebook
from . import schema
from .flatbuffer import Table
from .source import SourceOp
from .variables import Variables

_MOST_CUSTOM = 4096  # bytes of custom options; those of larq's operators have some hundred


@dataclass(frozen=True)
class TfliteOp:
    """What an import rule sees. ``inputs`` and ``outputs`` are the graph's values; an absent
    optional input is None; unsigned: int8 values among them stand for uint8 ones of the file.
    intermediates: the types of `SourceOp.intermediates`; carried: see `carry`; variables: what the
    model keeps so far; kept: see `keep`."""

    file: str
    source: SourceOp
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    intermediates: tuple[TensorType | None, ...] = ()
    carried: dict[int, Value] = field(default_factory=dict)
    unsigned: bool = False
    variables: Variables = field(default_factory=Variables)
    kept: list[Value] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def origin(self) -> str:
        place = self.source.place(self.outputs[0].name if self.outputs else None)
        return f"{self.file}: {place}"

    def option(self, name: str) -> int:
        """An integer option by the name it has in `schema.OPTIONS`, or its default."""
        return int(self._option(name))

    def has_option(self, name: str) -> bool:
        """Whether `schema.OPTIONS` knows the option for this operator."""
        return name in schema.OPTIONS.get(self.name, {})

    def float_option(self, name: str) -> float:
        """A float option; raises E301 unless it is finite."""
        value = float(self._option(name))
        if not math.isfinite(value):
            raise self.fail(f"{name} is {value}", CONVERT_AGAIN, "E301")
        return value

    def _option(self, name: str) -> int | float:
        slot, kind, default = schema.OPTIONS[self.name][name]
        options = self._options()
        return default if options is None else options.scalar(slot, kind, default)

    def _options(self) -> Table | None:
        """The table of options; raises E301 if it is another operator's."""
        options, code = self.source.options, self.source.options_type
        if options is not None and code != schema.options_type(self.name):
            known = 0 <= code < len(schema.OPTION_TYPES)
            what = schema.OPTION_TYPES[code] if known else f"the unknown type {code}"
            raise self.fail(f"its options are those of {what}", CONVERT_AGAIN, "E301")
        return options

    def ints_option(self, name: str) -> tuple[int, ...]:
        slot, _, _ = schema.OPTIONS[self.name][name]
        options = self._options()
        return () if options is None else tuple(map(int, options.array(slot, np.int32)))

    def custom_options(self, *names: str, **defaults: int) -> dict[str, int]:
        """The integers ``names`` of a custom operator's options, a FlexBuffers map, and those of
        ``defaults`` that it may lack.

        Raises E301 unless the buffer is a map that holds every one of them.
        """
        found = self._custom_numbers(names)
        known = {name: found.get(name, default) for name, default in defaults.items()}
        known.update((name, found[name]) for name in names)
        for name, number in known.items():
            if not isinstance(number, int) or not -(1 << 31) <= number < 1 << 31:
                raise self.fail(f"its {name} is {number}", self._convert_custom, "E301")
        return {name: int(number) for name, number in known.items()}

    def custom_floats(self, *names: str) -> dict[str, float]:
        """The real numbers ``names`` of a custom operator's options, likewise, as float32 holds
        them; raises E301 also unless they are finite there."""
        found = self._custom_numbers(names)
        with np.errstate(over="ignore"):
            known = {name: float(np.float32(found[name])) for name in names}
        for name, number in known.items():
            if not math.isfinite(number):
                raise self.fail(f"its {name} is {number}", self._convert_custom, "E301")
        return known

    @property
    def _convert_custom(self) -> str:
        larq = self.name.startswith("CUSTOM Lce")
        return "convert the model again with larq_compute_engine" if larq else CONVERT_AGAIN

    def _custom_numbers(self, names: Sequence[str]) -> dict[str, int | float]:
        """All numbers of the custom options; raises E301 unless ``names`` are among them."""
        hint = self._convert_custom
        found = _flexbuffer(bytes(self.source.custom[: _MOST_CUSTOM + 1]))
        if isinstance(found, str):
            raise self.fail(f"its custom options cannot be read ({found})", hint, "E301")
        missing = [name for name in names if name not in found]
        if missing:
            raise self.fail(f"its custom options lack {', '.join(missing)}", hint, "E301")
        return found

    def activation(self) -> str:
        """The fused activation: ``none``, ``relu``, ``relu6`` or ``relu_n1_to_1``."""
        return self.activation_name(self.option("activation"))

    def activation_name(self, code: int) -> str:
        """The name of a fused activation's code; raises E302 unless it is one of those four."""
        name = schema.ACTIVATIONS[code] if 0 <= code < len(schema.ACTIVATIONS) else str(code)
        if name not in ("none", "relu", "relu6", "relu_n1_to_1"):
            raise self.fail(
                f"fused activation {name} is not supported",
                "use RELU, RELU6 or RELU_N1_TO_1, or a separate activation layer",
            )
        return name

    def padding(self) -> str:
        """``same`` or ``valid``."""
        return self.padding_name(self.option("padding"))

    def padding_name(self, code: int) -> str:
        """``same`` or ``valid`` of a padding's code; raises E301 for any other."""
        if code not in (0, 1):
            raise self.fail(f"padding {code} is unknown", CONVERT_AGAIN, "E301")
        return schema.PADDINGS[code]

    def operands(self, least: int, most: int | None = None, outputs: int | None = 1) -> list[Value]:
        """The present inputs; raises E301 unless there are ``least`` to ``most`` of them, without
        a gap, and ``outputs`` outputs (None: any number)."""
        most = least if most is None else most
        present = [v for v in self.inputs if v is not None]
        if not least <= len(present) <= most or None in self.inputs[: len(present)]:
            want = str(least) if least == most else f"{least} to {most}"
            raise self.fail(f"has {len(present)} inputs, not {want}", CONVERT_AGAIN, "E301")
        if not self.outputs or (outputs is not None and len(self.outputs) != outputs):
            raise self.fail(
                f"has {len(self.outputs)} outputs, not {outputs}", CONVERT_AGAIN, "E301"
            )
        return present

    def constant_ints(self, value: Value) -> tuple[int, ...]:
        """The data of a constant integer operand (a shape, axes, paddings), flat."""
        if value.data is None:
            raise self.fail(
                f"operand '{value.name}' depends on the model's input",
                "make it a constant: shapes, axes and sizes are fixed at compile time",
                "E305",
            )
        if value.type.dtype not in (DType.I32, DType.I64, DType.I16, DType.I8):
            raise self.fail(
                f"operand '{value.name}' is not of an integer type", CONVERT_AGAIN, "E301"
            )
        return tuple(int(x) for x in value.data.ravel())

    def carry(self, place: int) -> tuple[Value, Value]:
        """Operand ``place``, a variable tensor, as (what it holds before, a new value for what
        the operator leaves in it, which must become an output of a node). Raises E301 if it is
        absent."""
        before = self.inputs[place] if place < len(self.inputs) else None
        if before is None:
            raise self.fail(f"has no operand {place}, its state", CONVERT_AGAIN, "E301")
        after = Value(f"{self.outputs[0].name}/state{place}", before.type, self.origin)
        self.carried[place] = after
        return before, after

    def keep(self, initial: Array, after: Value | None = None) -> tuple[Value, Value]:
        """A state of the operator's own, which is no tensor of the file, as (what its last run
        left, what this one leaves: ``after``, or a new value, which must become an output of a
        node). initial: what it holds before the first run."""
        name = self.outputs[0].name
        kind = after.type if after else self.const("kept", initial).type
        start = Value(f"{name}/initial", kind, self.origin, initial)
        before = Value(f"{name}/kept", kind, self.origin)
        after = after or Value(f"{name}/keeps", kind, self.origin)
        # In a loop, one operator of the file runs several times.
        variable = "", f"operator {id(self.source)}"
        with self.variables.initializing():
            self.variables.assign(variable, start, self.origin)
        before = self.variables.read(variable, before, self.origin)
        self.variables.assign(variable, after, self.origin)
        self.kept.append(after)
        return before, after

    def node(self, op: Op, inputs: tuple[Value, ...] | list[Value] | None = None) -> Node:
        """A node with this operator's outputs and origin; ``inputs`` default to all present."""
        chosen = [v for v in self.inputs if v is not None] if inputs is None else inputs
        return Node(op, tuple(chosen), self.outputs, self.origin)

    def const(self, suffix: str, data: Array, quant: Quant | None = None) -> Value:
        """A new constant beside this operator."""
        dtype = next(d for d in DType if d.numpy == data.dtype)
        name = f"{self.outputs[0].name}/{suffix}"
        return Value(name, TensorType(data.shape, dtype, quant), self.origin, data)

    def fail(self, what: str, hint: str = "", id: str = "E302") -> CompileError:
        return CompileError(id, self.origin, what, hint)


@lru_cache(maxsize=256)
def _flexbuffer(content: bytes) -> dict[str, int | float] | str:
    """The numbers of a FlexBuffers map by their keys, or what is wrong with it."""
    from flatbuffers import flexbuffers

    if len(content) > _MOST_CUSTOM:
        return f"over {_MOST_CUSTOM} bytes"
    found: dict[str, int | float] = {}
    try:
        options = flexbuffers.GetRoot(bytearray(content)).AsMap
        for key, value in zip(options.Keys, options.Values, strict=False):
            if value.IsInt or value.IsBool:
                found[key.AsKey] = value.AsInt
            elif value.IsFloat:
                found[key.AsKey] = value.AsFloat
    except Exception as error:  # the reader trusts every offset of what it reads
        return type(error).__name__
    return found


RULES: Rulebook[Callable[[TfliteOp], list[Node]]] = Rulebook(f"{__package__}.rules")
rule, family = RULES.rule, RULES.family
