"""What a user gets: the wheel of this tree, and a machine where pip has what it needs at hand."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TENSORFLOW = ("tensorflow", "tf_", "keras", "larq")
"""How the names of packages begin that come with TensorFlow."""


def build_wheel(out: Path) -> Path:
    """The wheel of this tree, made from its sdist, both in ``out``. Needs build and hatchling."""
    command = [sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", str(out)]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if paths := [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p != str(ROOT)]:
        env["PYTHONPATH"] = os.pathsep.join(paths)
    done = subprocess.run(
        [*command, str(ROOT)], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob("tinyc-*.whl")
    assert len(list(out.glob("tinyc-*.tar.gz"))) == 1
    with zipfile.ZipFile(found) as wheel:
        assert "tinyc/py.typed" in wheel.namelist()
    return found


def machine(folder: Path, without: Sequence[str] = TENSORFLOW) -> dict[str, str]:
    """The environment of a machine in ``folder``: an interpreter of its own, where pip has the
    packages of this one at hand, but no tinyc, no network and nothing whose name begins as one of
    ``without``."""
    # pip is this interpreter's, among the links: to bring another one takes longer than the rest.
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")]
    subprocess.run(command, check=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    # pip sees what is installed here by links, whose folder a .pth file adds.
    links = folder / "packages"
    links.mkdir()
    hidden = ("tinyc", "_tinyc", "__editable__", *without)
    for place in map(Path, sys.path):
        if (place.is_relative_to(ROOT) and place.name != "site-packages") or not place.is_dir():
            continue
        if not list(place.glob("*.dist-info")):
            continue
        for entry in place.iterdir():
            seen = entry.name.lower().startswith(hidden) or entry.suffix == ".pth"
            if not seen and not (links / entry.name).exists():
                (links / entry.name).symlink_to(entry)
    (packages / "links.pth").write_text(f"{links}\n")
    bin = folder / "venv" / "bin"
    for program in ("pip", "pytest"):  # of packages that are there already
        script = bin / program
        script.write_text(f'#!/bin/sh\nexec "{bin / "python"}" -m {program} "$@"\n')
        script.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
    kept = {k: v for k, v in kept.items() if not k.startswith("TINYC_")}
    return kept | {
        "PATH": f"{bin}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "TINYC_REQUIREMENT": "",
    }
