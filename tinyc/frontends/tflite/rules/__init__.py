"""How each TFLite operator becomes nodes of the graph: one rule for each."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from ..rule import RULES, Rule


@cache
def load() -> dict[str, Rule]:
    """TFLite operator name -> its rule, of every file in this folder."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return RULES
