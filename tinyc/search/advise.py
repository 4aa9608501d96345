"""What to try on a model that is too large, or too slow, and why: from what it costs as int8, and
from what each way has brought where it was measured. Nothing is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..compress.calibrate import float_nodes
from ..errors import CompileError
from ..frontends.base import read_model
from ..frontends.keras import is_keras
from ..ir import DType, Graph
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected
from ..project import Project
from ..settings import Config
from ..target.boards import Board, Core, load_board
from .measure import roomy
from .table import measured

FAR = 4.0
"""Times over a limit from which on no chain of techniques reaches it, by what they have brought:
another network does."""


BALANCED = "distill:5:epochs=0,channels:0.3"
EXTREME = "distill:5:epochs=0,prune:0.5,int4"
LIKE = {"ic": "cifar10-bnn", "digits": "digits-bnn"}
"""Networks of which there are figures -> the recipe of a binarized one for the same data."""


@dataclass(frozen=True)
class Limits:
    """Of flash and RAM in bytes, by default what the board has, and of cycles, None for any."""

    flash: int
    ram: int
    cycles: int | None


@dataclass(frozen=True)
class Facts:
    """A model as int8 on a board: parameters; macs: multiply-accumulates of an inference; binary:
    those of signs among them; flash_bytes, ram_bytes, cycles (modelled, zero wait states) of the
    linked, emulated firmware; fits: whether the board takes it as it is; trainable: whether it is a
    Keras model; floating: whether it was float32; dense: whether most of its weights are of dense
    layers; limits: see `Limits`."""

    model: str
    board: Board
    parameters: int
    macs: int
    binary: int
    flash_bytes: int
    ram_bytes: int
    cycles: int
    fits: bool
    trainable: bool
    floating: bool
    dense: bool
    limits: Limits

    def over(self) -> dict[str, float]:
        """What is over its limit, and how many times that is."""
        limits = self.limits
        found = {
            "flash": self.flash_bytes / limits.flash,
            "RAM": self.ram_bytes / limits.ram,
            "cycles": self.cycles / limits.cycles if limits.cycles else 0.0,
        }
        return {name: times for name, times in found.items() if times > 1}

    @property
    def milliseconds(self) -> float:
        """Of an inference at the board's clock, at zero wait states."""
        return self.cycles / self.board.clock.hz * 1e3


@dataclass(frozen=True)
class Way:
    """One thing to try. chain: of `tinyc compress`, or a training of a recipe; why: in words."""

    name: str
    chain: str
    why: str


def ways(binary: str) -> tuple[Way, ...]:
    """What there is to try; binary: the recipe of a binarized network."""
    return (
        Way("basic", "int8", "int8 alone: a quarter of float32, at next to no loss"),
        Way("balanced", BALANCED, "3 of 10 channels less, taught by the model"),
        Way("extreme", EXTREME, "half of the weights zero, the others of 4 bits"),
        Way("microcontroller", f"recipe:{binary}", "a network of signs in its place"),
    )


@dataclass(frozen=True)
class Advice:
    """way: what; flash_bytes, cycles: expected by the ratios that were measured on ``network``;
    accuracy: the change there; None, and an empty name, where nothing was measured; reaches:
    whether what is expected keeps the limits; command: that does it."""

    way: Way
    network: str
    flash_bytes: int | None
    cycles: int | None
    accuracy: float | None
    reaches: bool
    command: str


def facts(settings: Config, max_cycles: int | None) -> Facts:
    """Of the settings' model on their board; float32 becomes int8 by random samples, which is
    right for sizes and cycles. Raises those of `Project.compile`, but for what does not fit."""
    model, board = str(settings.model), load_board(str(settings.board))
    source, _ = read_model(model, settings.trust)
    floating = bool(float_nodes(source))
    limits = Limits(
        settings.expect.max_flash or _room(board, "flash"),
        settings.expect.max_ram or _room(board, "ram"),
        max_cycles,
    )
    with tempfile.TemporaryDirectory(prefix="tinyc-") as folder:
        if floating:
            path = Path(folder) / "random.npz"
            np.savez(path, **random_inputs(source))
            settings = replace(settings, calibrate=str(path))
        try:
            project, fits = _measured(settings, board), True
        except CompileError as error:
            if error.id != "E401":
                raise
            project, fits = _measured(settings, roomy(board)), False
    built, trace = project.sections["build"], project.trace
    assert trace is not None and trace.cycles is not None
    return Facts(
        model, board, sum(_weights(project.compiled.graph).values()),
        sum(s.macs for s in project.plan.steps),
        sum(s.binary_macs for s in project.plan.steps), built["flash_bytes"], built["ram_bytes"],
        trace.cycles, fits, is_keras(model), floating, is_dense(project.compiled.graph), limits,
    )  # fmt: skip


