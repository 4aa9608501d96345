"""How each TFLite operator becomes nodes of the graph: one rule for each."""

from __future__ import annotations

from ..rule import RULES

load = RULES.load
