"""What MkDocs does besides for the site of these pages: it has two that lie above this folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ABOVE = {name: f"{name.lower()}.md" for name in ("CONTRIBUTING", "CHANGELOG")}
"""Name of a page above -> what it is called in the site."""


def on_files(files: Files, config: Any) -> Files:
    """Add those pages, their links as from here."""
    root = Path(config.config_file_path).parent
    for name, place in ABOVE.items():
        text = (root / f"{name}.md").read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Have links to those pages go to the site's."""
    names = "|".join(ABOVE)
    return re.sub(rf"\]\((?:\.\./)?({names})\.md", lambda found: f"]({ABOVE[found[1]]}", markdown)
