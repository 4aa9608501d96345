"""The JSON Schemas of what tinyc prints: ``docs/schemas/*.json``, made by `make docs`.

One for each kind of `tinyc.report.objects`, exact for what this version prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import objects

SCHEMA_VERSION = 1
"""Of all kinds together; a key that changes its meaning, or goes, makes a new one."""

KINDS: dict[str, type] = {
    "advise": objects.Advise,
    "bench": objects.Bench,
    "board": objects.Board,
    "boards": objects.Boards,
    "build": objects.Build,
    "calibrate": objects.Calibrate,
    "commands": objects.Commands,
    "compare": objects.Compare,
    "compress": objects.Compress,
    "coverage": objects.Coverage,
    "diff": objects.Diff,
    "doctor": objects.Doctor,
    "error": objects.Failure,
    "export": objects.Export,
    "fit": objects.Fit,
    "init": objects.Init,
    "kernels": objects.Kernels,
    "lock": objects.Lock,
    "opened": objects.Opened,
    "ops": objects.Ops,
    "profile": objects.Profile,
    "report": objects.Report,
    "search": objects.Search,
    "serve": objects.Serve,
    "show": objects.Show,
    "test": objects.Test,
    "train": objects.Train,
    "tune": objects.Tune,
    "verify": objects.Verify,
}
"""Kind -> what such an object is."""


def stamped(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` as an object of one of `KINDS`: with the version, in front."""
    assert kind in KINDS, kind
    return {"schema_version": SCHEMA_VERSION, **value}


def schemas() -> dict[str, dict[str, Any]]:
    """Kind -> its JSON Schema (draft 2020-12)."""
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        """Without a title for each key, which would say the key again."""

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    for table in (t for t in vars(objects).values() if hasattr(t, "__total__")):
        table.__pydantic_config__ = config
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        kind: dialect | TypeAdapter(table).json_schema(schema_generator=Untitled)
        for kind, table in KINDS.items()
    }
