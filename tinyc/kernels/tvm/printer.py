"""Lowered TIR -> the body of a C99 function: plain loops over pointers.

Only what TVM's passes leave is known here (see `tinyc.kernels.tvm.lower`): loops with constant
bounds, stores and loads of flat buffers, conditions, integer and float32 arithmetic, and calls of
the functions in ``firmware/kernels/``. Anything else is an error in a schedule, found when it is
printed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t",
    "int32": "int32_t", "uint32": "uint32_t", "float32": "float", "bool": "int",
}  # fmt: skip
_BYTES = {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float32": 4}
_PROMOTED = ("int8", "uint8", "int16", "uint16")
"""Types that C turns into int where it computes with them."""
_BINARY = {
    "Mul": ("*", 13), "FloorDiv": ("/", 13), "FloorMod": ("%", 13), "Div": ("/", 13),
    "Mod": ("%", 13), "Add": ("+", 12), "Sub": ("-", 12), "LShift": ("<<", 11),
    "RShift": (">>", 11), "LT": ("<", 10), "LE": ("<=", 10), "GT": (">", 10), "GE": (">=", 10),
    "EQ": ("==", 9), "NE": ("!=", 9), "BitwiseAnd": ("&", 8), "BitwiseXor": ("^", 7),
    "BitwiseOr": ("|", 6), "And": ("&&", 5), "Or": ("||", 4),
}  # fmt: skip
_INTRINSICS = {
    "bitwise_and": "BitwiseAnd", "bitwise_or": "BitwiseOr", "bitwise_xor": "BitwiseXor",
    "shift_left": "LShift", "shift_right": "RShift",
}  # fmt: skip
_TERNARY, _UNARY, _PRIMARY = 3, 14, 15
WIDTH = 100
"""Characters of a line."""
ALIGN = 8
"""Alignment in bytes of each buffer in the working memory."""


@dataclass
class Body:
    """lines: of the function, indented by four spaces; scratch: bytes of working memory, which
    the lines take from ``uint8_t *scratch``; used: the names in them."""

    lines: list[str]
    scratch: int
    used: frozenset[str]


def print_body(module: Any, statement: Any, names: Mapping[int, str]) -> Body:
    """The C of ``statement``; ``module``: ``tvm``; ``names``: pointer of each parameter's hash."""
    printer = _Printer(module, dict(names))
    printer.statement(statement, 1)
    return Body(printer.lines, printer.scratch, frozenset(printer.used))


