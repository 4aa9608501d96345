"""The curves of LSTM gates at every number that they can be asked for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tinyc.ops._fixedpoint import logistic16, tanh16

KERNELS = Path(__file__).parents[2] / "firmware" / "kernels"
CURVES = [
    ("tinyc_gate_logistic(x)", logistic16),
    ("tinyc_gate_tanh3(x)", lambda x: tanh16(x, 3)),
    *((f"tinyc_gate_tanh(x, {bits})", lambda x, bits=bits: tanh16(x, bits)) for bits in range(7)),
]


def test_curves_of_gates(tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc found")
    loops = "".join(
        f"    for (int32_t x = -32768; x < 32768; x++) {{\n"
        f"        const int16_t y = (int16_t){call};\n"
        "        fwrite(&y, 2, 1, stdout);\n    }\n"
        for call, _ in CURVES
    )
    source = tmp_path / "curves.c"
    source.write_text(
        f'#include <stdio.h>\n#include "tinyc_gates.h"\n\nint main(void)\n{{\n{loops}'
        "    return 0;\n}\n"
    )
    program = tmp_path / "curves"
    flags = ["-std=c99", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    subprocess.run(
        [gcc, *flags, "-I", str(KERNELS), str(source), "-o", str(program)], check=True
    )  # fmt: skip
    out = subprocess.run([program], check=True, capture_output=True).stdout
    rows = np.frombuffer(out, np.int16).reshape(len(CURVES), -1)
    x = np.arange(-32768, 32768)
    for (call, curve), row in zip(CURVES, rows, strict=True):
        np.testing.assert_array_equal(row, curve(x), call)
