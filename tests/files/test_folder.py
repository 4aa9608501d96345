"""Folders of tinyc's: what is replaced and what is not, by builders that are killed as well."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, slow_but, write_tiny

from tinyc import report
from tinyc.cli import app as cli
from tinyc.errors import CompileError
from tinyc.files import folder
from tinyc.files.folder import MARK, read_mark, replacing

BOARD = "stm32f4_discovery"

# Replaces a folder for ever, each file of it with the same number; tells each round.
BUILDER = """
import sys
from pathlib import Path
from tinyc.cli import app as cli
from tinyc.files import folder
if sys.argv[3] == "plain":
    folder._exchange = lambda one, other: False
name, round = sys.argv[2], 0
while True:
    with folder.replacing(Path(sys.argv[1]), "build", "model.tflite") as work:
        (work / "src").mkdir()
        for file in ("a.txt", "b.txt", "src/c.txt"):
            (work / file).write_text(f"{name} {round}")
    round += 1
    print(round, flush=True)
"""


def with_tinyc() -> dict[str, str]:
    """The environment, and this tree's tinyc for Python."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}


def make(out: Path, files: dict[str, str], model: str | None = None) -> None:
    with replacing(out, "build", model) as work:
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)


def contents(out: Path) -> dict[str, str]:
    """Path -> text of every file but the mark; the target of a link; "/" for a folder."""
    found = {}
    for path in out.rglob("*"):
        text = os.readlink(path) if path.is_symlink() else "/" if path.is_dir() else None
        found[str(path.relative_to(out))] = path.read_text() if text is None else text
    assert found.pop(MARK, None) is not None
    return found


# What is replaced --------------------------------------------------------------------------


def test_the_mark_tells_what_was_written(tmp_path: Path) -> None:
    make(tmp_path / "out", {"a": "1", "src/b": "2"}, str(tmp_path / "models" / "m.tflite"))
    mark = read_mark(tmp_path / "out")
    assert mark is not None and set(mark["files"]) == {"a", "src/b"}
    assert (mark["tool"], mark["kind"], mark["model"]) == ("tinyc", "build", "models/m.tflite")
    assert os.listdir(tmp_path) == ["out"]
    # The usual rights, not those of a temporary folder.
    assert (tmp_path / "out").stat().st_mode == tmp_path.joinpath("out/src").stat().st_mode