def _measured(settings: Config, board: Board) -> Project:
    """The model built and run once on ``board``."""
    from ..pipeline import CompileOptions, compile_model

    options = replace(CompileOptions.of(settings), lock=None)
    compiled = compile_model(str(settings.model), board, options)
    project = Project(settings, board, compiled, explains=False)
    project.measured(project.image(project.place("build"), settings.main))
    project.emulate(project.samples(1))
    return project


def _room(board: Board, kind: str) -> int:
    return sum(m.size for m in board.memory if m.kind == kind and not m.setup)


def random_inputs(graph: Graph) -> dict[str, Any]:
    """Inputs to calibrate with, as `tinyc.run.data.load_npz` takes them."""
    from ..run.data import random_samples

    arrays = random_samples(graph, 8, 0).inputs
    names = ["x"] if len(arrays) == 1 else [f"x_{i}" for i in range(len(arrays))]
    return dict(zip(names, arrays, strict=True))


def _weights(graph: Graph) -> dict[str, int]:
    found = {"convolution": 0, "dense": 0, "other": 0}
    for node in graph.nodes:
        kind = "other"
        if isinstance(node.op, (Conv2d, DepthwiseConv2d)):
            kind = "convolution"
        elif isinstance(node.op, FullyConnected):
            kind = "dense"
        found[kind] += sum(
            v.type.elements for v in node.inputs if v.data is not None and v.type.dtype is DType.I8
        )
    return found


def is_dense(graph: Graph) -> bool:
    """Whether most int8 weights are of dense layers."""
    weights = _weights(graph)
    return weights["dense"] > weights["convolution"]


def questions(found: Facts) -> list[tuple[str, str]]:
    """The decision tree with this model's facts: question and answer, in their order."""
    core, over = found.board.core, found.over()
    worst = max(over.values(), default=0.0)
    keep = "yes: it keeps every limit as int8"
    if worst > FAR:
        keep = f"no: it is {worst:.1f} times over a limit; a smaller network is needed"
    elif worst:
        keep = f"yes, compressed: it is {worst:.2f} times over a limit"
    lanes = "two multiply-accumulates an instruction" if "dsp" in core.features else "one at a time"
    latency = f"{found.milliseconds:.1f} ms at {found.board.clock.hz / 1e6:g} MHz"
    if found.limits.cycles:
        times = found.cycles / found.limits.cycles
        latency += f", {times:.2f} times the limit of {found.limits.cycles:,} cycles"
    return [
        ("Can the architecture stay?", keep),
        ("Is there an accelerator?", f"none that tinyc uses: {core.title}, {lanes}"),
        ("How long does it take?", latency),
        ("How much flash?", _used(found.flash_bytes, found.limits.flash)),
        ("How much RAM?", _used(found.ram_bytes, found.limits.ram)),
        ("Can it be trained here?", _trained(found)),
    ]


def _trained(found: Facts) -> str:
    if found.trainable:
        return "yes: it is a Keras model, which `tinyc compress` trains"
    return "no: give the Keras model that it was made from; only `--compress` works on this file"


def _used(count: int, limit: int) -> str:
    left = limit - count
    text = f"{left:,} left" if left >= 0 else f"{-left:,} too many"
    return f"{count:,} of {limit:,} bytes, {text}"


