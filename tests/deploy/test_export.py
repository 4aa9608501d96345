"""Exports, each built by its own description: by the ecosystem's tool where a registry has one,
else by what `standins/` puts in the place of a framework."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from elftools.elf.elffile import ELFFile
from tflite_writer import TensorSpec, write_model

from tinyc import __version__
from tinyc.cli.app import execute
from tinyc.deploy.export import FORMS, export
from tinyc.ir import interpret
from tinyc.pipeline import CompileOptions, compile_model
from tinyc.target.boards import Board, all_boards, load_board

STANDINS = ROOT / "tests" / "standins"
BOARD = load_board("nucleo_f446re")
# One board of each core that STM32CubeIDE knows.
CORES = {b.core.name: b for b in all_boards() if b.names.cubeide}
NOSYS = "--specs=nosys.specs"
# The ecosystems' own schemas, which are fetched from their repositories (docs/export.md).
SCHEMAS = os.environ.get("TINYC_SCHEMAS")


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def gcc_flags(board: Board) -> list[str]:
    core = board.core
    fpu = [f"-mfpu={core.fpu}"] if core.fpu else []
    return ["-mthumb", f"-mcpu={core.cpu}", *fpu, f"-mfloat-abi={core.float_abi}"]


def run(command: Sequence[object], cwd: Path, **env: str) -> str:
    """Standard output of a command that has to succeed."""
    # These tests may run in a make of their own, which tells the makes below it so.
    own = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**own, **env}, text=True,
        capture_output=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def float_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``probe.tflite``: float32 [1, 6] through a fully connected layer and a softmax to [1, 4]."""
    rng = np.random.default_rng(4)
    tensors = [
        TensorSpec("input", (1, 6), "float32"),
        TensorSpec("weights", (4, 6), "float32", data=rng.normal(0, 1, (4, 6))),
        TensorSpec("bias", (4,), "float32", data=rng.normal(0, 1, (4,))),
        TensorSpec("dense", (1, 4), "float32"),
        TensorSpec("scores", (1, 4), "float32"),
    ]
    operators = [("FULLY_CONNECTED", {}, [0, 1, 2], [3]), ("SOFTMAX", {"beta": 1.0}, [3], [4])]
    path = tmp_path_factory.mktemp("models") / "probe.tflite"
    return write_model(path, operators, tensors, inputs=[0], outputs=[4])


def exported(model: Path, form: str, to: Path, board: Board = BOARD, feed: str = "whole") -> Path:
    made = compile_model(model, board, CompileOptions(feed=feed))
    folder = to / form / made.plan.prefix
    export(made.c_library, board, form, folder)
    return folder


def expected(model: Path) -> np.ndarray:
    """The output for an input of zeros, by the numpy reference."""
    graph = compile_model(model, BOARD).graph
    (source,) = graph.inputs
    values = interpret(graph, [np.zeros(source.type.shape, source.type.dtype.numpy)])
    return values[graph.outputs[0]].ravel()


def assert_printed(text: str, model: Path, digits: int = 9) -> None:
    """The lines of ``text`` are the elements of the output, floats with that many digits."""
    numbers = [float(x) for x in text.split("microseconds")[0].split()]
    tolerance = 10.0**-digits if expected(model).dtype == np.float32 else 0
    np.testing.assert_allclose(numbers, expected(model), rtol=1e-6, atol=tolerance)


def is_for(elf: Path, board: Board) -> None:
    """The ELF file was compiled for the board's core, hard floats included."""
    with elf.open("rb") as file:
        parsed = ELFFile(file)
        assert parsed["e_machine"] == "EM_ARM"
        section = parsed.get_section_by_name(".ARM.attributes")
        scope = next(s for s in section.iter_subsections()).iter_subsubsections()
        tags = {a.tag: a.value for a in next(scope).iter_attributes()}
    # Addenda to the Arm ABI (IHI 0045), Tag_CPU_arch: v6-M, v6S-M, v7, v7E-M, v8-M mainline.
    allowed = {"cortex-m0": (11, 12), "cortex-m0plus": (11, 12), "cortex-m3": (10,)}
    allowed |= {"cortex-m4": (13,), "cortex-m7": (13,), "cortex-m33": (17,)}
    assert tags["TAG_CPU_ARCH"] in allowed[board.core.name]
    assert ("TAG_ABI_VFP_ARGS" in tags) == (board.core.float_abi == "hard")