@pytest.mark.parametrize("exchange", [True, False])
def test_what_the_user_put_there_moves_on(
    tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchange:
        monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    out = tmp_path / "out"
    make(out, {"a": "1", "old": "1", "src/b": "1"})
    (out / ".git" / "refs" / "tags").mkdir(parents=True)
    (out / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (out / "src" / "mine.c").write_text("mine")
    (out / "src" / "b").write_text("changed")
    (out / "link").symlink_to("src/mine.c")
    (out / "nowhere").symlink_to("nothing")
    (out / "build").mkdir(mode=0o700)
    (out / "build" / "x.o").write_bytes(b"")
    make(out, {"a": "2", "src/b": "2"})
    assert contents(out) == {
        "a": "2", "src": "/", "src/b": "2", "src/mine.c": "mine", "link": "src/mine.c",
        "nowhere": "nothing", ".git": "/", ".git/HEAD": "ref: refs/heads/main",
        ".git/refs": "/", ".git/refs/tags": "/", "build": "/", "build/x.o": "",
    }  # fmt: skip
    assert (out / "build").stat().st_mode & 0o777 == 0o700
    assert (out / "src" / "mine.c").stat().st_nlink == 1
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("part", folder.PARTS)
def test_a_part_goes_with_the_build_less_what_is_the_users(tmp_path: Path, part: str) -> None:
    out = tmp_path / "out"
    make(out, {"a": "1"})
    make(out / part, {"old": "1"})
    (out / part / f".old.{'0' * 8}").write_text("left by a killed process")
    (out / f".{part}.{'0' * 16}.tmp").mkdir()
    make(out, {"a": "2"})
    assert contents(out) == {"a": "2"}
    make(out / part, {"old": "2"})
    (out / part / "mine").write_text("mine")
    make(out, {"a": "3"})
    assert contents(out / part) == {"mine": "mine"}
    make(out / part, {"new": "3"})
    assert contents(out / part) == {"new": "3", "mine": "mine"}


def test_a_file_of_the_user_in_the_way(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out, {"a": "1", "src/b": "1"})
    (out / "extra").write_text("mine")
    (out / "src" / "b").unlink()
    (out / "src" / "b").mkdir()
    (out / "src" / "b" / "mine").write_text("mine")
    before = contents(out)
    for files, named in (({"a": "2", "extra": "2"}, "extra"), ({"src/b": "2"}, "src/b")):
        with pytest.raises(CompileError, match=rf"E237 .*{named}: is yours") as error:
            make(out, files)
        assert error.value.exit_code == 2 and error.value.hint
        assert contents(out) == before and os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({".git/HEAD": "x"}, "no mark"),
        ({"notes": "x"}, "no mark"),
        ({".tinyc": "mine"}, "no mark"),
        ({".tinyc": "[" * 100_000}, "no mark"),
        ({".tinyc": '{"tool": "other", "files": {}}', "a": "x"}, "no mark"),
        ({"port/board.c": "", "include/m.h": ""}, "an older version"),
        ({"README.md": "", "src/m.h": ""}, "an older version"),
    ],
)
def test_what_tinyc_did_not_make_is_not_replaced(
    tmp_path: Path, files: dict[str, str], told: str
) -> None:
    for path, text in files.items():
        (tmp_path / "out" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / path).write_text(text)
    with pytest.raises(CompileError, match=f"E235 .*{told}") as error:
        make(tmp_path / "out", {"a": "1"})
    assert error.value.exit_code == 2 and "--output-dir" in error.value.hint
    for path, text in files.items():
        assert (tmp_path / "out" / path).read_text() == text
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("place", [".", "src"])
def test_the_current_folder_is_not_replaced(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "net", {"src/a.c": "old"})
    monkeypatch.chdir(tmp_path / "net" / place)
    with pytest.raises(CompileError, match=r"E235 .*net: is the folder that you are in"):
        make(tmp_path / "net", {"src/a.c": "new"})
    assert contents(tmp_path / "net")["src/a.c"] == "old"


def test_an_empty_folder_and_a_link_are_taken(tmp_path: Path) -> None:
    (tmp_path / "disk" / "empty").mkdir(parents=True)
    (tmp_path / "out").symlink_to("disk/empty")
    for text in "12":
        make(tmp_path / "out", {"a": text})
        assert (tmp_path / "out").is_symlink()
        assert contents(tmp_path / "disk" / "empty") == {"a": text}
    assert os.listdir(tmp_path / "disk") == ["empty"]


def test_a_folder_is_of_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    make(tmp_path / "out", {"a": "1"}, "one/My-Net.tflite")
    with pytest.raises(CompileError, match=r"E236 out: was made from one/My-Net\.tflite") as error:
        make(tmp_path / "out", {"a": "2"}, "my_net.tflite")
    assert error.value.exit_code == 2 and "--output-dir" in error.value.hint
    monkeypatch.chdir(tmp_path / "one")
    make(tmp_path / "out", {"a": "3"}, "My-Net.tflite")
    # All of it somewhere else is still the same.
    (tmp_path / "moved").mkdir()
    for name in ("one", "out"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    make(tmp_path / "moved" / "out", {"a": "4"}, str(tmp_path / "moved/one/My-Net.tflite"))


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EROFS, errno.ENOTEMPTY, errno.EIO])
def test_other_failures_do_not_speak_of_space(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder, "_swap", fail)
    with pytest.raises(CompileError) as error:
        make(tmp_path / "out", {"a": "1"})
    assert error.value.exit_code == 8 and error.value.id != "E801" and "space" not in str(error)
    assert not list(tmp_path.iterdir())


# Several, and killed -------------------------------------------------------------------------


def leave(out: Path, text: str, suffix: str) -> Path:
    """What a killed builder leaves: a folder of tinyc's with a temporary name."""
    left = out.with_name(f".{out.name}.0123456789abcdef.{suffix}")
    make(left, {"a": text})
    return left


