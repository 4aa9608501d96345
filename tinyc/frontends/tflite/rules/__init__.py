"""How each TFLite operator becomes nodes of the graph: one rule for each."""

from __future__ import annotations

from .... import plugins
from ..rule import RULES, Rule


def load() -> dict[str, Rule]:
    """TFLite operator name -> its rule, of every file in this folder and every plugin."""
    plugins.load(__name__)
    return RULES
