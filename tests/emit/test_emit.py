"""The generated library as its users meet it: from C++, twice, and for two models at once."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyc.emit.emitter import Library, emit
from tinyc.emit.names import comment, f32
from tinyc.frontends.tflite import read
from tinyc.ir import interpret
from tinyc.passes import optimize
from tinyc.plan import plan

ZIG = [sys.executable, "-m", "ziglang"]
WARNINGS = (
    "-Wall -Wextra -Wconversion -Wshadow -Wundef -Wdouble-promotion -Werror -ffp-contract=off "
    "-fno-sanitize=all"
).split()

PROGRAM = """
#include "one.h"
#include "two.h"
#include <cstdint>
#include <cstdio>
#include <cstring>

alignas(ONE_ARENA_ALIGN) static unsigned char
    arena[ONE_ARENA_BYTES > TWO_ARENA_BYTES ? ONE_ARENA_BYTES : TWO_ARENA_BYTES];

int main()
{
    std::int8_t input[ONE_INPUT_0_BYTES];
    std::fread(input, 1, sizeof input, stdin);
    std::memcpy(one_input_0(arena), input, sizeof input);
    one_run(arena);
    std::fwrite(one_output_0(arena), 1, ONE_OUTPUT_0_BYTES, stdout);
    std::memcpy(two_input_0(arena), input, sizeof input);
    two_run(arena);
    std::fwrite(two_output_0(arena), 1, TWO_OUTPUT_0_BYTES, stdout);
    return 0;
}
"""


def test_two_models_share_an_arena_in_a_cpp_program(tiny_model: Path, tmp_path: Path) -> None:
    graph = optimize(read(tiny_model))
    objects = []
    for name in ("one", "two"):
        library = emit(plan(replace(graph, name=name), "host", frozenset()))
        for path, text in library.files.items():
            (tmp_path / Path(path).name).write_text(text)
    for file in sorted(tmp_path.glob("*.c")):
        target = file.with_suffix(".o")
        command = [*ZIG, "cc", "-std=c99", *WARNINGS, "-c", str(file), "-o", str(target)]
        subprocess.run(command, check=True, cwd=tmp_path)
        objects.append(str(target))
    (tmp_path / "main.cpp").write_text(PROGRAM)
    command = [*ZIG, "c++", "-std=c++11", *WARNINGS, "-c", "main.cpp", "-o", "main.o"]
    subprocess.run(command, check=True, cwd=tmp_path)
    # Nothing of C++ is left to link. ziglang would build a C library first, for minutes.
    program = tmp_path / "program"
    linker = ["gcc"] if shutil.which("gcc") else [*ZIG, "cc"]
    subprocess.run([*linker, "main.o", *objects, "-o", str(program)], check=True, cwd=tmp_path)
    (value,) = graph.inputs
    x = np.random.default_rng(5).integers(-128, 128, value.type.shape).astype(np.int8)
    ran = subprocess.run([str(program)], input=x.tobytes(), capture_output=True, check=True)
    expected = interpret(graph, [x])[graph.outputs[0]].tobytes()
    assert ran.stdout == expected * 2


def test_same_model_same_text(tiny_model: Path) -> None:
    def made() -> Library:
        return emit(plan(optimize(read(tiny_model)), "cortex-m4", frozenset({"dsp"})))

    first = made()
    assert first == made()
    assert set(first.files) == {
        "include/tiny.h", "src/tiny.c", "src/tiny_kernels.h", "src/tiny_weights.c",
    }  # fmt: skip


def test_facts_are_those_of_the_text(tiny_model: Path) -> None:
    made = emit(plan(optimize(read(tiny_model)), "cortex-m4", frozenset({"dsp"})))
    header, code = made.files["include/tiny.h"], made.files["src/tiny.c"]
    stated = dict(re.findall(r"#define TINY_(\w+) +\((\d+)U?\)", header))
    assert int(stated["ARENA_BYTES"]) == made.arena_bytes
    assert (int(stated["INPUTS"]), int(stated["OUTPUTS"]), int(stated["STATES"])) == (1, 1, 0)
    for role, buffers in (("INPUT", made.inputs), ("OUTPUT", made.outputs)):
        assert [int(stated[f"{role}_{i}_BYTES"]) for i in range(len(buffers))] == [
            b.bytes for b in buffers
        ]
        for buffer in buffers:
            name = f"tiny_{role.lower()}_{buffer.identifier}"
            assert f"{name}(" in header and f"+ {buffer.offset});" in header
    defined = re.findall(r"^const (\w+) (\w+)\[(\d+)\]", made.files["src/tiny_weights.c"], re.M)
    sizes = {"int8_t": 1, "int16_t": 2, "int32_t": 4}
    assert [(c, s, int(n)) for c, s, n in defined] == [
        (a.ctype, a.symbol, a.elements) for a in made.arrays
    ]
    assert [a.bytes for a in made.arrays] == [sizes[c] * int(n) for c, _, n in defined]
    assert not made.floats and not made.libm and "pragma" not in "".join(made.files.values())
    # The first layer is on the first screen.
    assert "TINYC_LAYER" in "".join(code.splitlines(True)[:20])


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, 0.1, 1e-45, 3.4e38, -7.25e-9, 16777217.0])
def test_float_literals_are_exact(value: float) -> None:
    literal = f32(value)
    assert literal.endswith("f") and ("." in literal or "e" in literal)
    assert np.float32(literal[:-1]).tobytes() == np.float32(value).tobytes()


@pytest.mark.parametrize(
    "text", ["*/", "/*", "a\n#error", "??/", "\\", "é", "*" * 9 + "/", "*\x00/"]
)
def test_comments_cannot_end_early(text: str) -> None:
    safe = comment(text)
    assert "*/" not in f"{safe} " and "/*" not in safe and "??" not in safe and "\\" not in safe
    assert safe.isascii() and safe.isprintable()
