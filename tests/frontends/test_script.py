"""Which frontend a ``file.py:function`` is for, by what the file imports."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tinyc.errors import CompileError
from tinyc.frontends.base import frontend_of, read_model


@pytest.mark.parametrize(
    ("text", "frontend"),
    [
        ("import torch", "torch"),
        ("from beside import net", "torch"),
        ("def net():\n    from torch import nn", "torch"),
        ("import torch, keras", "keras"),
        ("import tensorflow as tf", "keras"),
        ("import torch_like", "keras"),
        ("import (", "keras"),
    ],
)
def test_the_frontend_of_a_function(text: str, frontend: str, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(text)
    (tmp_path / "beside.py").write_text("import torch.nn as nn")
    assert frontend_of(f"{tmp_path / 'nets.py'}:net").name == frontend


def test_without_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets.py").write_text("import torch")
    (tmp_path / "net.pt2").write_bytes(b"")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else find(name)
    )
    for model in ("nets.py:net", "net.pt2"):
        with pytest.raises(CompileError, match=r"E705 .*needs torch.*environment of its own"):
            read_model(str(tmp_path / model))
