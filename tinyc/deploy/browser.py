"""A browser that shows a page, and one that prints it without a window."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from ..errors import CompileError
from ..files.folder import written
from ..target.versions import find_program

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Programs that print without a window, by their options of the same name."""
TIMEOUT_S = 120
QUIET = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
)  # fmt: skip
"""Without a window, and without anything that asks the network."""


def show(page: Path) -> bool:
    """Open ``page`` in the person's browser; whether there is one."""
    import webbrowser

    try:
        return webbrowser.open(page.absolute().as_uri())
    except (OSError, webbrowser.Error):
        return False


def headless() -> str:
    """The path of a browser that prints. Raises CompileError E711."""
    for name in BROWSERS:
        if path := find_program(name):
            return path
    hint = "apt-get install chromium, or print the page from your browser"
    raise CompileError("E711", "Chromium", "is not on PATH, and neither is Chrome", hint)


def command(program: str, profile: str, *options: str) -> list[str]:
    """The command line of a browser without a window. profile: an empty folder. Root has no
    sandbox."""
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [program, *QUIET, *root, f"--user-data-dir={profile}", *options]


def to_pdf(page: Path, pdf: Path) -> None:
    """Print ``page`` into ``pdf``, which appears whole or not at all. Raises CompileError E711
    (no browser), E802 (it printed nothing), those of the disk."""
    program = headless()
    with tempfile.TemporaryDirectory(prefix="tinyc-") as folder:
        made = Path(folder) / "page.pdf"
        options = ("--no-pdf-header-footer", f"--print-to-pdf={made}", page.absolute().as_uri())
        try:
            done = subprocess.run(
                command(program, f"{folder}/profile", *options), capture_output=True, text=True,
                errors="replace", timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        except subprocess.TimeoutExpired:
            said = [f"it did not end within {TIMEOUT_S} s"]
        if not made.is_file() or not made.read_bytes().startswith(b"%PDF"):
            raise CompileError("E802", str(page), f"{program} printed no PDF: {said[0]}")
        with written(pdf) as file:
            file.write(made.read_bytes())
