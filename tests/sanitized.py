"""C programs of this machine, compiled strictly, under ASan and UBSan."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from conftest import ROOT

from tinyc.ir import Array

STRICT = (
    "-std=c99 -O1 -g -ffp-contract=off -Wall -Wextra -Wconversion -Wshadow -Wundef "
    "-Wdouble-promotion -Werror -fsanitize=address,undefined -fno-sanitize-recover=all"
).split()


def written(
    gcc: str,
    main: str,
    folder: Path,
    include: Path,
    sources: Sequence[str] = (),
    stdin: bytes = b"",
) -> bytes:
    """What the program of the C text ``main`` and of ``sources`` writes."""
    path, program = folder / "main.c", folder / "program"
    path.write_text(main)
    compiled = subprocess.run(
        [gcc, *STRICT, "-I", str(include), str(path), *sources, "-o", str(program), "-lm"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert compiled.returncode == 0, compiled.stderr[:4000]
    ran = subprocess.run([str(program)], input=stdin, capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr.decode()[:4000]
    return ran.stdout


def unpacked(
    gcc: str, folder: Path, header: str, function: str, stream: Array,
    pieces: Sequence[tuple[int, int, int]],
) -> bytes:  # fmt: skip
    """What a ``function`` of a kernel's ``header`` unpacks of a stream of its length, int32 or
    uint8, piece by piece.

    pieces: of each its bytes, those of the memory that it is unpacked to, and how many elements of
    the stream it takes.
    """
    ctype = f"{stream.dtype}_t"
    mask = (1 << 8 * stream.dtype.itemsize) - 1
    numbers = ",".join(f"({ctype}){int(n) & mask}u" for n in stream)
    calls = "".join(f"    from = unpack(from, {a}, {b}, {c});\n" for a, b, c in pieces)
    main = (
        f'#include <stdio.h>\n#include <stdlib.h>\n#include "{header}"\n'
        f"static const {ctype} packed[] = {{{numbers}}};\n"
        f"static const {ctype} *unpack(const {ctype} *from, int bytes, int size, int took)\n"
        "{\n    uint8_t *to = malloc((size_t)size);\n"
        f"    const {ctype} *next = {function}(from, to);\n"
        "    if (next != from + took) abort();\n"
        "    fwrite(to, 1, (size_t)bytes, stdout);\n    free(to);\n    return next;\n}\n"
        f"int main(void)\n{{\n    const {ctype} *from = packed;\n{calls}    return 0;\n}}\n"
    )
    return written(gcc, main, folder, ROOT / "firmware" / "kernels")
