"""Import rules: how each operator of a format becomes nodes of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from .. import plugins
from ..ir import Op

ApplyT = TypeVar("ApplyT", bound=Callable[..., Any])
RuleT = TypeVar("RuleT", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rule(Generic[ApplyT]):
    """op: what an operator of the format becomes, in the main; apply: imports one of it. Raises
    CompileError (E3xx) with the node's origin."""

    op: type[Op]
    apply: ApplyT


class Rulebook(Generic[ApplyT]):
    """The rules of one format, by the names of its operators.

    room: the package whose modules hold tinyc's own; label: what stands before a name in a
    message.
    """

    def __init__(self, room: str, label: str = "") -> None:
        self._room, self._label = room, label
        self._rules: dict[str, Rule[ApplyT]] = {}

    def rule(self, op: type[Op], *names: str) -> Callable[[RuleT], RuleT]:
        """Decorator: the function imports the operators ``names`` as ``op``."""

        def known(function: RuleT) -> RuleT:
            for name in names:
                self._add(name, op, function)
            return function

        return known

    def family(self, ops: Mapping[str, type[Op]]) -> Callable[[RuleT], RuleT]:
        """Decorator: the function takes the operator that the name in ``ops`` tells, then
        imports."""

        def known(function: RuleT) -> RuleT:
            for name, op in ops.items():
                self._add(name, op, partial(function, op))
            return function

        return known

    def load(self) -> dict[str, Rule[ApplyT]]:
        """Operator name -> its rule, of every file of the room and every plugin."""
        plugins.load(self._room)
        return self._rules

    def _add(self, name: str, op: type[Op], apply: Any) -> None:
        plugins.claim(f"the rule of {self._label}{name}")
        self._rules[name] = Rule(op, apply)
