"""C on this machine: whichever compiler is there, for helpers and for models at native speed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from ..errors import CompileError
from ..target.toolchain import ZIG, cache_folder, is_own_file, keeping

TIMEOUT_S = 300


def host_compilers() -> Iterator[tuple[str, ...]]:
    """Commands of the C compilers of this machine, the quickest first."""
    for name in ("gcc", "cc", "clang"):
        if path := shutil.which(name):
            yield (path,)
    if importlib.util.find_spec("ziglang"):
        yield (*ZIG, "cc")


def compile_c(command: Sequence[str], cwd: Path) -> str:
    """Run a compiler; its complaint where it fails, else an empty string."""
    zig = str(cache_folder() / "zig")
    env = {"ZIG_GLOBAL_CACHE_DIR": zig, "ZIG_LOCAL_CACHE_DIR": zig, **os.environ}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, errors="replace",
            timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"did not end within {TIMEOUT_S} s"
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""


@cache
def shared_library(source: Path) -> Path:
    """A C file of this package as a shared library, compiled once and kept in the cache.
    Raises CompileError E703 where no compiler can."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    kept = cache_folder() / f"{source.stem}-{digest}.so"
    if is_own_file(kept):
        return kept
    complaint = "no C compiler is installed"
    for cc in host_compilers():
        flags = ("-std=c99", "-O2", "-shared", "-fPIC")
        with keeping(kept) as fresh:
            complaint = compile_c([*cc, *flags, str(source), "-o", str(fresh)], source.parent)
            if complaint:
                fresh.unlink(missing_ok=True)
        if not complaint:
            return kept
    raise CompileError(
        "E703", "the host's C compiler", complaint[-300:], "apt-get install gcc libc6-dev"
    )
