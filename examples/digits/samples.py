"""Write recipes/digits-samples.npz: of the digits that `tinyc train digits-int8` holds out, the
first hundred, in the form of its test.npz.

x is float16 [100, 8, 8, 1], pixels in -1..1; y is int64 [100], the digit. The images are those of
E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (1998), UCI Machine Learning
Repository, as scikit-learn has them (sklearn.datasets.load_digits).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyc.train.dataset import load

FILE = Path(__file__).resolve().parents[2] / "recipes" / "digits-samples.npz"
COUNT = 100


def samples() -> dict[str, np.ndarray]:
    """The file's arrays."""
    digits = load("digits", Path(), Path())
    x = digits.normalized(digits.x_test[:COUNT]).astype(np.float16)
    return {"x": x, "y": digits.y_test[:COUNT]}


if __name__ == "__main__":
    np.savez_compressed(FILE, **samples())
    print(f"wrote {FILE}: {FILE.stat().st_size:,} bytes")
