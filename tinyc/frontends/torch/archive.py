"""A ``.pt2`` file of torch.export, of which everything that could run code is refused first.

PyTorch unpickles parts of such a file, calls the functions that it names, evaluates its expressions
of sizes and compiles Python text with its names in it. What a plain model needs of this is known by
its form: tensors as bytes, PyTorch's operators, sizes of a batch, identifiers.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import CompileError
from ..packages import line

_MOST_TOLD = 3
_RECORD = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)"
    r"|models/model\.json|data/sample_inputs/model\.pt|data/weights/(weight_\d+|model_weights_config"
    r"\.json)|data/constants/(tensor_\d+|model_constants_config\.json)|extra/[\w./-]+"
)
"""What `torch.export.save` writes of a model of tensors."""
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")

_TARGET = re.compile(
    r"torch\.ops\.(?!aten\.(from_file|save|_?print|warn)\b)(aten|prims|quantized_decomposed|torchao)"
    r"\.\w+\.\w+|torch\.ops\.higher_order\.wrap_with_(set_grad_enabled|autocast)|torch\.sym_\w+"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_)"
)
"""Operators that compute, and no others."""
_SIZE = re.compile(r"(Symbol\('s\d+', positive=True, integer=True\)|s\d+|\d+|[ +*()-])+")
_NAMES = {"name", "as_name", "forward_arg_names"}
_NAME = re.compile(r"\w*")
_PATH = re.compile(r"[\w.+@/:-]*")
_STRUCTURES = (None, "builtins.tuple", "builtins.list", "builtins.dict")
_TEXT = {"as_string", "as_strings", "metadata", "guards_code"}
"""Keys of what is no code: arguments, which operators are given as they are, where a node comes
from, and guards, which nothing here asks for."""
_HELD = {
    "as_custom_obj": "an object of a class of its own",
    "as_operator": "a function as an argument",
    "custom_obj": "an object of a class of its own",
}


def load(path: Path, trust: bool) -> Any:
    """The torch.export.ExportedProgram of a file. Raises CompileError E309 (PyTorch cannot load
    it), E312 (it could run code, and is not trusted)."""
    import torch
    from torch.export.pt2_archive._package import load_pt2

    try:
        if trust:
            return torch.export.load(path)
        found = list(dict.fromkeys(_code(path)))
        if not found:
            return load_pt2(str(path)).exported_programs["model"]
    except Exception as error:
        what = f"PyTorch cannot load it: {line(str(error) or type(error).__name__)}"
        hint = "save it with torch.export.save of PyTorch 2.13, or give file.py:function"
        raise CompileError("E309", str(path), what, hint) from None
    more = len(found) - _MOST_TOLD
    told = ", ".join(found[:_MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
    raise CompileError(
        "E312", str(path), f"it holds {told}: nothing of it was run",
        "pass --trust if you know who made the file: its code then runs with your rights",
    )  # fmt: skip


def _code(path: Path) -> Iterator[str]:
    """What in a file could run code, or is of a form in which code could hide; read as PyTorch
    reads it."""
    import torch
    from torch.export.pt2_archive._package import PT2ArchiveReader

    with PT2ArchiveReader(str(path)) as archive:
        records = archive.get_file_names()
        yield from (f"the record {name!r}" for name in records if not _RECORD.fullmatch(name))
        for name in _CONFIGS:
            for tensor, entry in json.loads(archive.read_bytes(name))["config"].items():
                if entry["use_pickle"] or not re.fullmatch(r"\w+", entry["path_name"]):
                    yield f"the pickled constant {tensor!r}"
                yield from _odd({"tensor": tensor, **entry})
        try:
            example = archive.read_bytes("data/sample_inputs/model.pt")
            torch.load(io.BytesIO(example), weights_only=True)
        except Exception:
            yield "example inputs that are more than tensors"
        yield from _odd(json.loads(archive.read_bytes("models/model.json")))


def _odd(value: Any, key: str = "") -> Iterator[str]:
    """What a description of a model has that a plain one has not, a clause each."""
    if key in _TEXT:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if inner is not None and name in _HELD:
                yield _HELD[name]
            yield from _odd(name, "key")
            yield from _odd(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _odd(inner, key)
    elif isinstance(value, str):
        if key in ("in_spec", "out_spec"):
            yield from _structure(json.loads(value)[1])
        elif key == "target":
            yield from () if _TARGET.fullmatch(value) else (f"the function {value[:60]!r}",)
        elif key == "expr_str":
            yield from () if _SIZE.fullmatch(value) else (f"the expression {value[:60]!r}",)
        elif not (_NAME if key in ("name", "as_name", "forward_arg_names") else _PATH).fullmatch(
            value
        ):
            yield f"the name {value[:60]!r}"


def _structure(spec: Any) -> Iterator[str]:
    """What is odd in a tree of tuples, lists and dicts, as PyTorch writes the structure of inputs
    and of outputs."""
    kind, context = spec["type"], spec["context"]
    if kind not in _STRUCTURES:
        yield f"the structure {kind!r}"
    keys = json.loads(context) if context else None
    for key in keys or ():
        if not (isinstance(key, str) and _PATH.fullmatch(key)):
            yield f"the key {str(key)[:60]!r}"
    for child in spec["children_spec"]:
        yield from _structure(child)
