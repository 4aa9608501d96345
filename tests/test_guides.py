"""The guides: what a page has one type, in a clean folder with the wheel installed, prints what the
page shows.

A block ```` ```console ```` is a session: lines that begin with ``$ `` are commands (``\\`` at an
end continues one), the others what they print on a terminal of 80 columns; a command behind which
nothing is shown may print anything. ``...`` stands for any part of a line, and alone for any lines.
A number of four digits and more, and one of percent, may be off by a tenth: compilers differ. A
block with ``title="NAME"`` is a file of that name, which is there before the first command, as is
the wheel. A command has to end with 0, unless ``$ echo $?`` follows."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT
from release import TENSORFLOW, machine

TIMEOUT_S = 300


@dataclass(frozen=True)
class Guide:
    """modules: what it needs besides tinyc's own requirements; files: those of a checkout that it
    names; programs: names of programs that are on PATH and do nothing, as those of a board
    that is not there; gcc: the version of Arm's GCC whose numbers it shows, "" where any compiler's
    are near enough."""

    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    gcc: str = ""


GUIDES = {
    "docs/index.md": Guide(),
    "docs/ci.md": Guide(),
    "docs/diff.md": Guide(gcc="12.2.1"),
    "docs/fit.md": Guide(files=("recipes/cifar10-int8.tflite",)),
    "docs/flashing.md": Guide(programs=("probe-rs",)),
    "docs/own-board.md": Guide(),
    "docs/plugins.md": Guide(("onnx",)),
    "docs/wrong-results.md": Guide(),
    "docs/keras.md": Guide(("tensorflow", "tf_keras", "sklearn")),
}
"""Each page with sessions."""


@dataclass(frozen=True)
class Command:
    line: str
    shown: tuple[str, ...]


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    yield from re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S)


def files(text: str) -> dict[str, str]:
    """Name -> text of each file that a page gives."""
    named = [(re.search(r'\btitle="([^"]+)"', head), body) for head, body in _blocks(text)]
    found = [(name[1], body) for name, body in named if name]
    assert len(dict(found)) == len(found), "two files of one name"
    return dict(found)


def session(text: str) -> list[Command]:
    """The commands of a page, each with what it is shown to print."""
    found: list[tuple[str, list[str]]] = []
    for head, body in _blocks(text):
        if head.split()[:1] != ["console"]:
            continue
        assert body.startswith("$ "), f"a session begins with a command: {body}"
        for line in body.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found[-1][0].endswith("\\"):
                found[-1] = (f"{found[-1][0][:-1]}{line}", [])
            elif line.strip():
                found[-1][1].append(line)
    return [Command(line, tuple(shown)) for line, shown in found]


NUMBER = r"\d{1,3}(?:,\d{3})+|\d+\.\d+(?=%)"


def is_as_shown(shown: tuple[str, ...], said: str) -> bool:
    """Whether ``said`` is what a page shows."""
    pattern, numbers = "", []
    for line in shown:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        for part in re.split(rf"({NUMBER}|\.\.\.|\s+|─+|={{3,}})", line.strip()):
            if re.fullmatch(NUMBER, part):
                pattern += f"({NUMBER})"
                numbers.append(float(part.replace(",", "")))
            else:
                known = {"...": ".*", " ": " +", "─": "─+", "===": "=+"}
                pattern += known.get(part[:3] if part[:1] in ".=" else part[:1], re.escape(part))
        pattern += r"\n"
    lines = (line.strip() for line in said.splitlines())
    found = re.fullmatch(pattern, "".join(f"{line}\n" for line in lines if line))
    return bool(found) and all(
        abs(float(got.replace(",", "")) - number) <= number / 10
        for got, number in zip(found.groups(), numbers, strict=True)
    )


def test_a_session_is_read_and_held() -> None:
    page = "# x\n```console\n$ one \\\n    --two\n a  1,000 b\n...\nend ...\n$ three\n```\n"
    page += '```python title="a.py"\nx = 1\n```\n```\n$ no session\n```\n'
    assert files(page) == {"a.py": "x = 1\n"}
    one, three = session(page)
    assert (one.line, three) == ("one     --two", Command("three", ()))
    assert is_as_shown(one.shown, "a 1,099 b\n\n  between\nend of it\n")
    for other in ("a 1,101 b\nend of it\n", "a 1,000 b\n", "a 1,000 b\nend x\nmore\n", ""):
        assert not is_as_shown(one.shown, other)


def test_each_page_with_a_session_is_run() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    found = [str(p.relative_to(ROOT)) for p in pages if session(p.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(GUIDES)


def test_the_readme_begins_as_the_start_page() -> None:
    first = next(_blocks((ROOT / "README.md").read_text(encoding="utf-8")))[1]
    start = [command.line for command in session((ROOT / "docs/index.md").read_text())]
    assert [line.partition("  ")[0] for line in first.splitlines()] == start[:4]


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path
) -> Callable[[bool], dict[str, str]]:
    """The environment of a machine on which `pip install tinyc` was run, with or without
    TensorFlow at hand."""
    made: dict[bool, dict[str, str]] = {}

    def install(tensorflow: bool) -> dict[str, str]:
        if tensorflow not in made:
            env = machine(tmp_path_factory.mktemp("machine"), () if tensorflow else TENSORFLOW)
            env |= {"PIP_FIND_LINKS": str(wheel.parent), "TERM": "dumb", "COLUMNS": "80"}
            subprocess.run(["pip", "install", "--quiet", "tinyc"], env=env, check=True)
            made[tensorflow] = env
        return made[tensorflow]

    return install


def gcc_version() -> str:
    """Of `arm-none-eabi-gcc`, "" where it is not installed."""
    if shutil.which("arm-none-eabi-gcc") is None:
        return ""
    command = ["arm-none-eabi-gcc", "-dumpfullversion"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def on_a_terminal(script: str, cwd: Path, env: dict[str, str]) -> tuple[int, str]:
    """Exit code of a script of bash, and what it printed on a terminal without colors."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", script], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=slave,
        stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    watch = threading.Timer(TIMEOUT_S, lambda: os.killpg(process.pid, signal.SIGKILL))
    watch.start()
    said = b""
    with contextlib.suppress(OSError), open(master, "rb", buffering=0) as terminal:
        while more := terminal.read(1 << 16):  # ends with EIO on Linux
            said += more
    code = process.wait()
    watch.cancel()
    return code, said.decode(errors="replace").replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES)
