"""One model on one board: the Python API, which the command line and pytest's fixtures stand on.

firmware = tinyc.compile("kws.tflite", board="stm32")
scores = firmware.run(x)
"""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CompileError, CompileErrors
from .project import Project

if TYPE_CHECKING:
    from .ir import Array, Graph
    from .report import Report, Verdict
    from .run.data import Samples

__all__ = ["CompileError", "CompileErrors", "Firmware", "Profile", "Sizes", "compile", "load"]

_FORMS = (".html", ".md", ".json")


def compile(
    model: str | os.PathLike[str], board: str | os.PathLike[str], **settings: Any
) -> Firmware:
    """Compile a model for a board.

    model: a model's file, or ``file.py:function``; board: a name or an alias, or the path of a
    ``.toml``; settings: the other fields of `tinyc.settings.Config` and of its ``Expect``, as
    ``calibrate="data.npz"``, ``emulator="qemu"``, ``max_flash=100_000``. No settings file and no
    variable is looked at, and nothing is printed. Raises CompileError, CompileErrors where there
    are several.
    """
    from . import config

    chosen = config.given({"model": model, "board": board, **settings}, "tinyc.compile")
    return Firmware.compile(chosen, "tinyc.compile", "pass the path of one")


def load(model: str | os.PathLike[str], trust: bool = False) -> Graph:
    """The graph of a model as its file has it; as text a line for each operator.

    trust: load a model even if that runs code which came with it. Raises CompileError(s)
    E2xx and E3xx.
    """
    from .frontends.base import read_model

    return read_model(os.fsdecode(model), trust)[0]


@dataclass(frozen=True)
class Sizes:
    """Bytes of the linked firmware. flash_bytes: code, constants and initial values; ram_bytes:
    variables, the arena, which is the network's working memory, and the deepest stack."""

    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int


@dataclass(frozen=True)
class Layer:
    """One layer of a profile. kernel: what computes it; macs: its multiply-accumulates, those of
    signs included; cycles: modelled."""

    name: str
    op: str
    kernel: str
    macs: int
    instructions: int
    cycles: int


@dataclass(frozen=True)
class Profile:
    """What one inference costs. cycles_source says what they are; milliseconds: at the board's
    clock; board_cycles: with the wait states of its flash, None where nothing is known of them;
    report: the object of ``tinyc profile --json``."""

    layers: tuple[Layer, ...]
    instructions: int
    cycles: int
    cycles_source: str
    milliseconds: float
    board_cycles: int | None
    report: Report = field(repr=False, compare=False)


