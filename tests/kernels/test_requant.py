"""Fixed-point requantization at the extremes, with long multiplications and without."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tinyc.ir.quant import (
    multiply_double_rounding,
    multiply_single_rounding,
    saturating_doubling_high_mul,
)

KERNELS = Path(__file__).parents[2] / "firmware" / "kernels"
CALLS = ["tinyc_requant2(x, m, s)", "tinyc_requant1(x, m, s)", "tinyc_high_product(x, m)"]
PROGRAM = """#include <stdio.h>
#include "tinyc_requant.h"

int main(void)
{{
    int32_t in[3];
    while (fread(in, 4, 3, stdin) == 3) {{
        const int32_t x = in[0], m = in[1], s = in[2];
        const int32_t y[] = {{{calls}, (int32_t)tinyc_high_positive(x & INT32_MAX, m)}};
        (void)s;
        fwrite(y, 4, 4, stdout);
    }}
    return 0;
}}
"""


@pytest.mark.parametrize("flags", [[], ["-D__ARM_ARCH_ISA_THUMB=1"]], ids=["long", "halves"])
def test_every_word_is_right(flags: list[str], tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc found")
    rng = np.random.default_rng(3)
    bits = np.concatenate([np.int64(1) << np.arange(31), [(1 << 31) - 1]])
    edges = np.concatenate([[0, -(1 << 31)], bits, -bits, bits - 1, 1 - bits, bits ^ 0xFFFF])
    x = np.concatenate([np.repeat(edges, 40), rng.integers(-(1 << 31), 1 << 31, 20000)])
    m = rng.integers(1 << 30, 1 << 31, len(x))
    m = np.where(
        rng.random(len(x)) < 0.3, rng.choice([1 << 30, (1 << 31) - 1, 0x4000FFFF], len(x)), m
    )
    s = rng.integers(-31, 2, len(x))
    source, program = tmp_path / "words.c", tmp_path / "words"
    source.write_text(PROGRAM.format(calls=", ".join(CALLS)))
    checks = ["-std=c99", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    subprocess.run(
        [gcc, *checks, *flags, "-I", str(KERNELS), str(source), "-o", str(program)], check=True
    )
    rows = np.stack([x, m, s], 1).astype(np.int32)
    out = subprocess.run([program], input=rows.tobytes(), check=True, capture_output=True).stdout
    found = np.frombuffer(out, np.int32).reshape(-1, 4).T
    expected = [
        multiply_double_rounding(x, m, s),
        multiply_single_rounding(x, m, s),
        saturating_doubling_high_mul(x, m),
        saturating_doubling_high_mul(x & 0x7FFFFFFF, m),
    ]
    for name, got, want in zip([*CALLS, "tinyc_high_positive"], found, expected, strict=True):
        np.testing.assert_array_equal(got, want.astype(np.int32), name)
