"""Run images: `Image` and inputs -> `Trace`, by Unicorn, QEMU, Renode or on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError

if TYPE_CHECKING:
    from ..image.build import Image

MAINS = {"unicorn": "test", "qemu": "test_serial", "renode": "test_mailbox", "host": "test"}
"""Emulator -> the main program (`tinyc.image.build.MAINS`) through which it feeds samples."""


@dataclass(frozen=True)
class LayerCount:
    """One layer of one inference, the support functions that it calls included."""

    symbol: str
    instructions: int
    cycles: int


@dataclass(frozen=True)
class Trace:
    """What a run gave.

    outputs: uint8 [n, bytes of all outputs]; console: what the firmware printed;
    instructions, cycles: of the first sample's inference (None where the emulator does not
    count), cycles_source says where they come from; stack_bytes: painted high-water mark;
    layers: symbol -> count, filled by the profile of a run.
    """

    emulator: str
    outputs: np.ndarray
    console: str
    instructions: int | None
    cycles: int | None
    cycles_source: str
    stack_bytes: int | None
    layers: Mapping[str, LayerCount] = field(default_factory=dict)


def run(
    image: Image,
    inputs: np.ndarray,
    emulator: str = "unicorn",
    profile: bool = False,
    layers: Sequence[str] = (),
) -> Trace:
    """Feed each row of ``inputs`` (uint8 [n, bytes of all inputs]) to an image of
    the emulator's main program (`MAINS`), in their order. Where the model keeps states, a byte
    before those of the inputs tells whether they are reset before this row.

    profile: count layer by layer (Unicorn); ``layers``: their C symbols. Counts are of the
    first sample's inference, once, whatever the number of samples. Raises CompileError E206
    (unknown emulator, or one that does not count by layer), E207 (no machine for the board),
    E70x (a tool is missing), E802 (the firmware faulted), E803 (it did not end).
    """
    if inputs.ndim != 2 or not len(inputs) or inputs.dtype != np.uint8:
        raise ValueError(f"inputs of a run: uint8 [n, bytes], not {inputs.dtype} {inputs.shape}")
    if emulator == "unicorn":
        from . import unicorn

        return unicorn.run(image, inputs, layers)
    if profile:
        raise CompileError(
            "E206", f"emulator {emulator!r}", "does not count by layer", "--emulator unicorn"
        )
    if emulator == "qemu":
        from . import qemu

        return qemu.run(image, inputs)
    if emulator == "renode":
        from .renode import emulator as renode

        return renode.run(image, inputs)
    if emulator == "host":
        from . import host

        return host.run(image, inputs)
    raise CompileError(
        "E206", f"emulator {emulator!r}", "is unknown", f"use one of {', '.join(MAINS)}"
    )


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


def collect(console: str, raw: bytes, samples: int, origin: str) -> tuple[np.ndarray, int | None]:
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
