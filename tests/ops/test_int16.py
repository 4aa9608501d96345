"""What int16 layers alone need: the last step of dense ones, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from tflite_writer import TensorSpec, write_model

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import DType, Node, Quant, TensorType, Value
from tinyc.ir.quant import multiply_real
from tinyc.kernels.int16 import finishing
from tinyc.ops.fully_connected import FullyConnected


def sums_near_halves(rng: np.random.Generator, real: float) -> np.ndarray:
    """Sums under 2**34, of either sign, of which most come close to a half of the output."""
    most = min(int(2.0**17 / real), (1 << 34) - 1)
    halves = rng.integers(0, 1 << 17, 300) + 0.5
    near = np.clip(np.round(halves / real).astype(np.int64), -most, most)
    near = np.concatenate([near + d for d in (-2, -1, 0, 1, 2)])
    anything = rng.integers(0, most, 300, endpoint=True)
    both = np.concatenate([near, anything, [0, 1, most]])
    return both * rng.choice([-1, 1], len(both))


def dense(real: float, channels: int) -> Node:
    """A dense layer whose sums reach 2**34, of the multiplier ``real``."""
    weights = np.full((channels, 1 << 12), 127, np.int8)
    quant = Quant((1.0,), (0,))
    types = [TensorType(weights.shape, DType.I8, quant), TensorType((channels,), DType.I64)]
    x = Value("x", TensorType((1, 1 << 12), DType.I16, Quant((real,), (0,))), "case")
    y = Value("y", TensorType((1, channels), DType.I16, quant), "case")
    w = Value("w", types[0], "case", weights)
    b = Value("b", types[1], "case", np.zeros(channels, np.int64))
    return Node(FullyConnected("none"), (x, w, b), (y,), "case")


def test_dense_layers_round_as_float64_does(tmp_path: Path) -> None:
    """tinyc_real16 of sums that fall on halves, and as near to them as integers can."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc found")
    rng = np.random.default_rng(0)
    random = np.exp2(rng.uniform(-33, 13, 200)).astype(np.float32)
    dyadic = np.exp2(np.arange(-33.0, 14)).astype(np.float32)
    lines, expected = [], []
    for real in map(float, np.concatenate([random, dyadic, 3 * dyadic[:-2]])):
        node = dense(real, 1)
        _, table = finishing(node, np.asarray(node.inputs[1].data), dense=True)
        sums = sums_near_halves(rng, real)
        channel = " ".join(map(str, table.data[0].tolist()))
        lines += [f"{channel} {x}" for x in sums.tolist()]
        expected.append(np.clip(multiply_real(sums, real), -65536, 65536))
    kernels = ROOT / "firmware" / "kernels"
    (tmp_path / "main.c").write_text(
        "#include <inttypes.h>\n#include <stdint.h>\n#include <stdio.h>\n"
        f'#include "{kernels}/tinyc_dense16.h"\n'
        "int main(void)\n{\n    int32_t c[5];\n    int64_t x;\n"
        '    while (scanf("%" SCNd32 "%" SCNd32 "%" SCNd32 "%" SCNd32 "%" SCNd32 "%" SCNd64,\n'
        "                 c, c + 1, c + 2, c + 3, c + 4, &x) == 6) {\n"
        "        const int32_t y = tinyc_real16(tinyc_biased16(x, c), c);\n"
        '        printf("%" PRId32 "\\n", y < -65536 ? -65536 : y > 65536 ? 65536 : y);\n'
        "    }\n    return 0;\n}\n"
    )
    flags = "-std=c99 -O1 -fsanitize=undefined -fno-sanitize-recover=all".split()
    program = tmp_path / "main"
    subprocess.run([gcc, *flags, str(tmp_path / "main.c"), "-o", str(program)], check=True)
    ran = subprocess.run([str(program)], input="\n".join(lines), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = np.array(ran.stdout.split(), np.int64)
    np.testing.assert_array_equal(found, np.concatenate(expected))


@pytest.mark.parametrize(
    ("id", "changes"),
    [
        ("E340", {"bias": 1 << 35}), ("E341", {"x": 2.0**12}), ("E342", {"zero_point": 3}),
        ("E303", {"weights": "int16"}),
    ],
)  # fmt: skip
def test_what_no_kernel_computes_is_refused_in_a_line(
    id: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    """Sums past 35 bits, multipliers past 2**14, zero points, int16 weights."""
    scale = changes.get("x", 0.1)
    write_model(
        tmp_path / "m.tflite",
        [("FULLY_CONNECTED", {}, [0, 1, 2], [3])],
        [
            TensorSpec("x", (1, 4), "int16", scale, changes.get("zero_point", 0)),
            TensorSpec("w", (4, 4), changes.get("weights", "int8"), 4.0, data=np.eye(4)),
            TensorSpec("b", (4,), "int64", scale, data=np.full(4, changes.get("bias", 1))),
            TensorSpec("y", (1, 4), "int16", 0.5),
        ],
        [0],
        [3],
    )
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(tmp_path / "m.tflite")
    line = str(raised.value)
    assert line.startswith(id) and "\n" not in line and "(FULLY_CONNECTED)" in line
