"""What linters say of generated C and of the firmware around it: nothing but what tests/lint.toml
argues for, and all of that."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest
from conftest import ROOT, write_binary, write_tiny
from golden_models import frame_by_frame, residual_block, write_reducible
from test_ops import OPS, cases
from test_packing import layers

from tinyc.emit.emitter import emit
from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, firmware_files
from tinyc.ir import Graph, Node, Op, verify
from tinyc.kernels.base import AIMS, kernels_of
from tinyc.pipeline import compile_model
from tinyc.plan import plan
from tinyc.target.boards import Board, Core, load_board
from tinyc.target.toolchain import find_toolchain

pytestmark = pytest.mark.slow
CHECKS = "-*,bugprone-*,cert-*,clang-analyzer-*"
# Board, model and main program: each core, each main program, each file of firmware/ once.
FIRMWARES = [
    ("microbit", write_tiny, "demo"),
    ("raspberry_pi_pico", write_binary, "demo"),
    ("stm32vldiscovery", write_reducible, "test_mailbox"),
    ("stm32f4_discovery", write_tiny, "serial"),
    ("stm32f746g_disco", write_reducible, "test_serial"),
    ("mps2_an505", write_binary, "test"),
]
# What has the DSP extension, then what is left to be computed without.
EVERY_KERNEL = ["stm32f4_discovery", "mps2_an385", "raspberry_pi_pico"]


@dataclass(frozen=True)
class Project:
    """A folder of generated C. files: its C files but the weights, relative to it."""

    folder: Path
    core: Core
    files: tuple[str, ...]

    def path(self, file: str) -> Path:
        return self.folder / file


@dataclass(frozen=True)
class Finding:
    """place: the file and the function, or macro, in which it was found."""

    check: str
    place: str
    text: str


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> list[Project]:
    base = tmp_path_factory.mktemp("lint")
    found = []
    for name, write, main in FIRMWARES:
        board = load_board(name)
        library = compile_model(write(base / "net.tflite"), board).c_library
        files = firmware_files(library, board, BuildOptions(main))
        found.append(_written(base / name, board, files))
    board = load_board("mps2_an386")
    for name, planned, main in (
        ("chain", residual_block(board.core), "test"),
        ("fed", residual_block(board.core, feed=True), "test_serial"),
        ("stream", frame_by_frame(board.core, base), "test"),
    ):
        files = firmware_files(emit(planned), board, BuildOptions(main))
        found.append(_written(base / name, board, files))
    seen: set[tuple[type[Op], str]] = set()
    libc = {f"port/libc/{f.name}": f.read_text() for f in (ROOT / "firmware/libc").iterdir()}
    for name, aim in product(EVERY_KERNEL, AIMS):
        board = load_board(name)
        graph = _new_kernels(board, aim, seen)
        if graph.nodes:
            library = emit(plan(graph, board.core.name, board.core.features, optimize=aim))
            folder = base / f"{name}-{aim}-kernels"
            found.append(_written(folder, board, {**library.files, **libc}))
    packed = plan(_together(node for node, _, _ in layers()), "", frozenset(), optimize="flash")
    found.append(_written(base / "packed", board, {**emit(packed).files, **libc}))
    return found


def _written(folder: Path, board: Board, files: Mapping[str, str]) -> Project:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    code = (f for f in files if f.endswith((".c", ".h")) and not f.endswith("_weights.c"))
    return Project(folder, board.core, tuple(code))


def _new_kernels(board: Board, aim: str, seen: set[tuple[type[Op], str]]) -> Graph:
    """A small case of each kernel that the board's core has for an aim and that was not seen, as
    one network of unrelated nodes; none that reads a value twice, which makes of a comparison what
    is always so."""
    found: dict[tuple[type[Op], str], Node] = {}
    for op in OPS:
        kernels = [k for k in kernels_of(op) if aim in k.aims and k.requires <= board.core.features]
        for node in sorted(cases(op), key=_rank):
            kernel = next((k for k in kernels if k.reject(node) is None), None)
            if kernel is not None and len(set(node.inputs)) == len(node.inputs):
                found[op, kernel.name] = node
    nodes = [node for key, node in found.items() if key not in seen]
    seen.update(found)
    return _together(nodes)


def _together(alone: Iterable[Node]) -> Graph:
    """One network of unrelated nodes."""
    nodes = tuple(replace(n, outputs=n.outputs) for n in alone)
    inputs = tuple(value for node in nodes for value in node.variable_inputs)
    return verify(Graph("net", inputs, tuple(v for n in nodes for v in n.outputs), nodes))


def _rank(node: Node) -> tuple[bool, int]:
    """The greater the better: small, but loops that run once are not what is seen in networks."""
    elements = sum(value.type.elements for value in node.variable_inputs)
    return elements >= 8, -elements


def _tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} found")
    return found


def _said(command: Sequence[str], folder: Path) -> str:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return ran.stdout + ran.stderr


def test_layout(projects: list[Project]) -> None:
    """Generated C lies as clang-format would lay it."""
    tool = _tool("clang-format")
    style = f"--style=file:{ROOT / '.clang-format'}"
    for project in projects:
        said = _said([tool, style, "--dry-run", "-Werror", *project.files], project.folder)
        assert not said, said[:2000]


def _clang_tidy(project: Project) -> str:
    ziglang = pytest.importorskip("ziglang")
    builtin = Path(ziglang.__file__).parent / "lib" / "include"
    headers = ["-nostdinc", "-isystem", str(builtin), "-isystem", "port/libc"]
    target = ["--target=arm-none-eabi", f"-mcpu={project.core.cpu}", "-mthumb"]
    target += [f"-mfloat-abi={project.core.float_abi}"]
    # An eighth of the paths that the analyzer goes by itself: minutes less, and the same findings.
    fewer = [
        f"--extra-arg={a}" for a in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=30000")
    ]
    command = [_tool("clang-tidy"), "--quiet", f"--checks={CHECKS}", *fewer, *_sources(project)]
    return _said(
        [*command, "--", "-std=c99", *target, *headers, "-Iinclude", "-Iport"], project.folder
    )


def _cppcheck(project: Project) -> str:
    command = [_tool("cppcheck"), "--quiet", "--std=c99", "--platform=unix32"]
    command += ["--enable=warning,style,performance,portability"]
    command += ["--template={file}:{line}: warning: {message} [{id}]"]
    return _said([*command, "-Iinclude", "-Iport", *_sources(project)], project.folder)


def _gcc(project: Project) -> str:
    try:
        tools = find_toolchain("gcc")
    except CompileError as error:
        pytest.skip(error.what)
    flags = [*tools.target(project.core), "-std=c99", "-O2", "-fanalyzer", "-S", "-o", "-"]
    flags += ["-fdiagnostics-plain-output", "-fdiagnostics-path-format=none"]
    libc = [] if tools.has_libc else ["-isystem", "port/libc"]
    command = [*tools.cc, *flags, *libc, "-Iinclude", "-Iport"]
    return "".join(_said([*command, file], project.folder) for file in _sources(project))


def _sources(project: Project) -> list[str]:
    return [file for file in project.files if file.endswith(".c")]


def _findings(said: str, project: Project) -> Iterator[Finding]:
    pattern = r"^(\S+?):(\d+):(?:\d+:)? (?:warning|error): (.*) \[(\S+)\]$"
    for path, line, message, check in re.findall(pattern, said, re.M):
        file = project.folder / path
        name = file.relative_to(project.folder)
        text = f"{project.folder.name}/{name}:{line}: {message} [{check}]"
        yield Finding(check, f"{name} {_function(file, int(line))}", text)


def _function(file: Path, line: int) -> str:
    """The function, or macro, of which a line is part; that which a macro defines."""
    for text in reversed(file.read_text().splitlines()[:line]):
        begin = re.match(r"TINYC_DEFINE_\w+\((\w+)", text) or re.match(
            r"(?:__attribute__\(\(.*?\)\) )?(?:\w.*?\b|#define )(\w+)\(", text
        )
        if begin and not text.startswith(("#if", "#el")):
            return begin[1]
    return ""


@pytest.mark.parametrize(
    ("tool", "run"), [("clang-tidy", _clang_tidy), ("cppcheck", _cppcheck), ("gcc", _gcc)]
)
def test_findings(tool: str, run, projects: list[Project]) -> None:
    known = tomllib.loads((ROOT / "tests" / "lint.toml").read_text())["allowed"]
    entries = [entry for entry in known if entry["tool"] == tool]
    used, new = set(), []
    for project in projects:
        said = run(project)
        for finding in _findings(said, project):
            covering = [
                i
                for i, entry in enumerate(entries)
                if re.fullmatch(entry["check"], finding.check)
                and re.search(entry.get("where", ""), finding.place)
            ]
            used.update(covering)
            if not covering:
                new.append(f"{finding.text} in {finding.place}")
    assert not new, "\n".join(new)
    assert used == set(range(len(entries))), "some entries of tests/lint.toml match nothing"