def test_a_guide_runs_as_it_stands(
    page: str, installed: Callable[[bool], dict[str, str]], wheel: Path, tmp_path: Path
) -> None:
    guide, text = GUIDES[page], (ROOT / page).read_text(encoding="utf-8")
    for module in guide.modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{page} needs {module}")
    if guide.gcc and guide.gcc != gcc_version():
        pytest.skip(f"{page} shows numbers of GCC {guide.gcc}")
    here, bin = tmp_path / "here", tmp_path / "bin"
    here.mkdir()
    bin.mkdir()
    shutil.copy(wheel, here)
    for name in guide.files:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, here / name)
    for name, body in files(text).items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(body, encoding="utf-8")
    for name in guide.programs:
        (bin / name).write_text("#!/bin/sh\n")
        (bin / name).chmod(0o755)
    env = installed("tensorflow" in guide.modules)
    env = {**env, "PATH": f"{bin}:{env['PATH']}"}
    place, code = tmp_path / "place", 0
    place.write_text(str(here))
    commands = session(text)
    for command, after in zip(commands, [*commands[1:], None], strict=True):
        script = (
            f"(exit {code})\n{command.line}\ncode=$?\npwd > {shlex.quote(str(place))}\nexit $code"
        )
        code, said = on_a_terminal(script, Path(place.read_text().rstrip("\n")), env)
        told = f"{page}: $ {command.line}\n{said}"
        assert code == 0 or (after and after.line == "echo $?"), told
        assert "does not provide the extra" not in said, told
        if command.shown:
            assert is_as_shown(command.shown, said), told
