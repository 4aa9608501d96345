"""Malformed files: each gives C text or a clear message, in bounded time, never a traceback."""

from __future__ import annotations

import random
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import DATA, write_tiny

from tinyc.emit.c import emit
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.passes import optimize
from tinyc.plan import plan

SECONDS = 20
CHUNK = 100
QUICK_CHUNKS, ALL_CHUNKS = 2, 100

# Words that lengths, offsets, dimensions and indices find hard.
WORDS = (
    *(0, 1, 2, 4, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000),
    *(0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFF80, 0x3F800000, 0x7FC00000, 0x7F800000, 0x00800000),
)


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Valid files: a small one, which most mutations are of, and real ones where they are."""
    tiny = write_tiny(tmp_path_factory.mktemp("seeds") / "tiny.tflite").read_bytes()
    real = [DATA / "mlperf-tiny" / f"{name}.tflite" for name in ("kws", "ic", "sww")]
    return [tiny] * 3 + [path.read_bytes() for path in real if path.is_file()]


def mutate(seeds: list[bytes], number: int) -> bytes:
    """The mutation of this number: bytes flipped, words replaced, a piece moved, the end lost."""
    rng = random.Random(number)
    data = bytearray(rng.choice(seeds))
    # The tables stand at either end; what lies between is mostly weights.
    edge = min(len(data), 8192)

    def place() -> int:
        at = rng.randrange(edge)
        return at if rng.random() < 0.5 else len(data) - 1 - at

    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        kind = rng.randrange(5)
        if kind == 0:
            data[place()] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place()] = rng.randrange(256)
        elif kind == 2:
            at = min(place() & ~3, len(data) - 4)
            data[at : at + 4] = struct.pack("<I", rng.choice(WORDS))
        elif kind == 3:
            source, target, size = place(), place(), rng.randrange(1, 64)
            piece = data[source : source + size]
            data[target : target + len(piece)] = piece
        else:
            at = min(place() & ~3, len(data) - 4)
            (word,) = struct.unpack_from("<I", data, at)
            data[at : at + 4] = struct.pack("<I", (word + rng.randint(-8, 8)) & 0xFFFFFFFF)
    if rng.random() < 0.15:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def compiles(path: Path) -> bool:
    """Whether the file becomes C; False where it is refused with a clear message."""
    try:
        with time_limit(SECONDS):
            sources = emit(plan(optimize(read(path)), "Cortex-M4", frozenset({"dsp", "fpu"})))
    except (CompileError, CompileErrors) as error:
        for line in str(error).splitlines():
            assert line[0] == "E" and line[1] in "23" and line[4] == " ", line
            assert line.isprintable() and len(line) <= 700, line
        return False
    assert len(sources) == 3 and all(text.isascii() for text in sources.values())
    return True


def chunk(seeds: list[bytes], index: int, folder: Path) -> None:
    path = folder / "mutated.tflite"
    outcomes = []
    for number in range(index * CHUNK, (index + 1) * CHUNK):
        path.write_bytes(mutate(seeds, number))
        try:
            outcomes.append(compiles(path))
        except Exception as error:
            raise AssertionError(f"mutation {number} gives {error!r}") from error
    # A fuzzer whose every file dies at the door, or none, would prove nothing.
    assert True in outcomes and False in outcomes


@pytest.mark.parametrize("index", range(QUICK_CHUNKS))
def test_mutated_files_quick(seeds: list[bytes], index: int, tmp_path: Path) -> None:
    chunk(seeds, index, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(QUICK_CHUNKS, ALL_CHUNKS))
def test_mutated_files(seeds: list[bytes], index: int, tmp_path: Path) -> None:
    chunk(seeds, index, tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0", b"TFL3", b"\0" * 64, b"\xff" * 64, b"x" * 4096])
def test_files_that_are_no_models(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "not.tflite"
    path.write_bytes(content)
    assert not compiles(path)


def test_every_prefix_of_a_model(seeds: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    for size in range(0, len(seeds[0]), 8):
        path.write_bytes(seeds[0][:size])
        compiles(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert not compiles(tmp_path / "absent.tflite")
    assert not compiles(tmp_path)
