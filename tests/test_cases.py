"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

from pathlib import Path


def test_the_cases_are_there(cases: Path) -> None:
    assert {"embed.py", "twice.tflite", "two_heads.npz"} <= {p.name for p in cases.iterdir()}


# Calibration -----------------------------------------------------------------------------


# Names, order and verdicts ---------------------------------------------------------------


# Tables and binary layers ----------------------------------------------------------------


# Files that pass and should not ----------------------------------------------------------


# What the reader of TFLite understands ---------------------------------------------------


# Keras ------------------------------------------------------------------------------------


# Operators and types ---------------------------------------------------------------------