# Every form --------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", FORMS)
def test_command(
    form: str, here: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(tiny_model), "--board", BOARD.name, "--to", form, "--json"]
    assert execute(command) == 0
    result = json.loads(capsys.readouterr().out)
    folder = here / "build" / "export" / form / "tiny"
    assert result["form"] == form and here / result["folder"] == folder
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert result["files"] == sorted(found)
    texts = {path: file.read_text() for path, file in found.items()}
    assert BOARD.core.title in texts["README.md"] and "with DSP, with FPU" in texts["README.md"]
    for path, text in texts.items():
        assert str(here) not in text and str(ROOT) not in text, path
        assert text.endswith("\n") and not text.endswith("\n\n") and "{{" not in text, path

    # Again: the same bytes, and what the user has put there.
    (folder / "README.md").write_text("changed")
    (folder / "mine").write_text("mine")
    assert execute(command) == 0
    assert {path: (folder / path).read_text() for path in texts} == texts
    assert (folder / "mine").read_text() == "mine"
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def test_mistakes(here: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(tiny_model), "--board", "mps2_an386"]
    for more, words in (
        (["--to", "makefile"], ("E222", "'makefile' is unknown", *FORMS)),
        (["--to", "cubeide"], ("E222", "mps2_an386", "a chip of ST")),
        ([], ("E200", "--to")),
    ):
        assert execute([*command, *more]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert all(word in last for word in words), last
    assert execute(["export", "--to", "library", "--board", "stm32"]) == 2
    assert "E201 tinyc export: no model is named" in capsys.readouterr().err
    assert not (here / "build").exists()


def test_an_interrupted_export_leaves_the_old_one(
    here: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported(tiny_model, "library", here)
    before = (folder / "Makefile").read_text()
    real = Path.write_text

    def full(self: Path, *args: Any, **options: Any) -> int:
        if self.name == "Makefile":
            raise OSError(28, "No space left on device")
        return real(self, *args, **options)

    monkeypatch.setattr(Path, "write_text", full)
    command = ["export", str(tiny_model), "--board", BOARD.name, "--to", "library", "-o", "."]
    (here / "export").mkdir()
    shutil.move(here / "library", here / "export" / "library")
    assert execute(command) == 8
    monkeypatch.undo()
    kept = here / "export" / "library" / "tiny"
    assert (kept / "Makefile").read_text() == before
    assert [p.name for p in kept.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("level", ["-O0", "-Os", "-O2"])
@pytest.mark.parametrize("standard", ["gnu11", "c99"])
def test_no_flags_change_a_float(
    standard: str, level: str, float_model: Path, tmp_path: Path
) -> None:
    """GCC fuses products and sums by itself (-ffp-contract=fast) where the core can."""
    folder = exported(float_model, "arduino", tmp_path)
    gcc = [tool("arm-none-eabi-gcc"), *gcc_flags(BOARD), f"-std={standard}", level]
    run([*gcc, "-Wall", "-Werror", "-c", "src/probe.c", "-o", "probe.o"], folder)
    listing = run([tool("arm-none-eabi-objdump"), "-d", "probe.o"], folder)
    assert re.search(r"\bvm(ul|la)\.f32", listing) and not re.search(r"\bvfn?m[as]\.", listing)
    kernels = folder / "src" / "probe_kernels.h"
    text = kernels.read_text()
    kernels.write_text(text.replace('#pragma GCC optimize("fp-contract=off")', ""))
    run([*gcc, "-c", "src/probe.c", "-o", "fused.o"], folder)
    listing = run([tool("arm-none-eabi-objdump"), "-d", "fused.o"], folder)
    if (standard, level) == ("gnu11", "-O2"):
        assert re.search(r"\bvfn?m[as]\.", listing)


@pytest.mark.slow
@pytest.mark.parametrize("standard", ["gnu11", "gnu17", "c99"])
def test_a_real_model_compiles_at_every_level(standard: str, tmp_path: Path) -> None:
    """An IDE's debug build is -O0, where a block of assembly may run out of registers."""
    gcc = [tool("arm-none-eabi-gcc"), *gcc_flags(BOARD), f"-std={standard}", "-Wall", "-Wextra"]
    folder = exported(ROOT / "recipes" / "cifar10-int8.tflite", "arduino", tmp_path)
    for level in ("-O0", "-Og", "-Os", "-O1", "-O2", "-O3"):
        for source in sorted((folder / "src").glob("*.c")):
            run([*gcc, "-Werror", level, "-c", source, "-o", "x.o"], tmp_path)


# Plain C -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compiler", "feed"), [("cc", "whole"), ("clang", "whole"), ("cc", "rows")]
)
def test_library_on_this_computer(
    compiler: str, feed: str, tiny_model: Path, tmp_path: Path
) -> None:
    tool(compiler)
    folder = exported(tiny_model, "library", tmp_path, feed=feed)
    assert ("tiny_push_row" in (folder / "README.md").read_text()) == (feed == "rows")
    strict = "CFLAGS=-O1 -Wall -Wextra -Wconversion -Wshadow -Wundef -Werror"
    output = run(["make", "-s", "example", f"CC={compiler}", strict], folder)
    assert_printed(output, tiny_model)
    run(["make", "-s", "install", f"DESTDIR={tmp_path}/root", "PREFIX=/usr"], folder)
    assert (tmp_path / "root/usr/include/tiny.h").is_file()
    assert (tmp_path / "root/usr/lib/libtiny.a").is_file()
    run(["make", "-s", "clean"], folder)
    assert not (folder / "build").exists()


def test_library_after_another_compiler(tiny_model: Path, tmp_path: Path) -> None:
    """Nothing is linked of what it left."""
    tool("cc")
    tool("arm-none-eabi-gcc")
    folder = exported(tiny_model, "library", tmp_path)
    cross = "CROSS_COMPILE=arm-none-eabi-"
    run(["make", "-s", cross], folder)
    assert run(["make", cross], folder) == ""
    # As after a change of one file.
    (folder / "build" / "tiny.o").unlink()
    assert_printed(run(["make", "-s", "example"], folder), tiny_model)
    before = (folder / "build" / "tiny.o").read_bytes()
    run(["make", "-s", "CFLAGS=-O0 -DNOTE='\"a b\"'"], folder)
    assert (folder / "build" / "tiny.o").read_bytes() != before
    run(["make", "-s", cross], folder)
    is_for(folder / "build" / "tiny.o", BOARD)
    is_for(folder / "build" / "tiny_weights.o", BOARD)


def test_library_with_floats(float_model: Path, tmp_path: Path) -> None:
    tool("cc")
    folder = exported(float_model, "library", tmp_path)
    assert_printed(run(["make", "-s", "example"], folder), float_model)
    assert "-lm" in (folder / "README.md").read_text()


@pytest.mark.slow
def test_library_with_a_real_model(tmp_path: Path) -> None:
    tool("cc")
    model = ROOT / "recipes" / "cifar10-int8.tflite"
    folder = exported(model, "library", tmp_path)
    assert_printed(run(["make", "-s", "example"], folder), model)


@pytest.mark.parametrize("core", CORES)
def test_library_for_the_core(core: str, tiny_model: Path, tmp_path: Path) -> None:
    tool("arm-none-eabi-gcc")
    folder = exported(tiny_model, "library", tmp_path, CORES[core])
    run(["make", "-s", "CROSS_COMPILE=arm-none-eabi-"], folder)
    is_for(folder / "build" / "tiny.o", CORES[core])
    members = run(["arm-none-eabi-ar", "t", "build/libtiny.a"], folder).split()
    assert members == ["tiny.o", "tiny_weights.o"]


# Arduino -----------------------------------------------------------------------------------


def properties(folder: Path) -> dict[str, str]:
    lines = (folder / "library.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_arduino_properties(tiny_model: Path, tmp_path: Path) -> None:
    """By Arduino's library specification 1.5, and arduino-lint's schema of it."""
    folder = exported(tiny_model, "arduino", tmp_path)
    found = properties(folder)
    needed = "name version author maintainer sentence paragraph category url architectures".split()
    assert set(needed) <= set(found) and all(found.values())
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9 _.-]{0,62}", found["name"])
    assert found["version"] == __version__ and re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert found["category"] == "Data Processing" and found["architectures"] == "stm32"
    assert found["dot_a_linkage"] == "false"
    assert (folder / "src" / found["includes"]).is_file()
    assert not (folder / "include").exists()
    for line in (folder / "keywords.txt").read_text().splitlines():
        word, kind = line.split("\t")
        assert kind in ("KEYWORD2", "LITERAL1") and word.lower().startswith("tiny_")


@pytest.mark.parametrize(
    ("board", "architecture"),
    [
        ("arduino_nano_33_ble", "mbed_nano"),
        ("nrf52840dk", "nrf52"),
        ("microbit", "nRF5"),
        ("mps2_an386", "*"),
    ],
)
def test_arduino_architecture(
    board: str, architecture: str, tiny_model: Path, tmp_path: Path
) -> None:
    folder = exported(tiny_model, "arduino", tmp_path, load_board(board))
    assert properties(folder)["architectures"] == architecture


def test_arduino_name(tiny_model: Path, tmp_path: Path) -> None:
    """No library's name may begin with Arduino's; the header's may."""
    model = shutil.copy(tiny_model, tmp_path / "arduino.tflite")
    folder = exported(model, "arduino", tmp_path)
    assert properties(folder)["name"] == "tinyc_arduino"
    assert (folder / "examples" / "arduino" / "arduino.ino").is_file()


def build_sketch(folder: Path, out: Path, board: Board | None) -> Path:
    """Build the example with Arduino's own builder for the board's core, or for this computer;
    the core of Arduino is a stand-in. Returns the program."""
    builder = tool("arduino-builder")
    found = properties(folder)
    platform = out / "hardware" / "standin" / found["architectures"]
    shutil.copytree(STANDINS / "arduino", platform)
    shutil.copytree(STANDINS / "core", platform / "cores" / "standin")
    (out / "libraries").mkdir()
    shutil.copytree(folder, out / "libraries" / folder.name)
    (out / "build").mkdir()
    flags = {}
    if board:
        flags = {t: f"arm-none-eabi-{p}" for t, p in (("cc", "gcc"), ("cxx", "g++"), ("ar", "ar"))}
        flags |= {"flags": " ".join([*gcc_flags(board), "-Os"]), "linking": NOSYS}
    example = next((out / "libraries").rglob("*.ino"))
    log = run(
        [
            builder, "-compile", "-hardware", "/usr/share/arduino-builder",
            "-hardware", out / "hardware", "-tools", "/usr/bin",
            "-libraries", out / "libraries", "-build-path", out / "build",
            *(f"-prefs={k}={v}" for k, v in flags.items()),
            "-fqbn", f"standin:{found['architectures']}:board", "-verbose", example,
        ],
        out,
    )  # fmt: skip
    assert f"Using library {found['name']} at version {__version__}" in log
    return out / "build" / "sketch.elf"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "probe"])
