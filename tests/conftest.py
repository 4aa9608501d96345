"""Fixtures of the whole suite: the models to test with, and where the data lie."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import threading
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from release import build_wheel
from tflite_writer import TensorSpec, write_model

from tinyc.report import schema
from tinyc.target.boards import Core
from tinyc.target.toolchain import Toolchain

ROOT = Path(__file__).resolve().parent.parent
# A run in a shell's background ignores Ctrl-C, one by nohup the terminal's end; so would the
# programs that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# TensorFlow asks once which Keras is `tf.keras`; larq, and what some tests import of it, needs 2.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
DATA = Path(os.environ.get("TINYC_DATA", ROOT.parent / "shared" / "data"))


GOLDEN = ROOT / "tests" / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="Write the pinned texts of tests/golden anew."
    )


def pinned(request: pytest.FixtureRequest, path: str, content: str | bytes) -> None:
    """Assert that ``content`` is what tests/golden holds under ``path``; with --update-golden it
    is written there."""
    file = GOLDEN / path
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    known: str | bytes | None = file.read_bytes() if file.is_file() else None
    if isinstance(content, str) and isinstance(known, bytes):
        known = known.decode()
    assert content == known, f"{path}: if this is right, `pytest --update-golden` writes it"


def slow_but(quick: Collection[str], values: Iterable[Any]) -> list[Any]:
    """Parameters of a test, of which `make check` runs those whose name, or text, is in
    ``quick``."""
    named = [(value, getattr(value, "name", None) or str(value)) for value in values]
    return [
        pytest.param(v, id=name, marks=() if name in quick else pytest.mark.slow)
        for v, name in named
    ]


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Seeded by the test's own name, its parameters included."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own TINYC_* settings must not steer the tests."""
    for name in list(os.environ):
        if name.startswith("TINYC_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, its sdist beside it."""
    for package in ("build", "hatchling"):
        pytest.importorskip(package, reason=f"{package} is not installed: make setup")
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `keep_objects`, one for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "objects"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def keep_objects(
    request: pytest.FixtureRequest, objects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compile a file once for all tests, except those marked ``compiles``: what comes out depends
    on the command, the file and the headers alone (test_build.py: test_same_bytes_...)."""
    if request.node.get_closest_marker("compiles"):
        return
    compile_file = Toolchain._compile_file

    def once(
        self: Toolchain, core: Core, source: Path, target: Path, more: Sequence[str], cwd: Path
    ) -> None:
        said = repr((self, self.flags(core), more, str(source))).encode()
        kept = objects / hashlib.sha256(said + with_headers(cwd / source, cwd)).hexdigest()
        if not kept.exists():
            compile_file(self, core, source, target, more, cwd)
            copy = kept.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
            shutil.copyfile(cwd / target, copy)
            copy.rename(kept)
        shutil.copyfile(kept, cwd / target)

    monkeypatch.setattr(Toolchain, "_compile_file", once)


@cache
def schema_of(kind: str) -> Any:
    """What judges an object of a kind by its published schema."""
    import jsonschema

    found = json.loads((ROOT / "docs" / "schemas" / f"{kind}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.fixture(autouse=True)
def follow_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test has printed with ``--json``, or written as report.json, is as its schema
    says."""
    stamped = schema.stamped

    def checked(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
        made = stamped(kind, value)
        schema_of(kind).validate(json.loads(json.dumps(made)))
        return made

    monkeypatch.setattr(schema, "stamped", checked)


def with_headers(file: Path, cwd: Path) -> bytes:
    """The file's bytes and those of all that it includes by name, where a build finds them."""
    found, queue = {}, [file]
    while queue:
        path = queue.pop()
        if path.is_file() and path not in found:
            found[path] = path.read_bytes()
            for name in re.findall(rb'^#include ["<](.+)[">]', found[path], re.M):
                folders = (path.parent, cwd / "include", cwd / "port", cwd / "port" / "libc")
                queue += [folder / name.decode() for folder in folders]
    return b"".join(str(p.relative_to(cwd)).encode() + found[p] for p in sorted(found))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real models and data; skips where there is none."""
    if not (DATA / "mlperf-tiny").is_dir():
        pytest.skip(f"no models in {DATA}; set TINYC_DATA to a folder that has mlperf-tiny/")
    return DATA


@pytest.fixture(scope="session")
def cases(data_folder: Path) -> Path:
    """The small models and data that went wrong in practice; skips where there are none."""
    folder = data_folder / "cases"
    if not folder.is_dir():
        pytest.skip(f"no cases in {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny.tflite``: int8 [1, 4, 4, 2] through a convolution and a fully connected layer to
    int8 [1, 3]; seeded weights."""
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.tflite")


def write_tiny(path: Path, name: str | None = None) -> Path:
    """Write the model of `tiny_model`, every tensor named ``name`` if that is given."""
    rng = np.random.default_rng(3)

    def ints(shape: tuple[int, ...]) -> np.ndarray:
        return rng.integers(-127, 128, shape)

    scales = [0.01, 0.02, 0.015, 0.03]
    tensors = [
        TensorSpec("input", (1, 4, 4, 2), "int8", 0.05, -3),
        TensorSpec("filter", (4, 3, 3, 2), "int8", scales, [0] * 4, 0, ints((4, 3, 3, 2))),
        TensorSpec("bias", (4,), "int32", [0.05 * s for s in scales], [0] * 4, 0, ints((4,))),
        TensorSpec("conv", (1, 4, 4, 4), "int8", 0.1, -10),
        TensorSpec("shape", (2,), "int32", data=[1, 64]),
        TensorSpec("flat", (1, 64), "int8", 0.1, -10),
        TensorSpec("weights", (3, 64), "int8", 0.02, 0, 0, ints((3, 64))),
        TensorSpec("offsets", (3,), "int32", 0.002, 0, 0, ints((3,))),
        TensorSpec("scores", (1, 3), "int8", 0.4, 5),
    ]  # fmt: skip
    if name is not None:
        tensors = [replace(tensor, name=name) for tensor in tensors]
    conv = {"padding": 0, "strideW": 1, "strideH": 1, "fusedActivationFunction": 1}
    conv |= {"dilationWFactor": 1, "dilationHFactor": 1}
    return write_model(
        path,
        [
            ("CONV_2D", conv, [0, 1, 2], [3]),
            ("RESHAPE", {"newShape": [1, 64]}, [3, 4], [5]),
            ("FULLY_CONNECTED", {}, [5, 6, 7], [8]),
        ],
        tensors,
        inputs=[0],
        outputs=[8],
    )


def write_binary(path: Path, **options: object) -> Path:
    """Write a binary network of LCE's operators, int8 [1, 6, 6, 40] -> int8 [1, 3, 3, 8];
    ``options``: of its first convolution, in the place of the right ones. All of them can be
    replaced with ``custom=bytes``."""
    rng = np.random.default_rng(5)
    bits = [rng.integers(-(1 << 31), 1 << 31, shape) for shape in ((48, 3, 3, 2), (8, 1, 1, 2))]
    bits[0][..., 1] &= 0xFF
    bits[1][..., 1] &= 0xFFFF
    first: dict[str, object] = {
        "stride_height": 1, "stride_width": 1, "dilation_height_factor": 1,
        "dilation_width_factor": 1, "padding": 0, "pad_values": 1, "channels_in": 40,
        "fused_activation_function": 0,
    }  # fmt: skip
    second = first | {"channels_in": 48, "padding": 1}
    pool = {"filter_height": 2, "filter_width": 2, "stride_height": 2, "stride_width": 2}
    tensors = [
        TensorSpec("image", (1, 6, 6, 40), "int8", 0.1, 3),
        TensorSpec("signs", (1, 6, 6, 2), "int32"),
        TensorSpec("kernel", bits[0].shape, "int32", data=bits[0]),
        TensorSpec("threshold", (48,), "int32", data=rng.integers(150, 210, 48)),
        TensorSpec("conv", (1, 6, 6, 2), "int32"),
        TensorSpec("pool", (1, 3, 3, 2), "int32"),
        TensorSpec("heads", bits[1].shape, "int32", data=bits[1]),
        TensorSpec("multiplier", (8,), "float32", data=rng.normal(0, 1, 8)),
        TensorSpec("bias", (8,), "float32", data=rng.normal(0, 9, 8)),
        TensorSpec("scores", (1, 3, 3, 8), "int8", 0.5, -4),
    ]
    custom = options.pop("custom", None)
    return write_model(
        path,
        [
            ("CUSTOM LceQuantize", {}, [0], [1]),
            ("CUSTOM LceBconv2d", custom or first | options, [1, 2, -1, -1, 3], [4]),
            ("CUSTOM LceBMaxPool2d", pool | {"padding": 1}, [4], [5]),
            ("CUSTOM LceBconv2d", second, [5, 6, 7, 8, -1], [9]),
        ],
        tensors,
        inputs=[0],
        outputs=[9],
    )
