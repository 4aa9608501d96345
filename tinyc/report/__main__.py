"""``python -m tinyc.report docs``: the pages of the reference that are made from the code."""

from __future__ import annotations

import sys
from pathlib import Path

from .reference import pages


def main(folder: Path) -> None:
    for path, text in pages().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
