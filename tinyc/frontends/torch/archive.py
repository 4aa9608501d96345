"""A ``.pt2`` file of torch.export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import CompileError
from ..packages import line


def load(path: Path, trust: bool) -> Any:
    """The torch.export.ExportedProgram of a file. Raises CompileError E309, E312."""
    import torch

    if not trust:
        raise CompileError(
            "E312", str(path), "PyTorch unpickles parts of a .pt2 file: nothing of it was read",
            "pass --trust if you know who made the file: its code then runs with your rights",
        )  # fmt: skip
    try:
        return torch.export.load(path)
    except Exception as error:
        what = f"PyTorch cannot load it: {line(str(error) or type(error).__name__)}"
        hint = "save it with torch.export.save of PyTorch 2.13, or give file.py:function"
        raise CompileError("E309", str(path), what, hint) from None