def advise(found: Facts) -> list[Advice]:
    """The ways by what is expected of them: those that keep the limits first, of them those that
    cost the least accuracy; then those that come nearest."""
    binary = next(LIKE[name] for name in _near(found.dense) if name in LIKE)
    made = [_expected(found, way) for way in ways(binary)]

    def order(advice: Advice) -> tuple[bool, float, float]:
        loss = -(advice.accuracy if advice.accuracy is not None else -1.0)
        size = float(advice.flash_bytes or found.flash_bytes)
        return (not advice.reaches, loss if advice.reaches else size, size)

    return sorted(made, key=order)


def _near(dense: bool) -> tuple[str, ...]:
    """The networks of the table that are most like one, the nearest first."""
    return ("ad", "digits") if dense else ("ic", "digits")


@dataclass(frozen=True)
class Ratios:
    """Of what a chain made of ``network`` to that as int8; accuracy: the change, None without
    labels."""

    network: str
    flash: float
    ram: float
    cycles: float
    accuracy: float | None


def ratios(chain: str, dense: bool, core: Core) -> Ratios | None:
    """What a chain brought where it was measured, on the network that is most like one of dense
    layers, or not; None where it was not."""
    known, like = measured(), "m4" if "dsp" in core.features else "m0plus"
    for name in _near(dense):
        rows = known.get(name, {})
        if chain in rows and "int8" in rows:
            after, before = rows[chain], rows["int8"]
            flash, ram, cycles = (
                after[like][key] / before[like][key]
                for key in ("flash_bytes", "ram_bytes", "cycles")
            )
            change = None
            if after["m4"]["accuracy"] is not None and before["m4"]["accuracy"] is not None:
                change = round(after["m4"]["accuracy"] - before["m4"]["accuracy"], 4)
            return Ratios(name, flash, ram, cycles, change)
    return None


def _expected(found: Facts, way: Way) -> Advice:
    brought = ratios(way.chain, found.dense, found.board.core)
    if brought is None:
        return Advice(way, "", None, None, None, False, _command(found, way))
    flash, cycles = (round(found.flash_bytes * brought.flash), round(found.cycles * brought.cycles))
    limits = found.limits
    # RAM is that of activations: only fewer channels need less.
    reaches = flash <= limits.flash and found.ram_bytes <= limits.ram
    reaches &= limits.cycles is None or cycles <= limits.cycles
    return Advice(
        way, brought.network, flash, cycles, brought.accuracy, reaches, _command(found, way)
    )  # fmt: skip


def _command(found: Facts, way: Way) -> str:
    board = found.board.name
    if way.chain.startswith("recipe:"):
        return f"tinyc train {way.chain.removeprefix('recipe:')} --data data.npz"
    if way.chain == "int8" and not found.trainable:
        more = " --calibrate data.npz" if found.floating else ""
        return f"tinyc build {found.model} -b {board}{more}"
    model = found.model if found.trainable else "MODEL.keras"
    return f"tinyc compress {model} -b {board} --data data.npz --epochs 10 --with {way.chain}"


def facts_of(found: Facts, ways: Sequence[Advice]) -> dict[str, Any]:
    """The object of ``tinyc advise --json``."""
    return {
        "model": found.model,
        "board": found.board.name,
        "parameters": found.parameters,
        "macs": found.macs,
        "binary_macs": found.binary,
        "flash_bytes": found.flash_bytes,
        "ram_bytes": found.ram_bytes,
        "cycles": found.cycles,
        "milliseconds": round(found.milliseconds, 3),
        "fits": found.fits,
        "limits": {
            "flash_bytes": found.limits.flash,
            "ram_bytes": found.limits.ram,
            "cycles": found.limits.cycles,
        },
        "over": {name: round(times, 3) for name, times in found.over().items()},
        "questions": [{"question": q, "answer": a} for q, a in questions(found)],
        "ways": [
            {
                "name": advice.way.name,
                "techniques": advice.way.chain,
                "why": advice.way.why,
                "measured_on": advice.network,
                "flash_bytes": advice.flash_bytes,
                "cycles": advice.cycles,
                "accuracy_change": advice.accuracy,
                "reaches": advice.reaches,
                "command": advice.command,
            }
            for advice in ways
        ],
    }
