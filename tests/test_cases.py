"""Small models and data from practice, of which each went wrong once: what is right for each.

The data folder's ``cases/README.md`` tells where they are from.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tinyc.compile import read_model
from tinyc.ir import interpret


def test_the_cases_are_there(cases: Path) -> None:
    assert {"embed.py", "twice.tflite", "two_heads.npz"} <= {p.name for p in cases.iterdir()}


# Calibration -----------------------------------------------------------------------------


# Names, order and verdicts ---------------------------------------------------------------


# Tables and binary layers ----------------------------------------------------------------


# Files that pass and should not ----------------------------------------------------------


# What the reader of TFLite understands ---------------------------------------------------


# Keras ------------------------------------------------------------------------------------


@pytest.mark.slow  # TensorFlow takes long to start
@pytest.mark.skipif(not find_spec("tensorflow"), reason="needs TensorFlow: tinyc[keras]")
@pytest.mark.parametrize("model", ["sig_k3.keras", "k3_function.py:net", "plain_export"])
def test_keras_3_and_what_it_exports_are_read(model: str, cases: Path) -> None:
    """The numpy reference computes what the model does, in Keras or by TensorFlow."""
    graph, predict = read_model(str(cases / model))
    assert predict is not None
    shape = graph.inputs[0].type.shape
    x = np.random.default_rng(0).normal(0, 1, (8, *shape)).astype(np.float32)
    (theirs,) = predict([x.reshape(8, *shape[1:])])
    ours = [interpret(graph, [row])[graph.outputs[0]][0] for row in x]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert np.ptp(theirs) > 0.01


# Operators and types ---------------------------------------------------------------------
