"""The generated C on this machine: native speed, no counts."""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..emit.emitter import Library, main_program
from ..emit.layers import takes_strips
from ..errors import CompileError
from ..ir import Array, Value
from ..plan import Plan, Step
from ..plan.rows import Reach, height
from . import Emulator, Trace, collect, register, time_limit
from .native import compile_c, host_compilers
from .watching import Watched, as_array

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
        _write(folder, {**library.files, "main.c": main_program(library, "main_host")})
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


def watch(image: Image, plan: Plan, inputs: Array, values: Mapping[Value, Array]) -> Watched:
    """See `tinyc.run.Emulator`: each layer is called by itself, on what its inputs are to be, in
    memory of its own; those of a chain by rows as they are there. Raises CompileError E703, E802
    (a layer faulted)."""
    library = image.c_library
    reaches = {s.step.index: (s.reach, c.most) for c in plan.chains for s in c.stages}
    steps = [_by_itself(step, *reaches.get(step.index, (None, 0))) for step in plan.steps]
    tables = {symbol: constant.data.nbytes for constant, symbol in library.tables.items()}
    text = main_program(library, "main_layers", layers=steps, tables=tables)
    given = [[values[v] for v in step.node.variable_inputs] for step in plan.steps]
    data = b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for one in given for a in one)
    with tempfile.TemporaryDirectory(prefix="tinyc-") as temporary:
        folder = Path(temporary)
        _write(folder, {**library.files, "layers.c": text})
        program = _compile(folder, (), False, ("layers.c", f"src/{library.name}_weights.c"))
        limit = time_limit(1)
        try:
            done = subprocess.run(
                [str(program)], input=data, capture_output=True, check=False, timeout=limit
            )
        except subprocess.TimeoutExpired:
            raise CompileError("E803", library.name, f"did not end within {limit} s") from None
    if done.returncode:
        calls = done.stderr.decode("utf-8", "replace").split()
        what = f"layer {calls[-1] if calls else '?'} ended the program with {done.returncode}"
        raise CompileError("E802", library.name, what)
    stream = io.BytesIO(done.stdout)
    made = {
        step.index: tuple(as_array(stream.read(v.type.bytes), v) for v in step.node.outputs)
        for step in plan.steps
    }
    found = {symbol: stream.read(size) for symbol, size in tables.items()}
    return Watched({i: tuple(arrays) for i, arrays in enumerate(given)}, made, found)


def _by_itself(step: Step, reach: Reach | None, most: int) -> dict[str, Any]:
    """What ``main_layers.c.j2`` is told of a layer."""

    def image(value: Value) -> dict[str, Any]:
        rows = height(value) if step.part else 1
        return {"bytes": value.type.bytes, "height": rows, "row_bytes": value.type.bytes // rows}

    return {
        "symbol": step.symbol,
        "part": step.part,
        "strip": takes_strips(step),
        "ins": [image(v) for v in step.node.variable_inputs],
        "outs": [image(v) for v in step.node.outputs],
        "scratch": step.binding.scratch,
        "reach": reach,
        "most": most,
    }


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _compile(
    folder: Path, defines: tuple[str, ...], sanitize: bool, sources: Sequence[str] = ()
) -> Path:
    """The program of ``sources``, by default of all that lie in ``folder``."""
    program = folder / "program"
    sources = sources or sorted(str(f.relative_to(folder)) for f in folder.rglob("*.c"))
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


register(Emulator("host", "the host", "test", run, core=False, watch=watch))
