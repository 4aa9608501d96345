"""What tells generated C from all other: firmware says it, and whoever speaks to a board asks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def identity(files: Mapping[str, str]) -> str:
    """16 hexadecimal digits of the SHA-256 of a library's files, path -> text. Two builds of one
    model with other settings differ in it, those with another main program or compiler do not."""
    found = hashlib.sha256()
    for path, text in sorted(files.items()):
        found.update(f"{path}\0{text}\0".encode())
    return found.hexdigest()[:16]
