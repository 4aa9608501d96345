"""Texts that are read, pinned: the graph after each pass, the C of each core class, the reports.

`pytest --update-golden` writes them anew; the diff is what a reviewer looks at.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import GOLDEN, pinned, write_binary, write_tiny
from golden_models import (
    frame_by_frame,
    known_before,
    residual_block,
    write_reducible,
    write_signs,
)
from two_heads import write_two_heads

from tinyc import __version__, plugins, report
from tinyc.emit.emitter import emit
from tinyc.frontends.tflite import read
from tinyc.image.stack import Frame
from tinyc.passes import names, optimize, stages
from tinyc.passes.early_exit import early_exit
from tinyc.plan import plan
from tinyc.run import LayerCount
from tinyc.run.data import Samples
from tinyc.settings import Expect
from tinyc.target.boards import Core, all_boards, load_board
from tinyc.verify.found import section
from tinyc.verify.stages import Stage
from tinyc.verify.values import Difference, Layer
from tinyc.verify.verify import Outcome, Step

BOARD = "stm32f4_discovery"


@pytest.mark.parametrize("name", ["int8", "binary", "constant", "two_heads"])
def test_the_graph_after_each_pass(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if name == "constant":
        graph = known_before()
    elif name == "two_heads":
        graph = early_exit(read(write_two_heads(tmp_path / "net.tflite")), 0.8, 0)
    else:
        write = write_reducible if name == "int8" else write_signs
        graph = read(write(tmp_path / "net.tflite"))
    texts, before = [f"# read\n{graph}\n"], str(graph)
    for stage, after in stages(graph):
        text = str(after)
        texts.append(f"# {stage}: the same\n" if text == before else f"# {stage}\n{text}\n")
        before = text
    pinned(request, f"ir/{name}.txt", "\n".join(texts))


def test_each_pass_has_something_to_do() -> None:
    texts = [file.read_text() for file in (GOLDEN / "ir").iterdir()]
    for name in names():
        assert any(f"# {name}\n" in text for text in texts), name


def _number(core: Core) -> tuple[int, str]:
    found = re.search(r"\d+", core.name)
    return int(found[0]) if found else 0, core.name


def core_classes() -> dict[str, Core]:
    """The first core of each set of features, by which kernels differ, by its name."""
    classes: dict[frozenset[str], Core] = {}
    for core in sorted((b.core for b in all_boards()), key=_number):
        classes.setdefault(frozenset(core.features), core)
    return {core.name: core for core in classes.values()}


@pytest.mark.parametrize("name", ["rows", "fed"])
def test_a_chain(name: str, request: pytest.FixtureRequest) -> None:
    """Layers that take turns by rows: what they hold and where, and the C. Of what is fed row by
    row also the header."""
    planned = residual_block(load_board(BOARD).core, feed=name == "fed")
    pinned(request, f"c/{name}/plan.txt", f"{planned}\n")
    for path in ("src/net.c", *(["include/net.h"] if name == "fed" else [])):
        text = emit(planned).files[path].replace(f"tinyc {__version__}", "tinyc")
        pinned(request, f"c/{name}/{Path(path).name}", text)


def test_an_early_exit(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What is computed when, where it lies, and the C: where a run ends, and how one learns so."""
    both = replace(read(write_two_heads(tmp_path / "net.tflite")), sha256="0" * 64)
    core = load_board(BOARD).core
    planned = plan(optimize(early_exit(both, 0.8, 0)), core.title, core.features)
    pinned(request, "c/early_exit/plan.txt", f"{planned}\n")
    for path in ("src/net.c", "include/net.h"):
        text = emit(planned).files[path].replace(f"tinyc {__version__}", "tinyc")
        pinned(request, f"c/early_exit/{Path(path).name}", text)