class Firmware(Project):
    """A compiled model: what its firmware computes on an emulated board, and what that costs.

    Inputs are arrays [n, *shape], one for each input of the model in its order, or by its name
    (``run(gyro=g, accel=a)``), without the batch dimension of 1 that a model's shape may begin
    with; in the model's dtype, or float, which is then quantized. Outputs have the same form: one
    array, or a named tuple of several. To a model that keeps states the n are one sequence, the
    first of them after a reset; to a stream they are frames, or recordings of any length, each
    after a reset, and there is an output for each frame. Methods raise CompileError: E401 (does not
    fit the board), E7xx (a tool is missing), E8xx (the emulator or the disk).

    What is built to run it lies in a temporary folder, and goes with the object.
    """

    def __repr__(self) -> str:
        return f"<firmware {self.name} on {self.board.name} in {self.config.emulator}>"

    @property
    def sources(self) -> Mapping[str, str]:
        """The drop-in C library: path -> text."""
        return self.compiled.c_library.files

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the model or the data that calibrated it, in words."""
        return (*self.compiled.source.notes, *self.compiled.warnings)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the model's inputs, in its order."""
        from .ir.ports import input_ports

        return tuple(port.name for port in input_ports(self.compiled.graph))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs, in its order."""
        from .ir.ports import output_ports

        return tuple(port.name for port in output_ports(self.compiled.graph))

    # Numpy in, numpy out ----------------------------------------------------------------------

    def run(self, /, *inputs: Any, **named: Any) -> Any:
        """The firmware's outputs on the emulated board, in the model's dtypes. `trace` is of this
        run then. Raises also CompileError E211 to E214 (the inputs are not the model's)."""
        return self._plain(self._run(self._given(inputs, named)))

    def scores(self, /, *inputs: Any, **named: Any) -> Any:
        """The same as float32: scale * (output - zero point)."""
        from .ir.quant import dequantize

        pairs = zip(self._run(self._given(inputs, named)), self.plan.graph.outputs, strict=True)
        return self._plain([dequantize(array, value.type) for array, value in pairs])

    def reference(self, /, *inputs: Any, **named: Any) -> Any:
        """What `run` must give by the numpy reference: to the bit where outputs are integers,
        else within the tolerance of `tinyc.plan.heads`."""
        from .reference import reference

        answers = reference(self.compiled, self._given(inputs, named), self.listener)
        return self._plain(answers.outputs)

    def random(self, count: int, seed: int = 0) -> tuple[Array, ...]:
        """Seeded random inputs in the model's dtypes, an array [count, ...] for each, as
        ``tinyc test`` takes them where there is no data. Raises CompileError E209 (a negative
        number, or none), E228 (more than fits into memory)."""
        from numbers import Integral

        from .run.data import random_samples

        for what, number in (("count", count), ("seed", seed)):
            if not isinstance(number, Integral) or number < 0:
                hint = "pass an integer from 0 on"
                raise CompileError("E209", f"{self.name}: {what}", f"cannot be {number!r}", hint)
        return tuple(map(_plain, random_samples(self.compiled.graph, count, seed).inputs))

    def profile(self, /, *inputs: Any, **named: Any) -> Profile:
        """Instructions and modelled cycles of one inference, layer by layer: of the first of the
        given samples, or of a random one: where that may leave the network early, of one that does
        not, if one is found. Raises also CompileError E206 (the emulator does not
        count by layer)."""
        samples = self._given(inputs, named) if inputs or named else self.sample()
        found = self.profiled(samples.only(0))
        keys = [key.name for key in fields(Layer)]
        layers = [
            {**layer, "macs": layer["macs"] + layer.get("binary_macs", 0)}
            for layer in found["layers"]
        ]
        return Profile(
            tuple(Layer(*(layer[key] for key in keys)) for layer in layers),
            found["instructions"],
            found["cycles"],
            found["cycles_source"],
            found["milliseconds"],
            found.get("board_cycles"),
            found,
        )

    def test(self, data: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> Report:
        """Compare the emulated board with the reference, sample by sample; the object of ``tinyc
        test --json``: mismatches, accuracy, agreement with the model before calibration.

        data: an ``.npz`` or arrays, ``x`` and optionally what is right, ``y``: classes, numbers or
        anomalies; or by the names of inputs and ``y_<output>``; else the settings' data, or
        random inputs. Raises also CompileError E21x, E257, E258 under ``strict``, and E209
        (data are neither).
        """
        from .reference import reference
        from .run.data import given_samples, load_npz

        _ = self.original  # which may be refused, before anything runs
        stream = self.compiled.stream
        if data is None:
            source, samples = self.config.data, self.samples()
        elif isinstance(data, Mapping):
            arrays = self._arrays(data)
            samples = given_samples(arrays, self.compiled.graph, self.name, stream=stream)
            samples, source = self.heeded(samples, self.name), "arrays"
        elif not isinstance(data, (str, os.PathLike)):
            what = f"is of type {type(data).__name__}, neither arrays by name nor a file's path"
            hint = 'pass {"x": inputs, "y": labels}, or the path of an .npz'
            raise CompileError("E209", f"{self.name}: data", what, hint)
        else:
            source = os.fspath(data)
            samples = load_npz(Path(data), self.compiled.graph, stream=stream)
            samples = self.heeded(samples, str(Path(data)))
        trace = self.emulate(samples)
        expected = reference(self.compiled, samples, self.listener)
        return self.compared(samples, trace, expected, source)

    def verdicts(self) -> list[Verdict]:
        """What the settings expect, judged by the build and by the latest `test`: each verdict has
        a ``name``, a ``detail`` in words, and an ``error``, which is None where it passed."""
        _ = self.sizes
        return super().verdicts()

    # On the disk ------------------------------------------------------------------------------

    @property
    def sizes(self) -> Sizes:
        """Of the firmware, which is compiled and linked for that."""
        if "build" not in self.sections:
            self.measured(self.image(self.place("build"), self.config.main))
        return Sizes(*(self.sections["build"][key.name] for key in fields(Sizes)))

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Build the firmware into ``folder``, as ``tinyc build`` does: the library, the project
        around it, ELF, HEX and BIN, and the reports. What was built there before is replaced whole.
        Raises also CompileError E235 to E237, where something else lies there, and E245 (no folder
        can have that name)."""
        from . import report
        from .files.inputs import check_name

        folder = Path(folder)
        check_name(folder)
        self.measured(self.image(folder, self.config.main))
        report.write(folder / "report", self.sections, self.verdicts(), self.suite)
        return folder

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write a report of the build, and of the test and the profile that were made, in the form
        of the path's suffix: .html, .md or .json. Raises also CompileError E201 (another
        suffix)."""
        from .errors import disk_error
        from .files.folder import written
        from .files.inputs import check_name
        from .report.html import page
        from .report.json import document
        from .report.markdown import markdown

        path = Path(path)
        check_name(path)
        if path.suffix not in _FORMS:
            hint = f"end it in {' or '.join(_FORMS)}"
            raise CompileError("E201", str(path), "a report has no such form", hint)
        _ = self.sizes
        if path.suffix == ".html":
            text = page(self.sections, self.verdicts())
        else:
            text = {".md": markdown, ".json": document}[path.suffix](self.sections)
        try:
            with written(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise disk_error(error, path) from None
        return path

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .report.html import summary

        return summary(self.plan, self.board, self.sections)

    def _given(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Samples:
        """The samples of a call; see `run`."""
        from .ir.ports import input_ports
        from .run.data import given_samples
        from .run.keys import label_like

        ports = input_ports(self.compiled.graph)
        if inputs and named:
            what = "was given inputs by place and by name"
            raise CompileError("E211", self.name, what, "use one of the two")
        places = ["x"] if len(ports) == 1 else [f"x_{port.index}" for port in ports]
        known = {*places, *(name for port in ports for name in (port.name, port.identifier))}
        # The labels of an .npz whose arrays are all passed on are let through.
        if unknown := [name for name in named if name not in known | label_like(named)]:
            hint = f"its inputs are {', '.join(self.inputs)}"
            raise CompileError("E211", self.name, f"has no input '{unknown[0]}'", hint)
        given = {name: x for name, x in named.items() if name in known} or inputs
        if len(given) != len(ports):
            takes = f"{len(ports)} input{'s' * (len(ports) > 1)} ({', '.join(self.inputs)})"
            what, hint = f"takes {takes}, not {len(given)}", "pass an array [n, ...] for each"
            raise CompileError("E211", self.name, what, hint)
        arrays = self._arrays(named or dict(zip(places, inputs, strict=True)))
        graph, stream = self.compiled.graph, self.compiled.stream
        return given_samples(arrays, graph, self.name, with_labels=False, stream=stream)

    def _arrays(self, given: Mapping[str, Any]) -> dict[str, Array]:
        import numpy as np

        arrays = {}
        for name, rows in given.items():
            try:
                arrays[str(name)] = np.asarray(rows)
            except ValueError as error:  # rows that differ in length
                place, what = f"{self.name}: {name}", f"is no array: {error}".rstrip(".")
                raise CompileError("E213", place, what, "pass an array [n, ...]") from None
        return arrays

    def _run(self, samples: Samples) -> list[Array]:
        """For each output an array [n, *shape]."""
        from .report import split_outputs

        return split_outputs(self.plan.graph, self.emulate(samples).outputs)

    def _plain(self, arrays: Sequence[Array]) -> Any:
        """A single array by itself, several as a tuple whose fields have the outputs' names."""
        from .ir.ports import output_ports

        plain = [*map(_plain, arrays)]
        if len(plain) == 1:
            return plain[0]
        names = [port.identifier for port in output_ports(self.compiled.graph)]
        return namedtuple("Outputs", names, rename=True)(*plain)


def _plain(array: Array) -> Array:
    """[n, *shape] without a batch dimension of 1."""
    return array[:, 0] if array.ndim > 2 and array.shape[1] == 1 else array