def test_arduino_sketch_runs(
    name: str, tiny_model: Path, float_model: Path, tmp_path: Path
) -> None:
    model = {"tiny": tiny_model, "probe": float_model}[name]
    tool("g++")
    program = build_sketch(exported(model, "arduino", tmp_path), tmp_path / "out", None)
    assert_printed(run([program], tmp_path), model, digits=6)


@pytest.mark.slow
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_arduino_sketch_links(core: str, tiny_model: Path, tmp_path: Path) -> None:
    tool("arm-none-eabi-g++")
    folder = exported(tiny_model, "arduino", tmp_path, CORES[core])
    is_for(build_sketch(folder, tmp_path / "out", CORES[core]), CORES[core])


@pytest.mark.parametrize("form", ["arduino", "platformio"])
def test_sketch_without_a_builder(
    form: str, tiny_model: Path, float_model: Path, tmp_path: Path
) -> None:
    """Where Arduino's builder is not installed: the same files by the layout that it documents."""
    compiler = tool("g++")
    for model, feed in (
        (tiny_model, "whole"), (float_model, "whole"), (tiny_model, "rows"),
    ):  # fmt: skip
        folder = exported(model, form, tmp_path, feed=feed)
        sketch = next(folder.rglob("*.ino" if form == "arduino" else "main.cpp"))
        folders = [f"-I{folder / p}" for p in ("src", "include")] + [f"-I{STANDINS / 'core'}"]
        for source in folder.glob("src/*.c"):
            run([tool("gcc"), "-std=gnu11", *folders, "-c", source], tmp_path)
        objects = [f"{s.stem}.o" for s in folder.glob("src/*.c")]
        run(
            [compiler, "-std=gnu++17", "-Wall", "-Wextra", "-Werror", *folders, "-x", "c++", sketch,
             STANDINS / "core" / "main.cpp", "-x", "none", *objects, "-lm", "-o", "sketch"],
            tmp_path,
        )  # fmt: skip
        assert_printed(run(["./sketch"], tmp_path), model, digits=6)