def test_what_is_left_by_the_dead_goes_away(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out, {"a": "1"})
    left = leave(out, "0", "tmp")
    (left / "late").write_text("mine, of the last moment")
    half = out.with_name(f".out.{'1' * 16}.tmp")
    (half / "obj").mkdir(parents=True)
    alive = out.with_name(f".out.{'2' * 16}.tmp")
    alive.mkdir()
    mine = tmp_path / ".out.1.tmp"
    mine.mkdir()
    with folder._locked(alive):
        make(out, {"a": "2"})
        assert set(os.listdir(tmp_path)) == {"out", alive.name, mine.name}
    assert contents(out) == {"a": "2", "late": "mine, of the last moment"}
    make(out, {"a": "3"})
    assert set(os.listdir(tmp_path)) == {"out", mine.name}


def test_a_folder_on_its_way_comes_back(tmp_path: Path) -> None:
    """Killed between the two steps of a file system without the exchange in one."""
    out = tmp_path / "out"
    (leave(out, "1", "old") / "mine").write_text("mine")
    leave(out, "2", "tmp")
    make(out, {"a": "3"})
    assert contents(out) == {"a": "3", "mine": "mine"} and os.listdir(tmp_path) == ["out"]


def check_swaps(tmp_path: Path, swaps: int, way: str) -> tuple[int, int]:
    """Let two builders replace one folder, kill either now and then; returns how many rounds
    and kills there were."""
    out = tmp_path / "place" / "out"
    make(out, {"a.txt": "0"}, str(tmp_path / "model.tflite"))
    (out / "mine").write_text("mine")
    (out / ".git").mkdir()
    (out / ".git" / "HEAD").write_text("ref")
    draw = random.Random(7)
    command = [sys.executable, "-c", BUILDER, str(out)]
    env = with_tinyc()
    rounds = kills = 0

    def start(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, name, way], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=env, cwd=tmp_path,
        )  # fmt: skip

    running = {name: start(name) for name in ("one", "two")}
    try:
        while rounds < swaps:
            for process in running.values():
                assert process.stdout is not None
                assert process.stdout.readline(), process.stderr and process.stderr.read()
            time.sleep(draw.uniform(0, 0.08))
            name = draw.choice(list(running))
            victim = running[name]
            victim.kill()
            told, complaint = victim.communicate()
            assert victim.returncode == -signal.SIGKILL, complaint
            rounds += 1 + told.count("\n")
            kills += 1
            if way == "exchange":  # the other one is still at work
                assert (out / "mine").read_text() == "mine"
                assert (out / ".git" / "HEAD").read_text() == "ref"
            running[name] = start(name)
    finally:
        for process in running.values():
            process.kill()
            rounds += process.communicate()[0].count("\n")
    make(out, {"a.txt": "1"}, str(tmp_path / "model.tflite"))
    assert contents(out) == {
        "a.txt": "1", "mine": "mine", ".git": "/", ".git/HEAD": "ref",
    }  # fmt: skip
    assert os.listdir(out.parent) == ["out"]
    return rounds, kills


@pytest.mark.slow
@pytest.mark.parametrize("way", ["exchange", "plain"])
def test_swaps_with_kills(tmp_path: Path, way: str) -> None:
    rounds, kills = check_swaps(tmp_path, 60, way)
    assert rounds >= 60 and kills >= 2


@pytest.mark.slow
@pytest.mark.parametrize("way", ["exchange", "plain"])
def test_many_swaps_with_kills(tmp_path: Path, way: str) -> None:
    rounds, _ = check_swaps(tmp_path, 500, way)
    assert rounds >= 500


# By the command -----------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


BUILD = ["build", "tiny.tflite", "--board", BOARD, "-q"]


