"""What a verdict says of an agreement that is too low."""

from __future__ import annotations

import pytest
from error_cases import BUILT, TESTED

from tinyc.report import verdicts
from tinyc.settings import Expect


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ("quantization", "quantize with more inputs, like those of the test"),
        ("conversion", "look at what the converter made of the model"),
        ("calibration", "calibrate with data like those of the test"),
        ("channels", "give --compress channels a smaller amount, or leave it out"),
    ],
)
def test_each_change_has_its_remedy(change: str, remedy: str) -> None:
    test = TESTED | {"data": "d.npz", "changed_by": [change]}
    (error,) = (
        v.error for v in verdicts(Expect(min_agreement=0.98), BUILT, test) if v.error is not None
    )
    assert error.id == "E504" and error.hint.startswith(remedy)
