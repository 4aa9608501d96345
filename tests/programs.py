"""Small programs in the shape of a generated library, to run images without a model."""

from __future__ import annotations

from pathlib import Path

from tinyc.emit.emitter import Buffer, Library
from tinyc.image.build import BuildOptions, Image, build
from tinyc.ir import DType, TensorType
from tinyc.run import emulators
from tinyc.target.boards import load_board

HEADER = """#ifndef PROG_H
#define PROG_H
#include <stdint.h>
#define PROG_ARENA_BYTES (16U)
#define PROG_ARENA_ALIGN (16U)
#define PROG_INPUTS (1)
#define PROG_OUTPUTS (1)
#define PROG_STATES (0)
#define PROG_INPUT_0_BYTES (8U)
#define PROG_OUTPUT_0_BYTES (4U)
#define PROG_OUTPUT_0_ELEMENTS (4U)
#define PROG_OUTPUT_0_SCALE (1.0f)
#define PROG_OUTPUT_0_ZERO_POINT (0)
static inline uint8_t *prog_input_0(void *arena) { return (uint8_t *)arena; }
static inline const uint8_t *prog_output_0(const void *arena)
{
    return (const uint8_t *)arena + 8;
}
void prog_run(void *arena);
#endif
"""


def library(code: str) -> Library:
    """A library ``prog``: 8 bytes in at the arena's start, 4 bytes out behind them."""
    files = {"include/prog.h": HEADER, "src/prog.c": f'#include "prog.h"\n\n{code}\n'}
    input = Buffer("x", "x", TensorType((8,), DType.U8), 0)
    output = Buffer("y", "y", TensorType((4,), DType.U8), 8)
    return Library("prog", files, 16, (input,), (output,))


def assembly(functions: dict[str, str]) -> str:
    """C text that defines functions, name -> instructions, one a line or between ``;``."""
    lines = [".syntax unified", ".text", ".p2align 2"]
    for name, body in functions.items():
        lines += [f".global {name}", f".type {name}, %function", ".thumb_func", f"{name}:"]
        lines += [line.strip() for part in body.splitlines() for line in part.split(";")]
        lines += [f".size {name}, . - {name}"]
    text = "\n".join(f'    "{line}\\n"' for line in lines if line)
    return f"__asm__(\n{text});"


def image(
    code: str, board: str, folder: Path, toolchain: str | None = None, emulator: str = "unicorn"
) -> Image:
    """The image of `library` that an emulator of a board runs."""
    return build(
        library(code),
        load_board(board),
        toolchain,
        folder,
        BuildOptions(emulators()[emulator].main),
    )