# PlatformIO --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["arduino", "platformio"])
def test_platformio_reads_the_manifest(form: str, tiny_model: Path, tmp_path: Path) -> None:
    """Its parser of library.properties, which it takes as well, and of its own library.json."""
    pytest.importorskip("platformio", reason="platformio is not installed")
    from platformio.package.manifest.parser import ManifestParserFactory
    from platformio.package.manifest.schema import ManifestSchema

    folder = exported(tiny_model, form, tmp_path)
    data = ManifestParserFactory.new_from_dir(str(folder)).as_dict()
    manifest = ManifestSchema().load_manifest(data)
    assert (manifest["name"], manifest["version"]) == ("tiny", __version__)
    assert manifest["headers"] == ["tiny.h"]
    examples = manifest["examples"]
    assert examples
    for example in examples:
        assert example["files"]
        assert all((folder / example["base"] / path).is_file() for path in example["files"])


@pytest.mark.parametrize("board", [None, "nucleo_f446re"])
@pytest.mark.slow
def test_platformio_runs(board: str | None, tiny_model: Path, tmp_path: Path) -> None:
    """`pio run` on the example as it lies: PlatformIO's own finder and builder on SCons; the
    platform and the core of Arduino are stand-ins."""
    pytest.importorskip("platformio", reason="platformio is not installed")
    pytest.importorskip("SCons", reason="scons is not installed")
    from platformio.dependencies import get_core_dependencies

    tool("arm-none-eabi-g++" if board else "g++")
    folder = exported(tiny_model, "platformio", tmp_path)
    platform_name, board_name = BOARD.names.platformio or ("", "")
    core = tmp_path / "core"
    scons = core / "packages" / "tool-scons"
    scons.mkdir(parents=True)
    version = get_core_dependencies()["tool-scons"].removeprefix("~")
    package = {"name": "tool-scons", "version": version}
    (scons / "package.json").write_text(json.dumps(package))
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None}
    (scons / ".piopm").write_text(json.dumps({"type": "tool", **package, "spec": spec}))
    (scons / "scons.py").write_text("from SCons.Script import main\n\nmain()\n")
    platform = core / "platforms" / platform_name
    shutil.copytree(STANDINS / "platformio", platform / "builder")
    shutil.copytree(STANDINS / "core", platform / "core")
    facts = {"name": platform_name, "title": "Stand-in", "version": "1.0.0", "packages": {}}
    facts["frameworks"] = {"arduino": {"script": "builder/arduino.py"}}
    (platform / "platform.json").write_text(json.dumps(facts))
    (platform / "boards").mkdir()
    facts = {"name": "Stand-in", "url": "-", "vendor": "-", "frameworks": ["arduino"]}
    facts |= {"build": {"mcu": "-", "f_cpu": "1L"}}
    facts |= {"upload": {"maximum_ram_size": 1 << 17, "maximum_size": 1 << 19}}
    (platform / "boards" / f"{board_name}.json").write_text(json.dumps(facts))
    example = folder / "examples" / "tiny"
    log = run(
        [sys.executable, "-m", "platformio", "run", "-v"],
        example,
        PLATFORMIO_CORE_DIR=str(core),
        PLATFORMIO_SETTING_ENABLE_TELEMETRY="no",
        PLATFORMIO_SETTING_CHECK_PLATFORMIO_INTERVAL="9999",
        STANDIN_PREFIX="arm-none-eabi-" if board else "",
        STANDIN_FLAGS=" ".join(gcc_flags(BOARD)) if board else "",
        STANDIN_LINKING=NOSYS if board else "",
    )
    assert f"tiny @ {__version__}" in log
    program = example / ".pio" / "build" / board_name / "program.elf"
    if board:
        is_for(program, BOARD)
    else:
        assert_printed(run([program], tmp_path), tiny_model)


