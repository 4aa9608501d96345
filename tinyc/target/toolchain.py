"""The compilers: arm-none-eabi-gcc where it is installed, else ziglang's Clang and LLD."""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .. import plugins
from ..errors import CompileError
from .boards import Core
from .versions import find_program

TIMEOUT_S = 300

# Not the ziglang that may lie in the current folder (-P).
ZIG = (sys.executable, "-P", "-m", "ziglang")

CFLAGS = (
    "-std=c99 -fhosted -O2 -g -pipe -fno-common -ffunction-sections -fdata-sections "
    "-ffp-contract=off -fno-math-errno -fno-unwind-tables -fno-asynchronous-unwind-tables "
    "-Wall -Wextra -Wconversion -Wshadow -Wundef -Wdouble-promotion -Werror"
).split()

# For start-up and the C library's stand-ins only, of which cycles count less than bytes: a memcpy
# must not become a call of itself. In generated code the compiler is to know memcpy: four bytes of
# it are one load (-fhosted, as ziglang's Clang is freestanding by itself for such a target).
FREESTANDING = ("-ffreestanding", "-fno-builtin", "-Os")

GCC_LDFLAGS = (
    "-nostartfiles -nostdlib -Wl,--gc-sections -Wl,--no-warn-rwx-segments -Wl,--build-id=none"
).split()

CLANG_FLAGS = ("-fno-sanitize=all", "-fno-stack-protector", "-fomit-frame-pointer")

# ziglang spells an FPU as a feature of the CPU.
_CLANG_FPU = {"fpv4-sp-d16": "+vfp4d16sp", "fpv5-sp-d16": "+fp_armv8d16sp"}


@dataclass(frozen=True)
class Toolchain:
    """kind: ``gcc`` or ``clang``; title: name and version; cc: the compiler's command."""

    kind: str
    title: str
    cc: tuple[str, ...]

    def target(self, core: Core) -> list[str]:
        """What selects the core."""
        if self.kind == "gcc":
            fpu = [f"-mfpu={core.fpu}"] if core.fpu else []
            return ["-mthumb", f"-mcpu={core.cpu}", *fpu, f"-mfloat-abi={core.float_abi}"]
        abi = "eabihf" if core.float_abi == "hard" else "eabi"
        return ["-target", f"thumb-freestanding-{abi}", f"-mcpu={core.clang}"]

    def flags(self, core: Core) -> list[str]:
        """What selects the core and the language, for every C file."""
        return [*self.target(core), *CFLAGS, *(CLANG_FLAGS if self.kind == "clang" else [])]

    def freestanding(self) -> tuple[str, ...]:
        """Further flags of the firmware's own files."""
        loops = ("-fno-tree-loop-distribute-patterns",) if self.kind == "gcc" else ()
        return (*FREESTANDING, *loops)

    def compile(
        self, core: Core, jobs: Sequence[tuple[Path, Path, Sequence[str]]], cwd: Path
    ) -> None:
        """Compile (source, object, further flags), paths relative to ``cwd``. A message of the
        compiler is a bug in tinyc's templates, RuntimeError, or in a plugin's, CompileError
        E251."""

        def compile(job: tuple[Path, Path, Sequence[str]]) -> None:
            source, target, more = job
            self._compile_file(core, source, target, more, cwd)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(compile, jobs))

    def _compile_file(
        self, core: Core, source: Path, target: Path, more: Sequence[str], cwd: Path
    ) -> None:
        command = [*self.cc, *self.flags(core), *more]
        command += [f"-ffile-prefix-map={cwd}=.", "-c", str(source), "-o", str(target)]
        done = _call(command, cwd)
        if done.returncode:
            _raise_unless_about_code(done)
            if plugins.folders():
                said = next((x for x in done.stderr.splitlines() if "error:" in x), done.stderr)
                hint = "correct the C of the plugin's kernel"
                raise CompileError("E251", str(source), f"does not compile: {said.strip()}", hint)
            raise RuntimeError(f"{source} does not compile: {done.stderr[-2000:]}")

    def link(self, core: Core, objects: Sequence[str], script: str, elf: str, cwd: Path) -> str:
        """Link; returns the linker's complaint, empty if there is none."""
        mapped = f"-Map={Path(elf).with_suffix('.map')}"
        if self.kind == "gcc":
            command = [
                *self.cc, *self.flags(core), *GCC_LDFLAGS, "-T", script, f"-Wl,{mapped}",
                *objects, *(["-lm", "-lc"] if self.has_libc else []), "-lgcc", "-o", elf,
            ]  # fmt: skip
        else:
            runtime = _compiler_rt(self, core)
            command = [
                *ZIG, "ld.lld", "-O2", "--gc-sections",
                "-T", script, mapped, *objects, str(runtime), "-o", elf,
            ]  # fmt: skip
        done = _call(command, cwd)
        if not done.returncode:
            return ""
        _raise_unless_about_code(done)
        return done.stderr

    @property
    def has_libc(self) -> bool:
        """Whether it brings <string.h>, <math.h> and libm: GCC where newlib is installed."""
        return self.kind == "gcc" and _has_newlib(self.cc)


def _raise_unless_about_code(failed: subprocess.CompletedProcess[str]) -> None:
    """Tell failures of the machine, which are the user's to mend, from complaints about C."""
    if os.strerror(errno.ENOSPC) in failed.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if failed.returncode < 0 or not failed.stderr.strip():
        raise CompileError(
            "E802",
            failed.args[0],
            f"ended with status {failed.returncode} and no message",
            "see whether the disk or the memory is full",
        )


