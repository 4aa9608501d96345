"""Fixtures for pytest: a model's firmware, built once a session and run in an emulator.

    def test_wake_word(tinyc_firmware):
        assert tinyc_firmware.run(spoken).argmax() == WAKE_WORD

Settings are those of ``tinyc.toml``. pytest loads this module in every repository where tinyc is
installed: nothing but the standard library is imported here, and nothing is done unasked.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .errors import CompileError, CompileErrors

if TYPE_CHECKING:
    from .ir import Array
    from .job import Job
    from .run import Trace
    from .settings import Config

_SETTINGS = {
    "board": "Board of the firmware under test, else that of tinyc.toml.",
    "emulator": "Emulator that runs the firmware under test, else that of tinyc.toml.",
    "toolchain": "Compiler of the firmware under test, else that of tinyc.toml.",
    "folder": "Folder of tinyc.toml, relative to the root of the tests.",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--tinyc-board`` and the like, and the same as ``tinyc_board`` in pytest's settings."""
    group = parser.getgroup("tinyc", "firmware of neural networks in an emulator")
    for name, text in _SETTINGS.items():
        group.addoption(f"--tinyc-{name}", metavar=name.upper(), help=text)
        parser.addini(f"tinyc_{name}", text)


@pytest.fixture(scope="session")
def tinyc_firmware(tinyc_build: Callable[..., Firmware]) -> Firmware:
    """The `Firmware` of the model and the board that tinyc.toml and the options name."""
    return tinyc_build()


@pytest.fixture(scope="session")
def tinyc_build(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Firmware]:
    """A function that gives a `Firmware`: ``tinyc_build("model.tflite", board="stm32")``.

    Its arguments are the model and any field of `tinyc.settings.Config`; they win over the
    options of pytest, these over ``TINYC_*`` variables, then come pytest's settings and
    tinyc.toml. A path is relative to the folder of tinyc.toml. What was built already in this
    session is not built again.
    """
    folder = _folder(pytestconfig)
    known: dict[Config, Firmware] = {}

    def build(model: str | os.PathLike[str] | None = None, **settings: Any) -> Firmware:
        from . import config
        from .job import Job

        given = {"model": model, **settings}
        for key in config.PATHS:
            if isinstance(given.get(key), (str, os.PathLike)):
                given[key] = str(folder / given[key])
        with _told():
            chosen = config.load(_options(pytestconfig) | given, folder)
            if chosen not in known:
                # Each worker of a parallel run builds by itself, out of the others' way.
                place = given.get("output_dir") or str(tmp_path_factory.mktemp("tinyc"))
                hint = f'tinyc_build("MODEL.tflite"), or model = "..." in {folder / "tinyc.toml"}'
                job = Job.compile(replace(chosen, output_dir=place), "tinyc_build", hint)
                known[chosen] = Firmware(job)
        return known[chosen]

    return build


class Firmware:
    """A `tinyc.Firmware` in the words of pytest: what its firmware computes and what that costs.

    A missing tool skips the test, any other error of tinyc fails it, with its line.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    def __repr__(self) -> str:
        return repr(self._job)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._job.name

    @property
    def board(self) -> str:
        """The board's name."""
        return self._job.board.name

    @property
    def emulator(self) -> str:
        """The emulator's name."""
        return self._job.config.emulator

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the model's inputs, in its order."""
        return self._job.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs, in its order."""
        return self._job.outputs

    def run(self, /, *inputs: Any, **named: Any) -> Any:
        """The firmware's outputs, in the model's dtype; see `tinyc.firmware.Firmware` for the form
        of both. `trace` is of this run then."""
        with _told():
            return self._job.run(*inputs, **named)

    def scores(self, /, *inputs: Any, **named: Any) -> Any:
        """The same as float32: scale * (output - zero point)."""
        with _told():
            return self._job.scores(*inputs, **named)

    def reference(self, /, *inputs: Any, **named: Any) -> Any:
        """What `run` must give by the numpy reference: to the bit where outputs are integers,
        else within the tolerance of `tinyc.plan.heads`."""
        with _told():
            return self._job.reference(*inputs, **named)

    def random(self, count: int, seed: int = 0) -> tuple[Array, ...]:
        """Seeded random inputs in the model's dtypes, an array [count, ...] for each, as
        ``tinyc test`` takes them where there is no data."""
        with _told():
            return self._job.random(count, seed)

    @property
    def trace(self) -> Trace:
        """Of the latest run: ``instructions`` and ``cycles`` of its first sample (None where
        the emulator does not count), ``stack_bytes``, the deepest stack seen (that of the harness
        that feeds the model), ``console``."""
        if self._job.trace is None:
            pytest.fail("there is no trace yet: call run(inputs) first", pytrace=False)
        return self._job.trace

    @cached_property
    def report(self) -> dict[str, Any]:
        """The object of ``tinyc build --json``."""
        with _told():
            return self._job.built()

    @property
    def flash_bytes(self) -> int:
        """Flash of the linked firmware."""
        return int(self.report["flash_bytes"])

    @property
    def ram_bytes(self) -> int:
        """RAM of the linked firmware, its deepest stack included."""
        return int(self.report["ram_bytes"])

    @property
    def stack_bytes(self) -> int:
        """The deepest stack that the firmware's calls can come to."""
        return int(self.report["stack_bytes"])


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Errors of tinyc in the words of pytest."""
    __tracebackhide__ = True
    try:
        yield
    except (CompileError, CompileErrors) as error:
        if error.exit_code == 7:
            pytest.skip(str(error))
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _options(config: pytest.Config) -> dict[str, Any]:
    """Settings by pytest's options, else by variables, else by pytest's settings file."""
    found = {}
    for name in ("board", "emulator", "toolchain"):
        ways = (_option(config, name), os.environ.get(f"TINYC_{name.upper()}"), _ini(config, name))
        found[name] = next(filter(None, ways), None)
    return found


def _option(config: pytest.Config, name: str) -> str | None:
    given: str | None = config.getoption(f"tinyc_{name}")
    return given


def _ini(config: pytest.Config, name: str) -> str | None:
    found = config.getini(f"tinyc_{name}")
    return str(found) if found else None


def _folder(config: pytest.Config) -> Path:
    """Where tinyc.toml is looked for: the named folder; else the nearest with that file, from
    where pytest was called up to the root of the tests; else that root."""
    root = config.rootpath
    if named := _option(config, "folder") or _ini(config, "folder"):
        return root / named
    start = config.invocation_params.dir
    if start.is_relative_to(root):
        for folder in (start, *start.parents):
            if folder == root or (folder / "tinyc.toml").is_file():
                return folder
    return root