def test_platformio_without_a_board(tiny_model: Path, tmp_path: Path) -> None:
    folder = exported(tiny_model, "platformio", tmp_path, load_board("mps2_an386"))
    text = (folder / "examples" / "tiny" / "platformio.ini").read_text()
    assert "\n[env]\n" in text and "\nboard = " not in text


# Zephyr ------------------------------------------------------------------------------------


def configured(folder: Path, name: str, out: Path) -> Path:
    """The .config that Zephyr's Kconfig library makes of the module's Kconfig and the sample's
    prj.conf; the symbols of Zephyr itself are a stand-in."""
    kconfiglib = pytest.importorskip("kconfiglib", reason="kconfiglib is not installed")
    before = os.environ.get("MODULE")
    os.environ["MODULE"] = str(folder)
    try:
        kconfig = kconfiglib.Kconfig(str(STANDINS / "zephyr" / "Kconfig"), warn_to_stderr=False)
    finally:
        del os.environ["MODULE"]
        if before is not None:
            os.environ["MODULE"] = before
    kconfig.load_config(str(folder / "samples" / name / "prj.conf"))
    assert not kconfig.warnings
    assert kconfig.syms[f"TINYC_{name.upper()}"].tri_value == 2
    config = out / ".config"
    kconfig.write_config(str(config))
    return config


