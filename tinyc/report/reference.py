"""The pages of the reference that are made from the code."""

from __future__ import annotations

import json

from ..errors import catalogue
from . import operators, schema


def pages() -> dict[str, str]:
    """Path in ``docs/`` -> text of each page."""
    schemas = {
        f"schemas/{kind}.json": json.dumps(found, indent=2) + "\n"
        for kind, found in schema.schemas().items()
    }
    pages = {"errors.md": catalogue.markdown(), "operators.md": operators.markdown()}
    return pages | schemas
