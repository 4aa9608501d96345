"""What `tinyc doctor` finds, with programs made for the test in the place of the real ones."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tinyc.cli import app as cli
from tinyc.deploy import doctor
from tinyc.run.renode import tool as renode_tool
from tinyc.run.renode.tool import find_renode
from tinyc.target import versions

KEYS = {"group", "tool", "version", "problem", "purpose", "remedy"}


def program(path: Path, body: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def renode(folder: Path, version: str) -> Path:
    program(folder / "renode-test", "exit 9")
    return program(folder / "renode", f'echo "Renode, version {version} (d66b0c2a-202602161036)"')


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH besides the shell's; no variable names a Renode."""
    folder = tmp_path / "path"
    folder.mkdir()
    for name in ("sh", "sleep"):
        (folder / name).symlink_to(Path("/bin") / name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(versions, "beside", lambda: str(tmp_path / "bin"))
    monkeypatch.delenv("RENODE_ROOT", raising=False)
    monkeypatch.setattr(renode_tool, "PACKAGED", tmp_path / "opt")
    return folder


def entry(name: str) -> dict[str, str | None]:
    (found,) = (e for e in doctor.inspect() if e["tool"] == name)
    return found


# Programs ----------------------------------------------------------------------------------


def test_a_program_beside_the_interpreter(path: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "pyocd", "echo 0.46.1")
    assert entry("pyocd")["version"] == "0.46.1" and entry("pyocd")["remedy"] == ""
    program(path / "pyocd", "echo 0.47.0")
    assert entry("pyocd")["version"] == "0.47.0"


def test_every_tool_is_missing_and_has_a_remedy(path: Path) -> None:
    found = [e for e in doctor.inspect() if e["group"] != "Python packages"]
    programs = [e for e in found if e["tool"] not in ("unicorn", "ziglang")]
    assert len(programs) >= 17
    for e in programs:
        assert e.keys() == KEYS
        assert e["version"] is None and e["problem"] is None and e["remedy"] and e["purpose"], e
    groups = list(dict.fromkeys(e["group"] for e in doctor.inspect()))
    assert groups == ["compilers", "emulators", "debuggers and probes", "Python packages"]


@pytest.mark.parametrize(
    ("body", "version", "problem"),
    [
        ("echo 'OpenX 0.12.0'", "OpenX 0.12.0", None),
        ("echo 'OpenX 0.12.0' >&2; echo more >&2", "OpenX 0.12.0", None),
        ("echo '  ------'; echo; echo 'Xprog version: 2.18.0'", "Xprog version: 2.18.0", None),
        ("echo git-abc", "git-abc", None),
        ("printf '\\377 1.2\\n'", "\ufffd 1.2", None),
        ("exit 0", None, "names no version"),
        ("echo 'bad CPU' >&2; exit 3", None, "ended with status 3: bad CPU"),
        ("exit 4", None, "ended with status 4"),
        ("kill -9 $$", None, "ended with status -9"),
    ],
)
def test_what_a_program_says(
    path: Path, body: str, version: str | None, problem: str | None
) -> None:
    program(path / "openocd", body)
    found = entry("openocd")
    assert (found["version"], found["problem"]) == (version, problem)
    assert bool(found["remedy"]) == bool(problem)


def test_a_program_that_cannot_be_run(path: Path) -> None:
    (path / "openocd").write_bytes(b"\x7fELF nonsense")
    (path / "openocd").chmod(0o755)
    assert "cannot be run: Exec format error" in (entry("openocd")["problem"] or "")


def test_a_program_that_hangs_is_ended_with_its_children(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "TIMEOUT_S", 0.3)
    program(path / "openocd", "sleep 60 & echo $! > child; sleep 60")
    program(path / "pyocd", "echo 0.36.0; sleep 60 &")
    monkeypatch.chdir(path)
    began = time.monotonic()
    found = {e["tool"]: e for e in doctor.inspect()}
    assert time.monotonic() - began < 20
    assert found["openocd"]["problem"] == "gave no version within 0.3 s"
    assert found["pyocd"]["version"] == "0.36.0"
    child = int((path / "child").read_text())
    while time.monotonic() - began < 30 and runs(child):  # a signal takes effect a little later
        time.sleep(0.05)
    assert not runs(child)


def runs(pid: int) -> bool:
    """Whether a process is alive: neither gone nor a zombie that nobody has waited for."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_either_of_two_names_will_do(path: Path) -> None:
    program(path / "gdb-multiarch", "echo 'GNU gdb 13.1'")
    assert entry("arm-none-eabi-gdb or gdb-multiarch")["version"] == "GNU gdb 13.1"


def test_programs_that_are_asked_otherwise(path: Path) -> None:
    refuses = 'test "$1" = {} || {{ echo unknown >&2; exit 9; }}; echo "{} 1.9.1"'
    program(path / "bossac", refuses.format("--help", "BOSSA") + "; exit 1")
    program(path / "picotool", refuses.format("version", "picotool"))
    assert entry("bossac")["version"] == "BOSSA 1.9.1"
    assert entry("picotool")["version"] == "picotool 1.9.1"


# Python packages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "usable"),
    [
        ("0.24.0", False),
        ("0.27.0", True),
        ("0.25.0", False),
        ("0.27.post1", True),
        ("0.28.dev3", False),
        ("1.0", 0),
    ],
)
def test_a_package_of_another_version(
    monkeypatch: pytest.MonkeyPatch, version: str, usable: bool
) -> None:
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: version)
    found = entry("apache-tvm")
    assert found["version"] == version
    assert (found["problem"] is None) == bool(usable) == (found["remedy"] == "")
    if not usable:
        assert found["problem"] == "at least 0.27 and below 0.28 is needed"


# Renode ------------------------------------------------------------------------------------


def test_the_order_in_which_renode_is_looked_for(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_renode() is None
    last = renode(tmp_path / "opt", "1.16.1")
    assert find_renode().path == last
    on_path = renode(path, "1.16.2")
    assert find_renode().path == on_path and find_renode().version == (1, 16, 2)
    root = renode(tmp_path / "root", "1.17.0")
    monkeypatch.setenv("RENODE_ROOT", str(root.parent))
    assert find_renode().path == root
    own = renode(tmp_path / "own", "1.18.0")
    for place in (own.parent, own, own.with_name("renode-test")):
        monkeypatch.setenv("TINYC_RENODE", str(place))
        found = find_renode()
        assert found.path == own and found.test == own.with_name("renode-test")
        assert found.problem == ""


def test_the_test_runner_on_path_leads_to_renode_beside_it(path: Path, tmp_path: Path) -> None:
    real = renode(tmp_path / "portable", "1.16.1")
    (path / "renode-test").symlink_to(real.with_name("renode-test"))
    assert find_renode().path == real


def test_a_variable_that_names_no_renode(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renode(path, "1.16.1")
    monkeypatch.setenv("TINYC_RENODE", str(tmp_path / "absent"))
    assert find_renode() is None
    found = entry("renode")
    assert found["version"] is None and "TINYC_RENODE names no program" in found["problem"]
    assert "TINYC_RENODE" in found["remedy"]


@pytest.mark.parametrize("version", ["1.16.0", "1.15.3.7219", "1.9.0", "0.99"])
def test_an_old_renode_is_named_as_such(path: Path, version: str) -> None:
    renode(path, version)
    found = entry("renode")
    assert version in found["version"] and str(path / "renode") in found["version"]
    assert found["problem"] == "too old: at least 1.16.1 is needed"
    assert "releases" in found["remedy"]
    assert entry("renode-test")["problem"] == found["problem"]


@pytest.mark.parametrize("version", ["1.16.1", "1.16.1.100", "1.20.0", "2.0"])
def test_a_new_renode_is_fine(path: Path, version: str) -> None:
    renode(path, version)
    assert entry("renode")["problem"] is None and entry("renode")["remedy"] == ""
    assert entry("renode-test")["version"] == str(path / "renode-test")


# The command -------------------------------------------------------------------------------


def test_the_command_ends_well_whatever_is_there(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(path / "openocd", "echo no >&2; exit 3")
    renode(path, "1.15.0")
    assert cli.execute(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    there, remedy = (x for x in lines if x.strip().startswith("openocd"))
    assert "ended with status 3: no" in there and "apt-get install openocd" in remedy
    there, remedy = (x for x in lines if x.strip().startswith("picotool"))
    assert "missing" in there and "brew install picotool" in remedy
    assert sum("used for" in x for x in lines) == 4
    assert cli.execute(["doctor", "--json"]) == 0
    tools = json.loads(capsys.readouterr().out)["tools"]
    assert all(tool.keys() == KEYS for tool in tools)
    assert "too old" in next(t for t in tools if t["tool"] == "renode")["problem"]