def test_zephyr_module(tiny_model: Path, float_model: Path, tmp_path: Path) -> None:
    """module.yml by the keys and checks of Zephyr's scripts/zephyr_module.py (METADATA_SCHEMA,
    process_cmake, process_kconfig)."""
    yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")
    folder = exported(tiny_model, "zephyr", tmp_path)
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert module["name"] == "tiny" and set(module) <= {"name", "build", "samples", "tests"}
    assert set(module["build"]) == {"cmake", "kconfig"}
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / module["build"]["kconfig"]).is_file()
    (samples,) = module["samples"]
    sample = yaml.safe_load((folder / samples / "tiny" / "sample.yaml").read_text())
    assert set(sample) == {"sample", "tests"}
    (test,) = sample["tests"].values()
    assert test["build_only"] and test["integration_platforms"] == [BOARD.names.zephyr]

    config = configured(folder, "tiny", tmp_path).read_text()
    assert "CONFIG_FPU=y" in config and "CONFIG_CBPRINTF_FP_SUPPORT=y" not in config
    assert "CONFIG_REQUIRES_FULL_LIBC=y" not in config
    folder = exported(float_model, "zephyr", tmp_path)
    config = configured(folder, "probe", tmp_path).read_text()
    assert "CONFIG_CBPRINTF_FP_SUPPORT=y" in config and "CONFIG_REQUIRES_FULL_LIBC=y" in config
    folder = exported(tiny_model, "zephyr", tmp_path, load_board("microbit"))
    assert "CONFIG_FPU=y" not in configured(folder, "tiny", tmp_path).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["host", "cortex-m0plus", "cortex-m4"])
def test_zephyr_sample(target: str, tiny_model: Path, float_model: Path, tmp_path: Path) -> None:
    """The sample's own CMakeLists.txt; Zephyr's package is a stand-in."""
    cmake = tool("cmake")
    tool("arm-none-eabi-gcc" if target != "host" else "cc")
    board = CORES.get(target, BOARD)
    for model in (tiny_model, float_model):
        name = model.stem
        folder = exported(model, "zephyr", tmp_path, board)
        out = tmp_path / f"build-{name}"
        out.mkdir()
        dotconfig = configured(folder, name, out)
        options = [f"-DDOTCONFIG={dotconfig}", "-DCMAKE_BUILD_TYPE=Release"]
        if target != "host":
            options += ["-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_C_COMPILER=arm-none-eabi-gcc"]
            options += [f"-DCMAKE_C_FLAGS={' '.join(gcc_flags(board))}"]
            options += ["-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"]
            options += [f"-DCMAKE_EXE_LINKER_FLAGS={NOSYS}"]
        zephyr = {"ZEPHYR_BASE": str(STANDINS / "zephyr")}
        run([cmake, "-S", folder / "samples" / name, "-B", out, *options], tmp_path, **zephyr)
        run([cmake, "--build", out], tmp_path, **zephyr)
        if target == "host":
            assert_printed(run([out / "app"], tmp_path), model)
        else:
            is_for(out / "app", board)


# CMSIS-Pack --------------------------------------------------------------------------------


def pack(folder: Path) -> ET.Element:
    (path,) = folder.glob("*.pdsc")
    root = ET.parse(path).getroot()
    assert path.name == f"{root.findtext('vendor')}.{root.findtext('name')}.pdsc"
    return root


def test_cmsis_pack_description(tiny_model: Path, tmp_path: Path) -> None:
    """By the rules of PACK.xsd 1.7 (RestrictedString, PackVersionType, CidPartType, CsubType,
    FileCategoryType), and that every file it names is there."""
    folder = exported(tiny_model, "cmsis-pack", tmp_path)
    root = pack(folder)
    assert root.tag == "package" and re.fullmatch(r"1\.7\.\d+", root.get("schemaVersion", ""))
    for tag in ("vendor", "name"):
        assert re.fullmatch(r"[-_A-Za-z0-9]+", root.findtext(tag) or "")
    assert root.findtext("description") and root.find("url") is not None
    versions = [r.get("version") for r in root.iterfind("releases/release")]
    assert versions == [__version__]
    (component,) = root.iterfind("components/component")
    part = r"[A-Za-z0-9][A-Za-z0-9_+()'/\-\s.]{1,31}"
    assert all(re.fullmatch(part, component.get(k, "")) for k in ("Cclass", "Cgroup"))
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_+():/\- .]{0,31}", component.get("Csub", ""))
    files = [(f.get("category"), f.get("name")) for f in component.iterfind("files/file")]
    assert {category for category, _ in files} == {"doc", "include", "header", "source"}
    for category, name in files:
        path = folder / (name or "-")
        assert path.is_dir() if category == "include" else path.is_file(), name
    (example,) = root.iterfind("examples/example")
    inside = folder / example.get("folder", "-")
    assert (inside / example.get("doc", "-")).is_file()
    environment = example.find("project/environment")
    assert environment is not None and environment.get("name") == "csolution"
    assert (inside / environment.get("load", "-")).is_file()


