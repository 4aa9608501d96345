"""Where the files that people read and change lie: templates/, boards/, firmware/,
recipes/.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(name: str) -> Path:
    """The folder ``templates``, ``boards``, ``firmware`` or ``recipes``: inside the
    package where it was installed as a wheel, beside the package in a checkout."""
    inside = _PACKAGE / "_data" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