class _Printer:
    def __init__(self, module: Any, names: dict[int, str]) -> None:
        self.tvm = module
        self.analyzer = module.sym.Analyzer()
        self.names = names
        self.taken = set(names.values()) | {"scratch"}
        self.used: set[str] = set()
        self.lines: list[str] = []
        self.scratch = 0

    def line(self, depth: int, text: str) -> None:
        """Add a line, in as many pieces as its width takes."""
        indent = "    " * depth
        while len(indent) + len(text) > WIDTH:
            room = WIDTH - len(indent)
            comma = text.rfind(", ", 0, room)
            cut = comma + 1 if comma > 0 else text.rfind(" ", 0, room)
            if cut <= 0:
                break
            self.lines.append(indent + text[:cut])
            text, indent = text[cut + 1 :], "    " * (depth + 2)
        self.lines.append(indent + text)

    def name(self, variable: Any) -> str:
        name = self.names[hash(variable)]
        self.used.add(name)
        return name

    def declare(self, variable: Any, wish: str) -> str:
        """A name that nothing in scope has, so that none is shadowed."""
        wish = re.sub(r"_0$", "_tile", re.sub(r"_1$", "", wish))
        if re.fullmatch(r"ax\d+(_\w+)?", wish):
            wish = next(n for n in ("i", "j", "k", "m", "n", "q", "r", "s") if n not in self.taken)
        name, number = wish, 1
        while name in self.taken:
            number += 1
            name = f"{wish}{number}"
        self.taken.add(name)
        self.names[hash(variable)] = name
        return name

    # Statements -------------------------------------------------------------------------

    def statement(self, node: Any, depth: int) -> None:
        getattr(self, f"_{type(node).__name__}")(node, depth)

    def _SeqStmt(self, node: Any, depth: int) -> None:
        for part in node.seq:
            self.statement(part, depth)

    def _DeclBuffer(self, node: Any, _depth: int) -> None:
        # It is the same pointer by another name.
        data = node.data.args[0] if type(node.data).__name__ == "Call" else node.data
        self.names[hash(node.buffer)] = self.names[hash(data)]

    def _AllocBuffer(self, node: Any, depth: int) -> None:
        buffer = node.buffer
        (count,) = (int(n) for n in buffer.shape)
        name = self.declare(buffer, buffer.name.removesuffix("_local"))
        ctype = _TYPES[buffer.dtype]
        if buffer.scope() == "local":
            self.line(depth, f"{ctype} {name}[{count}];")
            return
        at = f"scratch + {self.scratch}" if self.scratch else "scratch"
        cast = "" if ctype == "uint8_t" else f"({ctype} *)" + ("" if "8" in ctype else "(void *)")
        at = f"({at})" if cast and self.scratch else at
        self.line(depth, f"{ctype} *const {name} = {cast}{at};")
        self.scratch += -(-count * _BYTES[buffer.dtype] // ALIGN) * ALIGN

    def _For(self, node: Any, depth: int) -> None:
        if self._padding(node, depth):
            return
        outside = set(self.taken)
        name = self.declare(node.loop_var, node.loop_var.name)
        count = int(node.extent)
        assert int(node.min) == 0
        self.analyzer.bind(node.loop_var, self.tvm.ir.Range(0, count))
        self.line(depth, f"for (int32_t {name} = 0; {name} < {count}; {name}++) {{")
        self.statement(node.body, depth + 1)
        self.line(depth, "}")
        self.taken = outside

    def _IfThenElse(self, node: Any, depth: int) -> None:
        self.line(depth, f"if ({self.text(node.condition)}) {{")
        outside = set(self.taken)
        self.statement(node.then_case, depth + 1)
        self.taken = outside
        if node.else_case is not None:
            self.line(depth, "} else {")
            self.statement(node.else_case, depth + 1)
            self.taken = set(outside)
        self.line(depth, "}")

    def _Bind(self, node: Any, depth: int) -> None:
        value = self.text(node.value)
        name = self.declare(node.var, node.var.name)
        self.line(depth, f"const {_TYPES[str(node.var.ty.dtype)]} {name} = {value};")

    def _BufferStore(self, node: Any, depth: int) -> None:
        (index,) = node.indices
        target = self._element(node.buffer, index)
        value = node.value
        kind = type(value).__name__
        if kind in ("Add", "Sub", "BitwiseOr") and self._same_element(value.a, node.buffer, index):
            operator = _BINARY[kind][0]
            self.line(depth, f"{target} {operator}= {self.text(value.b)};")
            return
        self.line(depth, f"{target} = {self._narrowed(value, node.buffer.dtype)};")

    def _Evaluate(self, node: Any, depth: int) -> None:
        if type(node.value).__name__ != "IntImm":
            self.line(depth, f"{self.text(node.value)};")

    def _same_element(self, load: Any, buffer: Any, index: Any) -> bool:
        if type(load).__name__ != "TensorLoad" or hash(load.source) != hash(buffer):
            return False
        return self.text(load.indices[0]) == self.text(index)

    def _narrowed(self, value: Any, dtype: str) -> str:
        kind = type(value).__name__
        exact = kind in ("Cast", "IntImm", "TensorLoad", "Call")
        if exact or dtype not in _PROMOTED:
            return self.text(value)
        return f"({_TYPES[dtype]})({self.text(value)})"

    # Padding: for j: to[a + j] = inside(j) ? from[b + j] : fill --------------------------------

    def _padding(self, loop: Any, depth: int) -> bool:
        """Print a loop that copies a row and fills its ends as memset and memcpy."""
        store, variable, count = loop.body, loop.loop_var, int(loop.extent)
        if type(store).__name__ != "BufferStore" or type(store.value).__name__ != "Call":
            return False
        if not store.value.op.name.endswith(".if_then_else"):
            return False
        condition, load, fill = store.value.args
        number = int(fill) if type(fill).__name__ == "IntImm" else None
        size = _BYTES[store.buffer.dtype]
        if number is None or type(load).__name__ != "TensorLoad" or (size > 1 and number):
            return False
        ends = [self._linear(i, variable) for i in (store.indices[0], load.indices[0])]
        low, high, rest = 0, count, []
        for part in self._conjuncts(condition):
            if not self._uses(part, variable):
                rest.append(part)
                continue
            bound = self._bound(part, variable)
            if bound is None:
                return False
            low, high = max(low, bound[0]), min(high, bound[1])
        if any(e is None for e in ends) or low >= high:
            return False
        to, source = ends

        def filled(first: int, end: int, indent: int) -> None:
            if end > first:
                at = self._pointer(store.buffer, to + first)
                self.line(indent, f"memset({at}, {number}, {(end - first) * size});")

        inner = depth + bool(rest)
        if rest:
            text = " && ".join(self.text(part, _BINARY["And"][1]) for part in rest)
            self.line(depth, f"if ({text}) {{")
        filled(0, low, inner)
        at = self._pointer(store.buffer, to + low)
        start = self._pointer(load.source, source + low)
        self.line(inner, f"memcpy({at}, {start}, {(high - low) * size});")
        filled(high, count, inner)
        if rest:
            self.line(depth, "} else {")
            filled(0, count, inner)
            self.line(depth, "}")
        return True

    def _conjuncts(self, condition: Any) -> list[Any]:
        if type(condition).__name__ == "And":
            return [*self._conjuncts(condition.a), *self._conjuncts(condition.b)]
        return [condition]

    def _linear(self, index: Any, variable: Any) -> Any:
        """What is left of an index that is ``variable`` plus something else, or None."""
        found = self.tvm.sym.detect_linear_equation(index, [variable])
        if not found or type(found[0]).__name__ != "IntImm" or int(found[0]) != 1:
            return None
        return self.analyzer.simplify(found[1])

    def _bound(self, part: Any, variable: Any) -> tuple[int, int] | None:
        """The range [low, high) of ``variable`` in which a comparison with a number holds."""
        kind, a, b = type(part).__name__, part.a, part.b
        if hash(b) == hash(variable) and type(a).__name__ == "IntImm":
            kind = {"LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE"}.get(kind, "")
            a, b = b, a
        if hash(a) != hash(variable) or type(b).__name__ != "IntImm":
            return None
        most, n = 1 << 30, int(b)
        ranges = {"LT": (0, n), "LE": (0, n + 1), "GT": (n + 1, most), "GE": (n, most)}
        return ranges.get(kind)

    def _uses(self, expression: Any, variable: Any) -> bool:
        found = self.tvm.tirx.analysis.undefined_vars(expression)
        return any(hash(v) == hash(variable) for v in found)

    # Expressions ------------------------------------------------------------------------

    def text(self, node: Any, above: int = 0) -> str:
        """``node`` in C, in parentheses if it binds less than ``above``."""
        text, level = self._expression(node)
        return text if level >= above else f"({text})"

    def _expression(self, node: Any) -> tuple[str, int]:
        kind = type(node).__name__
        if kind in _BINARY:
            return self._operation(kind, node.a, node.b)
        if kind in ("Min", "Max"):
            return f"tinyc_{kind.lower()}({self.text(node.a)}, {self.text(node.b)})", _PRIMARY
        found: tuple[str, int] = getattr(self, f"_{kind}")(node)
        return found

    def _operation(self, kind: str, a: Any, b: Any) -> tuple[str, int]:
        operator, level = _BINARY[kind]
        if kind in ("FloorDiv", "FloorMod"):
            assert self.analyzer.can_prove(a >= 0), f"{a} may be negative"
        if kind == "Add" and type(b).__name__ == "IntImm" and int(b) < 0:
            return f"{self.text(a, level)} - {-int(b)}", level
        # Mixed precedences that compilers warn of, and people misread, are put in parentheses.
        strict = kind in ("LShift", "RShift", "BitwiseAnd", "BitwiseXor", "BitwiseOr", "Or")
        left = _UNARY if strict else level
        right = _UNARY if strict else level + 1
        return f"{self.text(a, left)} {operator} {self.text(b, right)}", level

    def _Var(self, node: Any) -> tuple[str, int]:
        return self.name(node), _PRIMARY

    def _IntImm(self, node: Any) -> tuple[str, int]:
        number = int(node.value)
        if str(node.ty.dtype).startswith("uint"):
            return f"{number}U", _PRIMARY
        if number == -(1 << 31):
            return "INT32_MIN", _PRIMARY
        return str(number), _PRIMARY if number >= 0 else _UNARY

    def _TensorLoad(self, node: Any) -> tuple[str, int]:
        (index,) = node.indices
        return self._element(node.source, index), _PRIMARY

    def _Cast(self, node: Any) -> tuple[str, int]:
        source, target = (str(n.ty.dtype) for n in (node.value, node))
        implicit = (source in _PROMOTED or source == "bool") and target == "int32"
        if implicit:
            return self._expression(node.value)
        return f"({_TYPES[target]}){self.text(node.value, _UNARY)}", _UNARY

    def _Not(self, node: Any) -> tuple[str, int]:
        return f"!{self.text(node.a, _UNARY)}", _UNARY

    def _Select(self, node: Any) -> tuple[str, int]:
        return self._choice(node.condition, node.true_value, node.false_value)

    def _choice(self, condition: Any, yes: Any, no: Any) -> tuple[str, int]:
        parts = [self.text(part, _TERNARY + 1) for part in (condition, yes, no)]
        return f"{parts[0]} ? {parts[1]} : {parts[2]}", _TERNARY

    def _Call(self, node: Any) -> tuple[str, int]:
        name = node.op.name.rpartition(".")[2]
        if name in ("call_extern", "call_pure_extern"):
            function, *args = node.args
            return f"{function.value}({', '.join(self.text(a) for a in args)})", _PRIMARY
        if name == "if_then_else":
            return self._choice(*node.args)
        if name in _INTRINSICS:
            return self._operation(_INTRINSICS[name], *node.args)
        if name == "tvm_access_ptr":
            _, data, offset, *_ = node.args
            return self._pointer(data.args[0], offset), _BINARY["Add"][1]
        raise AssertionError(f"{node.op.name} has no form in C")

    def _element(self, buffer: Any, index: Any) -> str:
        return f"{self.name(buffer)}[{self.text(index)}]"

    def _pointer(self, buffer: Any, offset: Any) -> str:
        """``buffer + (offset)``: no pointer on the way leaves the buffer."""
        offset = self.analyzer.simplify(offset)
        if type(offset).__name__ == "IntImm" and not int(offset):
            return self.name(buffer)
        return f"{self.name(buffer)} + {self.text(offset, _BINARY['Add'][1] + 1)}"
