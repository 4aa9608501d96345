"""Where the pages of builds lie."""

from __future__ import annotations

from pathlib import Path

from ..errors import CompileError

PAGE = "report.html"


def find(path: Path, latest: bool = False) -> Path:
    """The page of a build. path: it, its folder, or the build's; latest: the folder of builds,
    whose youngest page it is then. Raises CompileError E202."""
    if latest:
        pages = sorted(
            path.glob(f"*/*/report/{PAGE}"), key=lambda page: page.stat().st_mtime, reverse=True
        )
        places = pages[:1]
    else:
        places = [path, path / PAGE, path / "report" / PAGE]
    for place in places:
        if place.is_file() and place.suffix == ".html":
            return place
    hint = "`tinyc build`, `tinyc test` and `tinyc profile` write one"
    raise CompileError("E202", str(path), "has no report of a build", hint)
