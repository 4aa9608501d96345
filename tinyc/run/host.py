"""The generated C on this machine: native speed, no counts."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..emit.emitter import Library, main_program
from ..errors import CompileError
from ..ir import Array
from . import Emulator, Trace, collect, register, time_limit
from .native import compile_c, host_compilers

if TYPE_CHECKING:
    from ..image.build import Image

_FLAGS = ("-std=c99", "-ffp-contract=off")
_SANITIZE = ("-g", "-O1", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all")
# What a sanitizer's report names first.
_REPORT = re.compile(r"runtime error|ERROR: \w+Sanitizer")


def run(image: Image, inputs: Array, layers: Sequence[str] = ()) -> Trace:
    """See `tinyc.run.run`. Compiles the library that the image was built from."""
    outputs, console = _run(image.c_library, inputs, (), False)
    return Trace("host", outputs, console, None, None, "not counted (host)", None)


def run_host(
    library: Library, inputs: Array, sanitize: bool = False, dump_arena: bool = False
) -> Array:
    """Outputs, uint8 [n, bytes], of ``library`` for inputs, uint8 [n, bytes].

    sanitize: under AddressSanitizer and UBSan (with ziglang's compiler UBSan alone);
    dump_arena: the whole arena after each run in place of the outputs. Raises CompileError
    E703 (no compiler, or none that takes the library), E802 (a fault, a sanitizer's report).
    """
    defines = ("-DTINYC_DUMP_ARENA",) if dump_arena else ()
    return _run(library, inputs, defines, sanitize)[0]


def _run(
    library: Library, inputs: Array, defines: tuple[str, ...], sanitize: bool
) -> tuple[Array, str]:
    """(outputs, console)"""
    name = library.name
    with tempfile.TemporaryDirectory(prefix="tinyc-") as temporary:
        folder = Path(temporary)
        for path, text in {**library.files, "main.c": main_program(library, "main_host")}.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        program = _compile(folder, defines, sanitize)
        try:
            done = subprocess.run(
                [str(program)], input=inputs.tobytes(), capture_output=True, check=False,
                timeout=time_limit(len(inputs)),
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            raise CompileError("E803", name, f"did not end within {late.timeout:.0f} s") from None
    console = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        said = [line for line in console.splitlines() if _REPORT.search(line)]
        what = said[0] if said else f"ended with {done.returncode}: {console[-300:]}"
        raise CompileError("E802", name, what)
    return collect(console, done.stdout, len(inputs), name)[0], console


def _compile(folder: Path, defines: tuple[str, ...], sanitize: bool) -> Path:
    program = folder / "program"
    sources = sorted(str(f.relative_to(folder)) for f in folder.rglob("*.c"))
    complaint = "no C compiler is installed"
    for cc in host_compilers():
        kinds = "undefined" if "ziglang" in cc else "address,undefined"
        mode = (*_SANITIZE, f"-fsanitize={kinds}") if sanitize else ("-O2",)
        complaint = compile_c(
            [*cc, *_FLAGS, *mode, *defines, "-Iinclude", *sources, "-lm", "-o", str(program)],
            folder,
        )
        if not complaint:
            return program
    raise CompileError(
        "E703", "the host's C compiler", complaint[-300:], "apt-get install gcc libc6-dev"
    )


register(Emulator("host", "the host", "test", run, core=False))
