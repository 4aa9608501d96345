"""Where the files that people read and change lie: templates/, boards/, firmware/,
recipes/.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import CompileError
from ..plugins import folders

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(name: str) -> Path:
    """The folder ``templates``, ``boards``, ``firmware`` or ``recipes``: inside the
    package where it was installed as a wheel, beside the package in a checkout."""
    inside = _PACKAGE / "_data" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def kernel_file(room: str, name: str) -> Path:
    """A kernel's file ``name`` in ``kernels/`` of ``room`` (``templates`` or ``firmware``), or
    beside the plugin that brings it. Raises CompileError E246 where there is none."""
    for folder in (resource(room) / "kernels", *folders()):
        if (folder / name).is_file():
            return folder / name
    kind = "template" if room == "templates" else "header"
    hint = "it belongs beside the plugin that brings the kernel"
    raise CompileError("E246", name, f"no such {kind} of a kernel", hint)
