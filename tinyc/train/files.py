"""Whether results can be written, asked before the work."""

from __future__ import annotations

import tempfile
from pathlib import Path


def check_writable(folder: Path) -> None:
    """Make ``folder``; raises OSError if it cannot be, or if no file can be made in it. Before
    work that ends in files, and before libraries that tell it in words of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