def test_a_stream(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The network of a frame: what it keeps and where, and the C."""
    planned = frame_by_frame(load_board(BOARD).core, tmp_path)
    pinned(request, "c/stream/plan.txt", f"{planned.graph}\n\n{planned}\n")
    for path in ("src/net.c", "include/net.h"):
        text = emit(planned).files[path].replace(f"tinyc {__version__}", "tinyc")
        pinned(request, f"c/stream/{Path(path).name}", text)


@pytest.mark.parametrize("core", core_classes())
@pytest.mark.parametrize("model", ["int8", "binary"])
def test_the_c_of_each_core_class(
    model: str, core: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The layers and the header; the weights are numbers, the kernels' files lie open."""
    write = write_tiny if model == "int8" else write_binary
    graph = optimize(replace(read(write(tmp_path / "net.tflite")), sha256="0" * 64))
    chosen = core_classes()[core]
    files = emit(plan(graph, chosen.title, frozenset(chosen.features))).files
    for path in ("src/net.c", "include/net.h"):
        text = files[path].replace(f"tinyc {__version__}", "tinyc")
        pinned(request, f"c/{model}-{core}/{Path(path).name}", text)


def test_no_other_c_is_pinned() -> None:
    wanted = {f"{model}-{core}" for model in ("int8", "binary") for core in core_classes()}
    wanted |= {"early_exit", "fed", "rows", "stream"}
    assert {folder.name for folder in (GOLDEN / "c").iterdir()} == wanted


def _a_difference() -> dict[str, Any]:
    """What `tinyc verify --bisect` found."""
    samples = Samples((np.zeros((3, 1), np.int8),))
    first = Stage("plan", "rewrite", "numpy", [], ())
    start = Step(first, None, "start")
    wrong = Step(
        Stage("host", "program", "C, the host", [], ()), first, "FAIL", "every bit", 2, 1, 7.0
    )
    layer = Layer(
        "conv", "Conv2d", "net: op 0 'conv' (CONV_2D)", "conv", "computes something else",
        "conv2d_s8_dsp", "net_0_conv", Difference(64, 3, 7.0, (0, 1, 2, 3), 5.0, -2.0, "every bit"),
    )  # fmt: skip
    project: Any = SimpleNamespace(name="net", board=load_board(BOARD))
    outcome = Outcome((start, wrong), wrong, layer, 1)
    return section(project, samples, None, outcome, Path("verify/host-conv.npz"))


def test_the_reports(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "folders", lambda: ())  # whatever other tests have loaded
    board = load_board(BOARD)
    graph = read(write_tiny(tmp_path / "net.tflite"))
    planned = plan(optimize(graph), board.core.title, board.core.features)
    image: Any = SimpleNamespace(
        toolchain="gcc 0", flash_bytes=5000, ram_bytes=900, stack_bytes=200, fits=True,
        used={m.name: 5000 if m.kind == "flash" else 900 for m in board.memory},
        parts={m.name: {"code": 4000} if m.kind == "flash" else {"arena": 700, "stack": 200}
               for m in board.memory},
        calls=(Frame("Reset_Handler", 8), Frame("net_run", 192)),
    )  # fmt: skip
    layers = {
        step.symbol: LayerCount(
            step.symbol, 900 + step.index, 1000 + step.index, 1200 + step.index, 10 * step.index
        )
        for step in planned.steps
    }
    outputs = np.array([[3, 1, 2], [0, 9, 4]], np.int8)
    trace: Any = SimpleNamespace(
        outputs=outputs.view(np.uint8), instructions=1900, cycles=2100,
        cycles_source="cycles (modelled, Cortex-M4, zero wait states)", stack_bytes=180,
        layers=layers, board_cycles=2500, straddled=20,
        board_cycles_source="cycles (modelled, BOARD, 168 MHz, 5 wait states, ±4 %)",
        measured_cycles=2400, measured_source="cycles (SysTick)", counted_by="unicorn",
    )  # fmt: skip
    inputs = np.zeros((2, 1, 4, 4, 2), np.int8)
    inputs[1] = 1
    samples = Samples((inputs,), {0: np.array([0, 2])})
    compiled: Any = SimpleNamespace(graph=graph, changes={})
    reference = [outputs.reshape(2, 1, 3)]
    sections = {
        "build": {**report.build_report(planned, image, board), "warnings": []},
        "test": report.test_report(
            compiled, board, "serial:/dev/ttyACM0", trace, samples, reference, data="d.npz"
        ),
        "profile": report.profile_report(planned, board, "unicorn", trace),
        "verify": _a_difference(),
    }
    expect = Expect(min_accuracy=0.9, max_cycles=3000, max_ram=512)
    checks = report.verdicts(expect, sections["build"], sections["test"])
    checks.append(report.verified(sections["verify"]))
    report.write(tmp_path / "report", sections, checks, f"tinyc.{BOARD}.net")
    for name in ("report.json", "report.md", "junit.xml"):
        pinned(request, f"report/{name}", (tmp_path / "report" / name).read_text())