def test_cmsis_long_name(tiny_model: Path, tmp_path: Path) -> None:
    model = shutil.copy(tiny_model, tmp_path / ("a" * 60 + ".tflite"))
    folder = exported(model, "cmsis-pack", tmp_path)
    (component,) = pack(folder).iterfind("components/component")
    assert component.get("Csub") == "a" * 32
    assert f"Model:{'a' * 32}\n" in next(folder.rglob("*.cproject.yml")).read_text()


@pytest.mark.parametrize("core", CORES)
def test_cmsis_solution_compiles(core: str, tiny_model: Path, tmp_path: Path) -> None:
    """What the solution names: its project, the project's files and the component's in the pack.
    Start-up and linker script are Arm's, of a pack that no registry here has; it is not linked."""
    yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")
    gcc = tool("arm-none-eabi-gcc")
    board = CORES[core]
    folder = exported(tiny_model, "cmsis-pack", tmp_path, board)
    (path,) = folder.rglob("*.csolution.yml")
    solution = yaml.safe_load(path.read_text())["solution"]
    (target,) = solution["target-types"]
    assert target["device"] == f"ARM::{board.core.cmsis}"
    (own,) = [p for p in solution["packs"] if "path" in p]
    assert own["pack"] == f"tinyc::{pack(path.parent / own['path']).findtext('name')}"
    (project,) = solution["projects"]
    project_file = path.parent / project["project"]
    described = yaml.safe_load(project_file.read_text())["project"]
    (component,) = pack(folder).iterfind("components/component")
    named = f"tinyc::{component.get('Cclass')}:{component.get('Cgroup')}:{component.get('Csub')}"
    assert {"component": named} in described["components"]
    files = component.findall("files/file")
    includes = [f"-I{folder / f.get('name', '')}" for f in files if f.get("category") == "include"]
    code = [folder / f.get("name", "") for f in files if f.get("category") == "source"]
    code += [
        project_file.parent / file["file"]
        for group in described["groups"]
        for file in group["files"]
    ]
    assert len(code) == 3
    flags = [*gcc_flags(board), f"-std={described['language-C']}", "-Wall", "-Wextra", "-Werror"]
    for level in ("-O1", "-O3"):
        for source in code:
            run([gcc, *flags, level, *includes, "-c", source, "-o", "x.o"], tmp_path)
            is_for(tmp_path / "x.o", board)


# STM32CubeIDE ------------------------------------------------------------------------------

ST = "com.st.stm32cube.ide.mcu.gnu.managedbuild"


class Configuration:
    """A build configuration of a .cproject as STM32CubeIDE reads it."""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.name = element.get("name", "")

    def option(self, key: str) -> ET.Element | None:
        found = [o for o in self.element.iter("option") if o.get("superClass") == f"{ST}.{key}"]
        assert len(found) <= 1, key
        return found[0] if found else None

    def value(self, key: str) -> str | None:
        option = self.option(key)
        return None if option is None else (option.get("value") or "").split(".value.")[-1]

    def values(self, key: str) -> list[str]:
        option = self.option(key)
        return [] if option is None else [v.get("value", "") for v in option]


def configurations(folder: Path) -> list[Configuration]:
    root = ET.parse(folder / ".cproject").getroot()
    found = [Configuration(c) for c in root.iter("configuration")]
    assert [c.name for c in found] == ["Debug", "Release"]
    return found


def test_cubeide_project(tiny_model: Path, tmp_path: Path) -> None:
    folder = exported(tiny_model, "cubeide", tmp_path)
    assert "<?fileVersion 4.0.0?>" in (folder / ".cproject").read_text()
    project = ET.parse(folder / ".project").getroot()
    assert project.tag == "projectDescription" and project.findtext("name") == "tiny"
    natures = [n.text for n in project.iterfind("natures/nature")]
    assert "com.st.stm32cube.ide.mcu.MCUProjectNature" in natures
    assert "org.eclipse.cdt.managedbuilder.core.managedBuildNature" in natures
    root = ET.parse(folder / ".cproject").getroot()
    # CDT finds a tool or option by an id that is its class and a number.
    ids = [e.get("id", "") for e in root.iter() if e.tag in ("tool", "option", "toolChain")]
    assert len(ids) == len(set(ids)) > 40
    for element in root.iter():
        if element.get("superClass"):
            assert re.fullmatch(
                re.escape(element.get("superClass", "")) + r"\.\d+", element.get("id", "")
            )
    for configuration in configurations(folder):
        assert configuration.value("option.target_mcu") == BOARD.names.cubeide


