"""The documents: each page is in the site's navigation, each link leads somewhere, each file is
there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

ABOVE = {"CONTRIBUTING.md", "CHANGELOG.md"}
"""Pages of the site that do not lie in docs/, see docs/site.py."""
TEXTS = sorted(
    [ROOT / "README.md", *(ROOT / name for name in ABOVE), *(ROOT / "docs").glob("*.md")]
)


def _pages(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _pages(part)


def test_each_page_is_in_the_navigation_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    pages = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert sorted(_pages(nav)) == sorted([*pages, *(name.lower() for name in ABOVE)])


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# ") and text.endswith("\n")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
        if not target.startswith("https://"):
            place, _, anchor = target.partition("#")
            page = (file.parent / place) if place else file
            assert page.exists(), f"{file.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
                assert anchor in [h.lower().replace(" ", "-") for h in headings], target


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_files_that_are_named_are_there(file: Path) -> None:
    rooms, text = "tinyc|templates|firmware|recipes|docs", file.read_text(encoding="utf-8")
    text = re.sub(r"```console\n.*?```", "", text, flags=re.S)  # what it names is the reader's
    for path in re.findall(rf"(?<![\w./-])(?:{rooms})/[\w./*<>-]*[\w*>]", text):
        assert any(ROOT.glob(re.sub(r"<\w+>", "*", path))), f"{file.name}: {path}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: make docs does it")
    pytest.importorskip("material", reason="mkdocs-material is not installed: make docs does it")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert not done.returncode, done.stderr
    assert "WARNING" not in done.stderr
    for page in ("index", "cli", "errors", "contributing", "changelog"):
        assert (tmp_path / f"{page}.html").is_file()
