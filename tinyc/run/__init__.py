"""Run images: `Image` and inputs -> `Trace`, by Unicorn, QEMU, Renode or on the host.

Each emulator is a module here that tells of itself by `register`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CompileError
from ..ir import Array, Value
from ..plugins import Registry
from .forks import each

if TYPE_CHECKING:
    from ..image.build import Image
    from ..plan import Plan
    from ..target.boards import Board
    from .watching import Watched


@dataclass(frozen=True)
class LayerCount:
    """One layer of one inference, the support functions that it calls included. board_cycles: with
    the board's flash, straddled: executed opcodes that lie across two lines of that, both None
    where nothing is known of it (`tinyc.target.boards.Waits`)."""

    symbol: str
    instructions: int
    cycles: int
    board_cycles: int | None = None
    straddled: int | None = None


@dataclass(frozen=True)
class Trace:
    """What a run gave.

    outputs: uint8 [n, bytes of all outputs]; console: what the firmware printed;
    instructions, cycles: of the first sample's inference (None where the emulator does not
    count), cycles_source says where they come from; stack_bytes: painted high-water mark;
    layers: symbol -> count, filled by the profile of a run; board_cycles, board_cycles_source,
    straddled: see `LayerCount`; early: bool [n], which inferences ended early, at the side head,
    None of a network without one; counted: of such a network the first samples that did and the
    first that did not, by their index, each in a run of its own; longest: of a sample besides that
    did not, where all of these did; measured_cycles, measured_source: of the first sample's
    inference by the board's own counter, and which that is, of a real board (`Target`);
    counted_by: the emulator that instructions and modelled cycles are of, where it is another.
    """

    emulator: str
    outputs: Array
    console: str
    instructions: int | None
    cycles: int | None
    cycles_source: str
    stack_bytes: int | None
    layers: Mapping[str, LayerCount] = field(default_factory=dict)
    board_cycles: int | None = None
    board_cycles_source: str | None = None
    straddled: int | None = None
    early: Array | None = None
    counted: Mapping[int, Trace] = field(default_factory=dict)
    longest: Trace | None = None
    measured_cycles: int | None = None
    measured_source: str | None = None
    counted_by: str | None = None

    @property
    def worst(self) -> Trace | None:
        """Of those counted that went on to the final head the one that took most instructions;
        `longest` where there is none."""
        ends = [trace for trace in self.counted.values() if not _left(trace)]
        ends = ends or [trace for trace in (self.longest,) if trace is not None]
        return max(ends, key=lambda trace: trace.instructions or 0, default=None)

    def average(self, key: str) -> float | None:
        """The mean of a count, ``instructions`` say, over all samples, taking those that were
        not counted for like the others that ended where they did; None where that is not known."""
        if self.early is None or not self.counted:
            return None
        total = 0.0
        for left in (True, False):
            count = int((self.early == left).sum())
            known = [getattr(t, key) for t in self.counted.values() if _left(t) == left]
            if count and (not known or None in known):
                return None
            total += count * sum(known) / len(known) if count else 0
        return total / len(self.early)


def _left(trace: Trace) -> bool:
    """Whether the one sample of a trace ended early."""
    return trace.early is not None and bool(trace.early[0])


MOST_COUNTED = 4
"""Samples that ended early, and as many that did not, that are counted where that is quick."""


@dataclass(frozen=True)
class Emulator:
    """A way to run images.

    name: that of ``--emulator``; title: as it is written; main: the main program
    (`tinyc.image.build.MAINS`) through which it feeds samples; run: the trace of an image and its
    inputs, see `run`, with the counts of the C symbols given if it counts them;
    by_layer: whether it does; core: whether it runs the board's own code, and not the same C
    elsewhere; real: whether that is a board and no emulation of one; has: whether it has a board;
    serve: offers the UART of an image as a terminal as long as the block lasts: its path, and the
    process that runs; receives: whether the UART of a board that it has hears what is sent;
    watch: what the layers read and made in the last inference of ``inputs``, given image, plan,
    inputs, and what each value of the plan's graph is to be then, None where nobody can see it.
    """

    name: str
    title: str
    main: str
    run: Callable[[Image, Array, Sequence[str]], Trace]
    by_layer: bool = False
    core: bool = True
    real: bool = False
    has: Callable[[Board], bool] = lambda board: True
    serve: Callable[[Image], AbstractContextManager[tuple[str, subprocess.Popen[Any]]]] | None = (
        None
    )
    receives: Callable[[Board], bool] = lambda board: True
    watch: Callable[[Image, Plan, Array, Mapping[Value, Array]], Watched] | None = None


@dataclass(frozen=True)
class Target:
    """A way to reach boards of silicon. name: what stands before the colon of ``serial:PORT``;
    at: how images run on the one that is reached by what stands behind it. Raises CompileError
    E206 where that names none."""

    name: str
    at: Callable[[str], Emulator]


_EMULATORS: Registry[Emulator] = Registry("emulator", __name__)
register = _EMULATORS.add
emulators = _EMULATORS.all
_TARGETS: Registry[Target] = Registry("target", __name__)
register_target = _TARGETS.add


def find_target(name: str) -> Emulator:
    """How images run on the board that ``serial:PORT`` reaches. Raises CompileError E206."""
    kind, _, place = name.partition(":")
    known = _TARGETS.all()
    if kind not in known:
        what, hint = "names no board", "name its serial port: serial:/dev/ttyACM0"
        raise CompileError("E206", f"target {name!r}", what, hint)
    return known[kind].at(place)


def find(name: str) -> Emulator:
    """The emulator of that name, or the board on the desk where it is a target's. Raises
    CompileError E206."""
    if ":" in name:
        return find_target(name)
    known = emulators()
    if name not in known:
        hint = f"use one of {', '.join(known)}"
        raise CompileError("E206", f"emulator {name!r}", "is unknown", hint)
    return known[name]


def run(
    image: Image,
    inputs: Array,
    emulator: str = "unicorn",
    profile: bool = False,
    layers: Sequence[str] = (),
) -> Trace:
    """Feed each row of ``inputs`` (uint8 [n, bytes of all inputs]) to an image of
    the emulator's main program (`Emulator.main`), in their order. Where the model keeps states, a
    byte before those of the inputs tells whether they are reset before this row.

    profile: count layer by layer; ``layers``: their C symbols. Counts are of the
    first sample's inference, once, whatever the number of samples. Raises CompileError E206
    (unknown emulator, or one that does not count by layer), E207 (no machine for the board),
    E70x (a tool is missing), E802 (the firmware faulted), E803 (it did not end).
    """
    if inputs.ndim != 2 or not len(inputs) or inputs.dtype != np.uint8:
        raise ValueError(f"inputs of a run: uint8 [n, bytes], not {inputs.dtype} {inputs.shape}")
    chosen = find(emulator)
    if profile and not chosen.by_layer:
        able = " or ".join(f"--emulator {e.name}" for e in emulators().values() if e.by_layer)
        raise CompileError("E206", f"emulator {emulator!r}", "does not count by layer", able)
    wanted = layers if chosen.by_layer else ()
    if image.c_library.exit is None:
        return chosen.run(image, inputs, wanted)
    trace = _with_exits(chosen.run(image, inputs, wanted))
    assert trace.early is not None
    if trace.instructions is None:
        return trace
    if len(inputs) == 1:
        return replace(trace, counted={0: trace})
    most = MOST_COUNTED if chosen.by_layer else 1
    some = [i for left in (True, False) for i in np.flatnonzero(trace.early == left)[:most]]
    found = each(lambda i: _with_exits(chosen.run(image, inputs[i : i + 1], ())), some)
    return replace(trace, counted={int(some[at]): one for at, one in found})


def _with_exits(trace: Trace) -> Trace:
    """The same with the byte that a harness writes behind the outputs of each sample apart."""
    return replace(trace, outputs=trace.outputs[:, :-1], early=trace.outputs[:, -1] != 0)


def time_limit(samples: int) -> int:
    """Seconds after which a run of so many samples is taken to hang: a minute, and twenty
    seconds for each sample (some 10^9 instructions in the slowest emulator)."""
    return 60 + 20 * samples


def console_number(console: str, label: str) -> int | None:
    """The number of a line ``label: number`` of the harness."""
    for line in console.splitlines():
        key, _, value = line.partition(": ")
        if key == label and value.strip().isdigit():
            return int(value)
    return None


def collect(console: str, raw: bytes, samples: int, origin: str) -> tuple[Array, int | None]:
    """(outputs [n, bytes], stack) of a finished harness. Raises E802 unless it ran every
    sample."""
    done = console_number(console, "samples")
    if done != samples or len(raw) % max(samples, 1):
        what = console.strip().splitlines()
        raise CompileError(
            "E802", origin,
            f"the firmware ran {done or 0} of {samples} samples: {what[-1] if what else 'no word'}",
        )  # fmt: skip
    outputs = np.frombuffer(raw, np.uint8).reshape(samples, -1)
    return outputs, console_number(console, "stack")