@pytest.mark.slow
def test_the_verbs_leave_what_is_not_theirs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiny(here / "tiny.tflite")
    for verb, place in (
        ("build", f"build/{BOARD}/tiny"),
        ("test", f"build/{BOARD}/.tiny-test"),
        ("export", "build/export/library/tiny"),
    ):
        (here / place / ".git").mkdir(parents=True)
        (here / place / ".git" / "HEAD").write_text("ref")
        more = ["--to", "library"] if verb == "export" else []
        assert cli.execute([verb, *BUILD[1:], *more]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"E235 {place}: ") and error.count("\n") == 1
        assert os.listdir(here / place) == [".git"]
        (here / place / ".git" / "HEAD").unlink()
        (here / place / ".git").rmdir()
        assert cli.execute([verb, *BUILD[1:], *more]) == 0
        (here / place / "mine").write_text("mine")
        assert cli.execute([verb, *BUILD[1:], *more]) == 0
        assert (here / place / "mine").read_text() == "mine"
    assert (here / f"build/{BOARD}/tiny/report/report.json").is_file()


@pytest.mark.slow
def test_models_of_one_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a/My-Net.tflite", "b/my_net.tflite", "b/My-Net.tflite"):
        (here / name).parent.mkdir(exist_ok=True)
        write_tiny(here / name)
    first, *others = ("a/My-Net.tflite", "b/my_net.tflite", "b/My-Net.tflite")
    where = ["--board", BOARD, "-q"]
    verbs = [["build"], ["export", "--to", "library"], ["test", "--samples", "1"]]
    for verb in verbs:
        assert cli.execute([*verb, first, *where]) == 0
        for other in others:
            capsys.readouterr()
            assert cli.execute([*verb, other, *where]) == 2
            error = capsys.readouterr().err
            assert error.startswith("E236 build/") and f"was made from {first}" in error
        assert cli.execute([*verb, others[0], *where, "-o", "other"]) == 0
    # The same model anew, by another spelling of its path.
    write_tiny(here / first, "again")
    assert cli.execute(["build", str(here / "b" / ".." / first), *where]) == 0
    capsys.readouterr()
    assert cli.execute(["compare", first, *others, *where, "--samples", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["models"]) == 3
    assert {"build", "test"} <= report.sections(Path("build", BOARD, "my_net", "report")).keys()


def start_build(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tinyc.cli", *BUILD], cwd=folder, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=with_tinyc(),
    )  # fmt: skip


@pytest.mark.parametrize("number", slow_but([signal.SIGTERM], [signal.SIGTERM, signal.SIGHUP]))
def test_sigterm_cleans_up(here: Path, number: signal.Signals) -> None:
    write_tiny(here / "tiny.tflite")
    process = start_build(here)
    place = here / "build" / BOARD
    while not list(place.glob(".tiny.*.tmp")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    complaint = process.communicate()[1]
    assert process.returncode == 128 + number
    assert complaint == "interrupted; nothing half-written is left\n"
    assert os.listdir(place) == []


@pytest.mark.slow
def test_builds_with_kills(here: Path) -> None:
    write_tiny(here / "tiny.tflite")
    assert cli.execute(BUILD) == 0
    place = here / "build" / BOARD
    (place / "tiny" / "build" / "gcc").mkdir(parents=True)
    (place / "tiny" / "build" / "gcc" / "mine").write_text("mine")
    draw = random.Random(5)
    running = [start_build(here) for _ in range(2)]
    ends = {0: 0, -signal.SIGKILL: 0, 128 + signal.SIGTERM: 0, -signal.SIGTERM: 0}
    for _ in range(15):
        time.sleep(draw.uniform(0.3, 2))
        victim = running.pop(0)
        victim.send_signal(draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        complaint = victim.communicate()[1]
        assert victim.returncode in ends, complaint
        ends[victim.returncode] += 1
        assert (place / "tiny" / "tiny.elf").is_file()
        assert (place / "tiny" / "build" / "gcc" / "mine").read_text() == "mine"
        running.append(start_build(here))
    for process in running:
        assert (process.communicate()[1], process.returncode) == ("", 0)
    assert ends[-signal.SIGKILL] > 2
    assert cli.execute(BUILD) == 0
    assert sorted(os.listdir(place)) == [".tiny-renode", "tiny"]
    assert (place / "tiny" / "build" / "gcc" / "mine").read_text() == "mine"
    assert sorted(os.listdir(place / "tiny" / "report")) == [
        MARK, "junit.xml", "report.html", "report.json", "report.md",
    ]  # fmt: skip
