"""Which of the tools that tinyc can use are installed, and how to get those that are not."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..frontends import packages
from ..run.renode.tool import REMEDY, find_renode
from ..target.versions import Answer, ask, find_program, version

Entry = dict[str, str | None]


@dataclass(frozen=True)
class _Program:
    """A program that `find_program` finds. names: any of them will do; question: its options that
    print the version, accepted: the exit codes with which it then ends; purpose: what is missing
    without it; remedy: how to get it."""

    names: tuple[str, ...]
    purpose: str
    remedy: str
    question: tuple[str, ...] = ("--version",)
    accepted: tuple[int, ...] = (0,)

    @property
    def title(self) -> str:
        return " or ".join(self.names)

    def look(self) -> Answer | None:
        """What it says of its version; None if it is not there."""
        path = next(filter(None, map(find_program, self.names)), None)
        return ask([path, *self.question], self.accepted) if path else None


@dataclass(frozen=True)
class _Package:
    """A Python package; versions: the first that will do, and the first that will not."""

    title: str
    purpose: str
    remedy: str
    versions: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def look(self) -> Answer | None:
        """Its installed version; None if there is none."""
        try:
            text = importlib.metadata.version(self.title)
        except importlib.metadata.PackageNotFoundError:
            return None
        if self.versions and not self.versions[0] <= version(text) < self.versions[1]:
            first, last = (".".join(map(str, v)) for v in self.versions)
            return Answer(text, f"at least {first} and below {last} is needed")
        return Answer(text)


@dataclass(frozen=True)
class _Renode:
    """Renode or its test runner, found by `find_renode`."""

    title: str
    purpose: str
    remedy: str = REMEDY

    def look(self) -> Answer | None:
        found = find_renode()
        if found is None:
            own = os.environ.get("TINYC_RENODE")
            return Answer("", f"TINYC_RENODE names no program: {own}") if own else None
        if self.title == "renode":
            return Answer(f"{found.text} ({found.path})".lstrip(), found.problem)
        # It asks for Robot Framework before it says its version, which is Renode's anyway.
        return Answer(str(found.test), found.problem) if found.test else None


_Tool = _Program | _Package | _Renode
_GROUPS: dict[str, Sequence[_Tool]] = {
    "compilers": (
        _Program(
            ("arm-none-eabi-gcc",),
            "--toolchain gcc",
            "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
        ),
        _Package("ziglang", "--toolchain clang, zig cc", "pip install ziglang"),
        _Program(("clang",), "CMake preset clang of a build", "apt-get install clang"),
        _Program(("ld.lld",), "CMake preset clang of a build", "apt-get install lld"),
        _Program(("cmake",), "a build's CMake project", "apt-get install cmake"),
        _Program(("ninja",), "a build's CMake project", "apt-get install ninja-build"),
        _Program(
            ("gcc", "cc", "clang"),
            "--emulator host, tests under ASan and UBSan",
            "apt-get install gcc libc6-dev",
        ),
    ),
    "emulators": (
        _Package("unicorn", "--emulator unicorn", "pip install unicorn==2.1.4"),
        _Program(("qemu-system-arm",), "--emulator qemu", "apt-get install qemu-system-arm"),
        _Renode("renode", "running firmware in Renode"),
        _Renode("renode-test", "robot tests in Renode"),
    ),
    "debuggers and probes": (
        _Program(
            ("arm-none-eabi-gdb", "gdb-multiarch"),
            "debugging on the command line",
            "apt-get install gdb-multiarch",
        ),
        _Program(
            ("probe-rs",),
            "flashing by CMSIS-DAP, ST-LINK or J-Link",
            "the installer of https://probe.rs, or cargo install probe-rs-tools --locked",
        ),
        _Program(("pyocd",), "flashing by CMSIS-DAP, ST-LINK or J-Link", "pip install pyocd"),
        _Program(("openocd",), "flashing and debugging", "apt-get install openocd"),
        _Program(("st-flash",), "flashing by ST-LINK", "apt-get install stlink-tools"),
        _Program(
            ("STM32_Programmer_CLI",),
            "flashing by ST-LINK or a boot loader",
            "STM32CubeProgrammer, from https://www.st.com",
        ),
        # It names its version in its help alone, and ends that with 1.
        _Program(
            ("bossac",), "flashing by SAM-BA", "apt-get install bossa-cli", ("--help",), (0, 1)
        ),
        _Program(
            ("picotool",),
            "flashing RP2040 and RP2350 by USB",
            "build https://github.com/raspberrypi/picotool, or brew install picotool",
            ("version",),
        ),
    ),
    "Python packages": (
        _Package("pytest", "the fixtures tinyc_firmware and tinyc_build", "pip install pytest"),
        _Package("tensorflow", "tinyc train, Keras models", packages.remedy(["tensorflow"])),
        _Package("tf-keras", "tinyc train, Keras 2 models", packages.remedy(["tf_keras"])),
        _Package("larq", "larq models", packages.remedy(["larq"])),
        _Package("larq-compute-engine", "larq models", packages.remedy(["larq_compute_engine"])),
        _Package("torch", "PyTorch models", packages.remedy(["torch"])),
        _Package("litert-torch", "PyTorch models", packages.remedy(["litert_torch"])),
        _Package("scikit-learn", "tinyc train with digits", "pip install 'tinyc[train]'"),
        _Package("ai-edge-litert", "the tests' oracle", "pip install 'tinyc[test]'"),
        _Package(
            "apache-tvm",
            "--backend tvm or auto, tinyc tune",
            "pip install 'tinyc[tvm]'",
            versions=((0, 27), (0, 28)),
        ),
    ),
}


def inspect(groups: Sequence[str] = tuple(_GROUPS)) -> list[Entry]:
    """One entry for each tool of ``groups``: ``group``, ``tool``, ``version`` (None where it is
    missing or does not say), ``problem`` (why what was found cannot be used, else None),
    ``purpose``, ``remedy`` (empty where there is nothing to do). No tool's misbehaviour is an
    error."""
    tools = [(group, tool) for group in groups for tool in _GROUPS[group]]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda pair: pair[1].look(), tools))
    return [
        _entry(group, tool, answer) for (group, tool), answer in zip(tools, answers, strict=True)
    ]


def _entry(group: str, tool: _Tool, answer: Answer | None) -> Entry:
    return {
        "group": group,
        "tool": tool.title,
        "version": (answer and answer.text) or None,
        "problem": (answer and answer.problem) or None,
        "purpose": tool.purpose,
        "remedy": "" if answer and not answer.problem else tool.remedy,
    }