def _call(command: Sequence[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ)
    env.setdefault("ZIG_GLOBAL_CACHE_DIR", str(cache_folder() / "zig"))
    env.setdefault("ZIG_LOCAL_CACHE_DIR", str(cache_folder() / "zig"))
    try:
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CompileError("E702", command[0], f"did not end within {TIMEOUT_S} s") from None


def cache_folder() -> Path:
    """Where compiled helpers are kept, a folder that nobody else can write: the user's cache
    folder (``$XDG_CACHE_HOME/tinyc``, ``~/.cache/tinyc``), else one under the temporary folder,
    else a new one that ends with the process. Raises CompileError E809 where none can be."""
    import tempfile

    import platformdirs

    candidates = [Path(tempfile.gettempdir()) / f"tinyc-{os.geteuid()}"]
    with contextlib.suppress(RuntimeError):  # this user has no home
        candidates.insert(0, Path(platformdirs.user_cache_dir("tinyc", appauthor=False)))
    for folder in candidates:
        if not folder.is_absolute():  # the work of whoever made the current folder
            continue
        with contextlib.suppress(OSError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder = folder.parent.resolve() / folder.name
            folder.mkdir(mode=0o700, exist_ok=True)
            if _is_private(folder) and os.access(folder, os.W_OK | os.X_OK):
                return folder
    return _passing_folder()


@cache
def _passing_folder() -> Path:
    import tempfile

    try:
        folder = Path(tempfile.mkdtemp(prefix="tinyc-"))
    except OSError as error:
        raise CompileError(
            "E809", "the cache", f"no folder for compiled helpers: {error.strerror}",
            "name a folder of your own by XDG_CACHE_HOME or TMPDIR",
        ) from None  # fmt: skip
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_private(folder: Path) -> bool:
    """Whether ``folder``, no link on its path, is a folder of this user's that nobody else can
    write, nor put another in its place."""
    own = folder.lstat()
    if not stat.S_ISDIR(own.st_mode) or own.st_uid != os.geteuid() or own.st_mode & 0o022:
        return False
    # In a container root may have another number.
    trusted = {0, os.geteuid(), os.stat("/").st_uid}
    above = [parent.stat() for parent in folder.parents]
    return all(
        each.st_uid in trusted and (each.st_mode & stat.S_ISVTX or not each.st_mode & 0o022)
        for each in above
    )


def is_own_file(path: Path) -> bool:
    """Whether ``path`` is a file of this user's, no link, that nobody else can write."""
    try:
        found = path.lstat()
    except OSError:
        return False
    own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    return own and not found.st_mode & 0o022


@contextlib.contextmanager
def keeping(kept: Path) -> Iterator[Path]:
    """A path in a new folder of the cache; what the block writes there is then put at ``kept``,
    for this user alone."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        fresh = Path(folder) / kept.name
        yield fresh
        if fresh.exists():
            fresh.chmod(0o600)
            fresh.replace(kept)  # whole or not at all, whoever else compiles it


@cache
def _has_newlib(cc: tuple[str, ...]) -> bool:
    done = _call([*cc, "-print-file-name=libm.a"])
    return done.returncode == 0 and os.path.isabs(done.stdout.strip())


def _compiler_rt(toolchain: Toolchain, core: Core) -> Path:
    """ziglang builds its runtime library for a core when it links for it; kept for later."""
    flags = [*toolchain.target(core), "-O2"]  # without -O2 it is built with run-time checks
    version = hashlib.sha256(f"{toolchain.title} {flags}".encode()).hexdigest()[:12]
    kept = cache_folder() / f"compiler_rt-{core.name}-{version}.a"
    if is_own_file(kept):
        return kept
    with keeping(kept) as fresh:
        folder = fresh.parent
        (folder / "empty.c").write_text("void _start(void) {}\n")
        env_cache = folder / "cache"
        done = subprocess.run(
            [*toolchain.cc, *flags, "empty.c", "-o", "empty.elf"],
            cwd=folder,
            env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(env_cache),
                 "ZIG_LOCAL_CACHE_DIR": str(env_cache)},
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        built = list(env_cache.glob("o/*/libcompiler_rt.a"))
        if done.returncode or not built:
            raise CompileError(
                "E702",
                "ziglang",
                f"cannot build its runtime for {core.title}: {done.stderr[-300:]}",
            )
        shutil.copyfile(built[0], fresh)
    return kept


@cache
def find_toolchain(kind: str | None = None) -> Toolchain:
    """The toolchain of that kind, or the first that is there. Raises CompileError E205 for an
    unknown kind, E701 where it is missing."""
    if kind not in (None, "gcc", "clang"):
        raise CompileError("E205", f"toolchain {kind!r}", "is unknown", "use gcc or clang")
    gcc = find_program("arm-none-eabi-gcc")
    if kind != "clang" and gcc:
        text = _call([gcc, "-dumpfullversion"]).stdout.strip()
        return Toolchain("gcc", f"arm-none-eabi-gcc {text}", (gcc,))
    if kind == "gcc":
        raise CompileError(
            "E701", "arm-none-eabi-gcc", "is not on PATH",
            "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi, or --toolchain clang",
        )  # fmt: skip
    cc = (*ZIG, "cc")
    done = _call([*cc, "--version"])
    version = re.search(r"version (\S+)", done.stdout)
    if done.returncode or version is None:
        raise CompileError(
            "E701", "ziglang", "no compiler is installed",
            "pip install ziglang, or apt-get install gcc-arm-none-eabi",
        )  # fmt: skip
    return Toolchain("clang", f"clang {version.group(1)} (ziglang)", cc)
