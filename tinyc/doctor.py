"""Which of the tools that tinyc can use are installed."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess

_TOOLS = (
    (
        "arm-none-eabi-gcc",
        "--toolchain gcc",
        "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    ("qemu-system-arm", "--emulator qemu", "apt-get install qemu-system-arm"),
    ("cmake", "building as a CMake project", "apt-get install cmake ninja-build"),
    ("gcc", "--emulator host, tests under ASan and UBSan", "apt-get install gcc libc6-dev"),
)
_PACKAGES = (
    ("unicorn", "--emulator unicorn", "pip install unicorn"),
    ("ziglang", "--toolchain clang", "pip install ziglang"),
    ("tensorflow", "tinyc train, Keras models", "pip install 'tinyc[train]'"),
    ("larq-compute-engine", "larq models", "pip install 'tinyc[train]'"),
    ("apache-tvm", "--backend tvm or auto, tinyc tune", "pip install 'tinyc[tvm]'"),
    ("ai-edge-litert", "the tests' oracle", "pip install 'tinyc[test]'"),
)


def inspect() -> list[dict[str, str | None]]:
    """One entry for each: ``tool``, ``version`` (None where missing), ``purpose``, ``remedy``."""
    found = [(name, _program(name), purpose, remedy) for name, purpose, remedy in _TOOLS]
    found += [(name, _package(name), purpose, remedy) for name, purpose, remedy in _PACKAGES]
    return [
        {"tool": n, "version": v, "purpose": p, "remedy": "" if v else r} for n, v, p, r in found
    ]


def _program(name: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    return done.stdout.splitlines()[0] if done.stdout else path


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
