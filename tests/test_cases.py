"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tflite_writer import run_litert

from tinyc.frontends.tflite import read
from tinyc.ir import interpret


def test_the_cases_are_there(cases: Path) -> None:
    assert {"embed.py", "twice.tflite", "two_heads.npz"} <= {p.name for p in cases.iterdir()}


# Calibration -----------------------------------------------------------------------------


# Names, order and verdicts ---------------------------------------------------------------


# Tables and binary layers ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["LOGISTIC_256", "TANH_256"])
def test_tables_at_powers_of_two_are_litert_s(cases: Path, name: str) -> None:
    pytest.importorskip("ai_edge_litert")
    graph = read(cases / f"{name}.tflite")
    for byte in range(-128, 128):
        x = np.full((1, 1), byte, np.int8)
        (theirs,) = run_litert(cases / f"{name}.tflite", [x])
        assert interpret(graph, [x])[graph.outputs[0]] == theirs


# Files that pass and should not ----------------------------------------------------------


# What the reader of TFLite understands ---------------------------------------------------


# Keras ------------------------------------------------------------------------------------


# Operators and types ---------------------------------------------------------------------
