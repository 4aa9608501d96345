"""The pages of the reference that are made from the code."""

from __future__ import annotations

import json

from . import operators, schema


def pages() -> dict[str, str]:
    """Path in ``docs/`` -> text of each page."""
    schemas = {
        f"schemas/{kind}.json": json.dumps(found, indent=2) + "\n"
        for kind, found in schema.schemas().items()
    }
    return {"operators.md": operators.markdown(), **schemas}
