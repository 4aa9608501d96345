"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tflite_writer import run_litert

from tinyc.data import random_samples
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import interpret
from tinyc.passes import optimize


def test_the_cases_are_there(cases: Path) -> None:
    assert {"embed.py", "twice.tflite", "two_heads.npz"} <= {p.name for p in cases.iterdir()}


# Calibration -----------------------------------------------------------------------------


# Names, order and verdicts ---------------------------------------------------------------


# Tables and binary layers ----------------------------------------------------------------


# Files that pass and should not ----------------------------------------------------------


# What the reader of TFLite understands ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("pruned_sparse_int8", 0), ("unet_keras", 0), ("fb_unused_string", 0), ("fb_int4", 0),
        ("gru_reset_before", 1e-5), ("conv1d_drq", 1e-5),
    ],
)  # fmt: skip
def test_files_that_a_user_expects_to_work(name: str, tolerance: float, cases: Path) -> None:
    path = cases / f"{name}.tflite"
    graph = read(path)
    samples = random_samples(graph, 5, 0)
    for version in (graph, optimize(graph)):
        for i in range(len(samples)):
            values = interpret(version, samples.at(i))
            found = [values[v] for v in version.outputs]
            for y, want in zip(found, run_litert(path, samples.at(i)), strict=True):
                np.testing.assert_allclose(y, want, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "problems"),
    [
        ("micro_speech_lstm", [("E300", "(UNIDIRECTIONAL_SEQUENCE_LSTM)", "unroll=True")]),
        ("lstm_fused_float", [("E300", "(UNIDIRECTIONAL_SEQUENCE_LSTM)", "unroll=True")]),
        ("hey_mycroft_gru_while", [("E300", "(WHILE)", "unroll=True")]),
        ("wake_word_okay_nabu", [
            ("E300", "(CALL_ONCE)", "state"), ("E300", "(VAR_HANDLE)", "(and 5 more like it)"),
            ("E300", "(READ_VARIABLE)", "(and 5 more"), ("E300", "(ASSIGN_VARIABLE)", "state"),
        ]),
        ("mnist_hybrid", [("E330", "dynamic-range", "--calibrate")]),
        ("int16x8_mtb", [("E331", "16x8", "representative_dataset")]),
        ("resnet_16x8", [("E331", "16x8", "representative_dataset")]),
        ("tf1_uint8", [("E332", "uint8", "representative_dataset")]),
    ],
)  # fmt: skip
def test_what_is_refused_is_called_what_it_is(
    name: str, problems: list[tuple[str, str, str]], cases: Path
) -> None:
    """Each kind once, whatever the number of layers, and none of them as malformed."""
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(cases / f"{name}.tflite")
    lines = str(raised.value).splitlines()
    assert len(lines) == len(problems) and raised.value.exit_code == 3
    for line, (id, what, more) in zip(lines, problems, strict=True):
        assert line.startswith(id) and what in line and more in line and "malformed" not in line


# Keras ------------------------------------------------------------------------------------


# Operators and types ---------------------------------------------------------------------