@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
def test_cubeide_links(core: str, tiny_model: Path, float_model: Path, tmp_path: Path) -> None:
    """By the sources, flags and linker script of its configurations, as STM32CubeIDE passes them
    to its GCC: the C library in a group, system calls by nosys.specs."""
    gcc = tool("arm-none-eabi-gcc")
    board = CORES[core]
    for model in (tiny_model, float_model):
        folder = exported(model, "cubeide", tmp_path, board)
        for configuration in configurations(folder):
            fpu = configuration.value("option.fpu")
            assert (fpu is None) == (not board.core.fpu)
            flags = [f"-mcpu={board.core.cpu}", "-mthumb", *([f"-mfpu={fpu}"] if fpu else [])]
            flags += [f"-mfloat-abi={configuration.value('option.floatabi')}"]
            compiler = "tool.c.compiler.option"
            level = configuration.value(f"{compiler}.optimization.level")
            standard = configuration.value(f"{compiler}.languagestandard")
            symbols = configuration.value(f"{compiler}.debuglevel")
            out = folder / configuration.name
            out.mkdir()
            includes = [f"-I{p}" for p in configuration.values(f"{compiler}.includepaths")]
            entries = [e.get("name", "-") for e in configuration.element.iter("entry")]
            code = sorted(c for entry in entries for c in (folder / entry).rglob("*.c"))
            assert code == sorted(folder.rglob("*.c"))
            options = [f"-std={standard}", f"-{symbols}", f"-{(level or '').capitalize()}"]
            options += ["-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Werror"]
            for source in code:
                run([gcc, *flags, *options, *includes, "-c", source], out)
            linker = "tool.c.linker.option"
            script = configuration.value(f"{linker}.script") or ""
            script = script.replace("${workspace_loc:/${ProjName}", "..").removesuffix("}")
            run(
                [gcc, *flags, "-T", script, NOSYS, "-Wl,--gc-sections", "-static",
                 *configuration.values(f"{linker}.otherflags"), *(f"{c.stem}.o" for c in code),
                 "-Wl,--start-group", "-lc", "-lm", "-Wl,--end-group", "-o", "firmware.elf"],
                out,
            )  # fmt: skip
            is_for(out / "firmware.elf", board)
            with (out / "firmware.elf").open("rb") as file:
                parsed = ELFFile(file)
                first = next(parsed.iter_segments())
                vectors = np.frombuffer(first.data()[:8], "<u4")
                reset = parsed.get_section_by_name(".symtab").get_symbol_by_name("Reset_Handler")
                assert first["p_paddr"] == board.flash.origin
                assert vectors.tolist() == [board.ram.end, reset[0]["st_value"]]


# The ecosystems' own schemas ---------------------------------------------------------------


@pytest.mark.skipif(SCHEMAS is None, reason="TINYC_SCHEMAS names no folder of schemas")
@pytest.mark.parametrize("board", all_boards(), ids=lambda b: b.name)
def test_schemas(board: Board, tiny_model: Path, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    xmlschema = pytest.importorskip("xmlschema")
    schemas = Path(SCHEMAS or "")

    def load(name: str) -> Any:
        return json.loads((schemas / name).read_text())

    def fetch(uri: str) -> Any:
        return referencing.Resource.from_contents(load(uri.rsplit("/", 1)[-1]))

    def validate(data: object, schema: str) -> None:
        registry = referencing.Registry(retrieve=fetch)
        jsonschema.Draft7Validator(load(schema), registry=registry).validate(data)

    folder = exported(tiny_model, "cmsis-pack", tmp_path, board)
    xmlschema.XMLSchema10(schemas / "PACK.xsd").validate(folder / "tinyc.tiny.pdsc")
    for kind in ("csolution", "cproject"):
        (path,) = folder.rglob(f"*.{kind}.yml")
        validate(yaml.safe_load(path.read_text()), f"{kind}.schema.json")
    found = properties(exported(tiny_model, "arduino", tmp_path, board))
    validate(found, "arduino-library-properties-strict-schema.json")
