"""The generated C on this machine: native speed, no counts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..emit.c import environment
from ..errors import CompileError
from . import Trace, collect

if TYPE_CHECKING:
    from ..build import Image

TIMEOUT_S = 1200


def run(image: Image, inputs: np.ndarray) -> Trace:
    """See `tinyc.run.run`. Compiles the sources that lie beside the image's ELF."""
    folder = image.elf.parent
    cc = shutil.which("gcc") or shutil.which("cc")
    command = [cc] if cc else [sys.executable, "-m", "ziglang", "cc"]
    header = (folder / "include" / f"{image.name}.h").read_text()
    main = (
        environment()
        .get_template("port/main_host.c.j2")
        .render(
            prefix=image.name,
            PREFIX=image.name.upper(),
            inputs=_count(header, image.name, "INPUTS"),
            outputs=_count(header, image.name, "OUTPUTS"),
        )
    )
    with tempfile.TemporaryDirectory(prefix="tinyc-") as name:
        work = Path(name)
        (work / "main.c").write_text(main)
        program = work / "model"
        compiled = subprocess.run(
            [*command, "-std=c99", "-O2", "-ffp-contract=off", f"-I{folder / 'include'}",
             str(work / "main.c"), *map(str, sorted((folder / "src").glob("*.c"))), "-lm",
             "-o", str(program)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if compiled.returncode:
            raise CompileError(
                "E705", "the host's C compiler", f"fails: {compiled.stderr[-300:]}",
                "apt-get install gcc libc6-dev",
            )  # fmt: skip
        try:
            done = subprocess.run(
                [str(program)], input=inputs.tobytes(), capture_output=True, timeout=TIMEOUT_S,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise CompileError("E803", image.name, f"did not end within {TIMEOUT_S} s") from None
    console = done.stderr.decode("utf-8", "replace")
    outputs, _ = collect(console, done.stdout, len(inputs), image.name)
    return Trace("host", outputs, console, None, None, "not counted (host)", None)


def _count(header: str, name: str, what: str) -> int:
    prefix = f"#define {name.upper()}_{what} "
    line = next(x for x in header.splitlines() if x.startswith(prefix))
    return int(line.removeprefix(prefix).strip(" ()"))
