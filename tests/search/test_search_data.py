"""Data to compress with, of the user's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.errors import CompileError
from tinyc.search.data import load

X, Y = np.arange(40, dtype=np.float32).reshape(10, 4), np.arange(10) % 3


def loaded(folder: Path, shape: tuple[int, ...] | None = (4,), **arrays: Any) -> Any:
    np.savez(folder / "d.npz", **arrays)
    return load(str(folder / "d.npz"), shape, folder, (-1.0, 1.0))


def test_a_fifth_is_held_out_unless_it_is_given(tmp_path: Path) -> None:
    data = loaded(tmp_path, x=X, y=Y[:, np.newaxis])
    assert len(data.x) == 8 and len(data.x_test) == 2 and data.classes == 3
    assert sorted([*data.x[:, 0], *data.x_test[:, 0]]) == X[:, 0].tolist()
    for x, y in ((data.x, data.y), (data.x_test, data.y_test)):
        assert y.dtype == np.int64 and np.array_equal(y, x[:, 0].astype(int) // 4 % 3)
    given = loaded(tmp_path, x=X, y=Y, x_test=X[:1], y_test=np.array([5]))
    assert len(given.x) == 10 and given.classes == 6
    blind = loaded(tmp_path, x=X)
    assert blind.y is blind.y_test is None and blind.classes == 0


@pytest.mark.parametrize(
    ("changed", "id", "what"),
    [
        ({"x": None}, "E211", r"no array 'x'.*x=inputs"),
        ({"x": np.array(["a"] * 10)[:, np.newaxis]}, "E213", "has dtype <U1"),
        ({"x": np.where(X == 7, np.nan, X)}, "E214", "NaN or infinity"),
        ({"x": X[:, :3]}, "E212", r"shape \[3\], the model takes \[4\]"),
        ({"x": X[:1], "y": Y[:1]}, "E212", "has one sample"),
        ({"y": Y[:9]}, "E212", r"one class a sample: \[10\]"),
        ({"y": Y / 2}, "E213", "class indices are integers"),
        ({"y": Y - 1}, "E214", "the class -1"),
        ({"x_test": X}, "E211", "no array 'y_test'"),
        ({"x_test": X, "y_test": Y, "y": None}, "E211", "no array 'y'"),
    ],
)
def test_what_cannot_be_taken_is_told(
    changed: dict[str, Any], id: str, what: str, tmp_path: Path
) -> None:
    arrays = {k: v for k, v in {"x": X, "y": Y, **changed}.items() if v is not None}
    with pytest.raises(CompileError, match=what) as error:
        loaded(tmp_path, **arrays)
    assert error.value.id == id


def test_what_is_no_file_of_arrays_is_told(tmp_path: Path) -> None:
    (tmp_path / "d.npz").write_bytes(b"PK no zip")
    for name, id in (("d.npz", "E210"), ("none.npz", "E219")):
        with pytest.raises(CompileError) as error:
            load(str(tmp_path / name), None, tmp_path, (-1.0, 1.0))
        assert error.value.id == id and error.value.hint
