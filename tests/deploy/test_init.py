"""`tinyc init`: what it writes, that it works as it stands, and that nothing is half-written."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, write_tiny
from release import machine
from tflite_writer import TensorSpec, write_model

from tinyc import __version__, config
from tinyc.cli import app as cli
from tinyc.deploy import init
from tinyc.errors import CompileError
from tinyc.files.folder import MARK, digest, mark_of, replacing
from tinyc.target.boards import all_boards

FILES = {
    ".github/workflows/firmware.yml", ".gitignore", ".tinyc", "model.tflite", "samples.npz",
    "tests/test_firmware.py", "tinyc.toml",
}  # fmt: skip
WORKFLOW = ".github/workflows/firmware.yml"


def contents(folder: Path) -> dict[str, bytes]:
    """Path -> bytes of every file, and an empty entry for every folder."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b""
        for p in folder.rglob("*")
    }


def written(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder of `tinyc init`, and the current one."""
    place = tmp_path / "firmware"
    init.create(place, "stm32")
    monkeypatch.chdir(place)
    return place


# What is written ---------------------------------------------------------------------------


def test_the_files(folder: Path) -> None:
    assert written(folder) == FILES
    assert (folder / "model.tflite").read_bytes() == (
        ROOT / "recipes" / "digits-int8.tflite"
    ).read_bytes()
    for file in FILES - {"model.tflite", "samples.npz"}:
        text = (folder / file).read_text()
        assert (
            text.endswith("\n")
            and not text.endswith("\n\n")
            and "{{" not in text.replace("${{", "")
        )
    assert init.files("stm32") == init.files("stm32")


def test_every_setting_is_there_and_explained(folder: Path) -> None:
    text = (folder / "tinyc.toml").read_text()
    live = tomllib.loads(text)
    assert config.load({}).model == "model.tflite"
    assert live["board"] == "stm32" and live["expect"]["max_flash"] == init.MAX_FLASH
    lines = text.splitlines()
    # A commented key is a line like `# key = value`; with all of them the file still loads.
    keys = {
        i: line.removeprefix("# ").partition(" = ")[0]
        for i, line in enumerate(lines)
        if line.removeprefix("# ").partition(" = ")[0].isidentifier() and " = " in line
    }
    tables = {"expect": config.Expect, "placement": config.Place}
    top = {field.name for field in fields(config.Config)}
    every = {*top, *(field.name for table in tables.values() for field in fields(table))}
    every -= set(tables)
    assert sorted(keys.values()) == sorted(every)
    for i in keys:
        above = lines[i - 1]
        assert above.startswith("# ") or (i - 1) in keys, f"{lines[i]} is not explained"
    for i in keys:
        lines[i] = lines[i].removeprefix("# ")
    lines = [x.removeprefix("# ") if x.removeprefix("# ")[0:1] == "[" else x for x in lines]
    (folder / "tinyc.toml").write_text("\n".join(lines))
    for place in ("boards", "recipes", "kernels"):
        (folder / place).mkdir()
    (folder / "kernels" / "mine.py").touch()
    loaded = config.load({})
    for name in every & top:
        assert getattr(loaded, name) is not None, name
    assert loaded.placement == config.Place(arena="RAM", weights=("FLASH",))


@pytest.mark.slow
def test_the_samples_are_digits_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location(
        "samples", ROOT / "examples" / "digits" / "samples.py"
    )
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    fresh = made.samples()
    with np.load(made.FILE) as kept:
        assert set(kept.files) == set(fresh) == {"x", "y"}
        for name, array in fresh.items():
            assert kept[name].dtype == array.dtype and np.array_equal(kept[name], array)
        assert kept["x"].shape == (100, 8, 8, 1) and set(kept["y"].tolist()) == set(range(10))


def test_a_wheel_has_what_it_copies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for kind, name in init._COPIES.values():
        assert included[kind] == f"tinyc/_data/{kind}" and (ROOT / kind / name).is_file()
    assert included["templates"] == "tinyc/_data/templates"


# The workflow ------------------------------------------------------------------------------


def test_the_workflow_keeps_to_githubs_schema(folder: Path) -> None:
    pytest.importorskip("check_jsonschema")

    def check(file: str) -> subprocess.CompletedProcess[str]:
        schema = ("--builtin-schema", "vendor.github-workflows")
        return subprocess.run(
            [sys.executable, "-m", "check_jsonschema", *schema, file],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = check(WORKFLOW)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (folder / WORKFLOW).read_text()
    (folder / "bad.yml").write_text(text.replace("runs-on:", "run-on:"))
    assert check("bad.yml").returncode != 0


def workflow(folder: Path) -> dict:
    """The workflow's one job."""
    yaml = pytest.importorskip("ruamel.yaml")
    table = yaml.YAML(typ="safe").load((folder / WORKFLOW).read_text())
    (job,) = table["jobs"].values()
    return job


def test_the_workflows_actions_are_pinned(folder: Path) -> None:
    uses = [step["uses"] for step in workflow(folder)["steps"] if "uses" in step]
    assert [u.partition("@")[0] for u in uses] == [
        "actions/checkout", "actions/setup-python", "actions/upload-artifact",
        "mikepenz/action-junit-report", "actions/checkout",
    ]  # fmt: skip
    assert all(u.partition("@")[2].removeprefix("v").isdigit() for u in uses)


_GH = """\
#!{python}
import json, os, subprocess, sys
known = open("comments.json").read()
given = sys.argv[1:]
with open("asked.txt", "a") as log:
    print(*given, file=log)
if "--jq" in given:
    done = subprocess.run(["jq", "-r", given[-1]], input=known, text=True, check=True)
"""


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_a_pull_request_has_one_comment_for_each_build(folder: Path) -> None:
    """By a `gh` that has comments.json, and keeps what it is asked."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "gh").write_text(_GH.replace("{python}", sys.executable))
    (tools / "gh").chmod(0o755)
    (folder / "diff.md").write_text("<!-- tinyc diff: m on stm32 -->\n### tinyc: m on stm32\n")
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "GITHUB_REPOSITORY": "o/r", "NUMBER": "7"}

    def asked(*comments: tuple[str, str]) -> str:
        told = [{"id": i, "user": {"login": u}, "body": b} for i, (u, b) in enumerate(comments)]
        (folder / "comments.json").write_text(json.dumps(told))
        run_steps(folder, env, "gh api", request=True)
        first, last = (folder / "asked.txt").read_text().splitlines()
        (folder / "asked.txt").unlink()
        assert first.startswith("api --paginate repos/o/r/issues/7/comments --jq ")
        return last

    new = "api --method POST repos/o/r/issues/7/comments --field body=@diff.md"
    bot, mark = "github-actions[bot]", "<!-- tinyc diff: m on stm32 -->\nold"
    assert asked() == new
    assert asked((bot, mark.replace("m on", "other on")), ("mallory", mark)) == new
    assert asked((bot, "hello"), ("mallory", mark), (bot, mark), (bot, mark)) == (
        "api --method PATCH repos/o/r/issues/comments/2 --field body=@diff.md"
    )


@pytest.fixture
def runner(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine where pip has tinyc's requirements at hand, but no tinyc, no
    TensorFlow and no network."""
    return machine(tmp_path)


def run_steps(
    folder: Path, env: dict[str, str], only: str = "", code: int = 0, request: bool = False
) -> list[str]:
    """Run the shell steps of the workflow as they stand, as GitHub does; what they said. only:
    those with this in their lines; code: that each of them ends with; request: those of a pull
    request alone, else the others."""
    said = []
    for step in workflow(folder)["steps"]:
        line = step.get("run")
        if line is None or only not in line or ("pull_request" in step.get("if", "")) != request:
            continue
        # An expression of the repository's variables is empty where there are none.
        given = {k: v for k, v in step.get("env", {}).items() if "${{" not in v}
        assert set(step.get("env", {})) <= {"TINYC_REQUIREMENT", "GH_TOKEN", "NUMBER"}
        done = subprocess.run(
            ["bash", "-e", "-c", line], cwd=folder / step.get("working-directory", ""),
            env=env | given, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{line}: {done.stdout}{done.stderr}"
        said.append(done.stdout + done.stderr)
    return said


@pytest.mark.slow
def test_the_workflow_runs_as_it_stands(
    folder: Path, wheel: Path, runner: dict[str, str], tmp_path: Path
) -> None:
    # Without a wheel it asks for the version that wrote it.
    (said,) = run_steps(folder, runner, "pip install", 1)
    assert "No matching distribution" in said and f"tinyc=={__version__}" in said
    shutil.copy(wheel, folder)
    said = run_steps(folder, runner)
    assert len(said) == 5
    assert f"Successfully installed tinyc-{__version__}" in said[0]
    steps = workflow(folder)["steps"]
    (report,) = (s["with"]["report_paths"] for s in steps if "junit" in s.get("uses", ""))
    (kept,) = (s["with"]["path"] for s in steps if "upload" in s.get("uses", ""))
    files = sorted(folder.glob(report))
    assert len(files) == 2 and all(f.is_relative_to(folder / kept) for f in files)
    cases = [case.get("name") for f in files for case in ET.parse(f).getroot().iter("testcase")]
    assert {"bit_exact", "accuracy", "flash", "ram", "test_it_reads_digits"} <= set(cases)
    wrong = [
        e for f in files for e in ET.parse(f).getroot().iter() if e.tag in ("failure", "error")
    ]
    assert not wrong
    # A pull request whose base is the same says so.
    shutil.copytree(folder, folder / ".base", ignore=shutil.ignore_patterns("build", "*.whl"))
    summary = tmp_path / "summary.md"
    runner |= {"GITHUB_STEP_SUMMARY": str(summary)}
    assert len(run_steps(folder, runner, "tinyc ", request=True)) == 2
    text = (folder / "diff.md").read_text()
    assert text == summary.read_text() and text.startswith("<!-- tinyc diff: model on stm32f4_")
    assert "| accuracy | " in text and "layers are the same." in text
    # What the repository's variable says comes first.
    runner["TINYC_REQUIREMENT"] = "tinyc==99"
    (said,) = run_steps(folder, runner, "pip install", 1)
    assert "tinyc==99" in said
    (folder / wheel.name).rename(tmp_path / wheel.name)
    subprocess.run(["pip", "uninstall", "--yes", "tinyc"], env=runner, check=True)
    runner["TINYC_REQUIREMENT"] = str(tmp_path / wheel.name)
    (said,) = run_steps(folder, runner, "pip install")
    assert f"Processing {tmp_path / wheel.name}" in said


@pytest.mark.slow
def test_the_files_for_release(wheel: Path) -> None:
    for package in ("twine", "check_wheel_contents"):
        pytest.importorskip(package, reason=f"{package} is not installed: make setup")
    out = wheel.parent
    for command in (["twine", "check", "--strict"], ["check_wheel_contents"]):
        files = [wheel, *out.glob("*.tar.gz")] if "twine" in command else [wheel]
        done = subprocess.run(
            [sys.executable, "-m", *command, *map(str, files)], capture_output=True, text=True,
            check=False, cwd=out,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    for kind in ("templates", "boards", "recipes", "firmware"):
        here = {p for p in (ROOT / kind).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
        assert {f"tinyc/_data/{p.relative_to(ROOT)}" for p in here} <= names


# It works as it stands ---------------------------------------------------------------------


@pytest.mark.slow
def test_build_and_test_work_as_they_stand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["build", "--board", "stm32", "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flash_bytes"] <= init.MAX_FLASH
    assert cli.execute(["test", "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["samples"] == 100 and report["mismatches"] == 0
    assert report["accuracy"] == report["reference_accuracy"] >= 0.95
    for check in ("bit_exact", "accuracy", "flash", "ram"):
        assert f"pass  {check}" in captured.err


@pytest.mark.slow
@pytest.mark.parametrize("board", [board.name for board in all_boards()])
def test_the_sample_fits_every_board(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["init", str(tmp_path), "--board", board, "-q"]) == 0
    monkeypatch.chdir(tmp_path)
    assert cli.execute(["build", "--json", "-q"]) == 0, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)["board"] == board


# A model of the user's ---------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


OWN_FILES = {
    ".github/workflows/firmware.yml", ".gitignore", ".tinyc", "tests/test_firmware.py",
    "tinyc.toml",
}  # fmt: skip


def test_a_model_of_ones_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_tiny(here / "my net.tflite")
    assert cli.execute(["init", "new", "--model", "my net.tflite", "--board", "microbit"]) == 0
    assert written(here / "new") == {*OWN_FILES, "my net.tflite"}
    assert (here / "new" / "my net.tflite").read_bytes() == model.read_bytes()
    settings = tomllib.loads((here / "new" / "tinyc.toml").read_text())
    assert settings["model"] == "my net.tflite" and settings["board"] == "microbit"
    assert "data" not in settings and "min_accuracy" not in settings["expect"]
    os.chdir("new")
    capsys.readouterr()
    assert cli.execute(["build", "--json", "-q"]) == 0
    report = json.loads(capsys.readouterr().out)
    for budget, taken in (("max_flash", "flash_bytes"), ("max_ram", "ram_bytes")):
        room = settings["expect"][budget] - report[taken]
        assert report[taken] // 4 + 2048 <= room < report[taken] // 4 + 2048 + 1025
        assert settings["expect"][budget] % 1024 == 0
    assert cli.execute(["test", "-q"]) == 0
    # In place: it is named where it lies.
    capsys.readouterr()
    assert cli.execute(["init", "--model", "my net.tflite", "--force", "--board", "microbit"]) == 0
    assert tomllib.loads(Path("tinyc.toml").read_text()) == settings


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_tests_of_ones_own_model_pass(here: Path, dtype: str) -> None:
    from test_pytest_plugin import PLUGIN

    write_tiny(here / "m.tflite")
    if dtype == "float32":
        weights = np.random.default_rng(4).normal(0, 1, (4, 6))
        tensors = [
            TensorSpec("input", (1, 6), "float32"),
            TensorSpec("weights", (4, 6), "float32", data=weights),
            TensorSpec("dense", (1, 4), "float32"),
            TensorSpec("scores", (1, 4), "float32"),
        ]
        operators = [("FULLY_CONNECTED", {}, [0, 1, -1], [2]), ("SOFTMAX", {"beta": 1.0}, [2], [3])]
        write_model(here / "m.tflite", operators, tensors, inputs=[0], outputs=[2, 3])
    assert cli.execute(["init", "new", "--model", "m.tflite", "-q"]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGIN, "-q"], cwd=here / "new", capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_model_in_its_place(here: Path) -> None:
    (here / "models").mkdir()
    model = write_tiny(here / "models" / "model.tflite")
    before = model.read_bytes()
    assert cli.execute(["init", "--model", "models/model.tflite", "-q"]) == 0
    assert written(here) == {*OWN_FILES, "models/model.tflite"}
    assert config.load({}).model == "models/model.tflite" and model.read_bytes() == before


@pytest.mark.parametrize("floats", [False, True])
def test_tests_of_ones_own_model(here: Path, floats: bool) -> None:
    outputs = 2 if floats else 1
    own = init.Own("m.tflite", None, 8192, 4096, floats, outputs, "[keras]" if floats else "")
    files = init.files("stm32", own)
    text = files["tests/test_firmware.py"].decode()
    compile(text, "test_firmware.py", "exec")
    assert ("assert_allclose(one, other," in text) == floats
    assert "flash_bytes <= 8 * 1024" in text and "ram_bytes <= 4 * 1024" in text
    install = files[WORKFLOW].decode()
    assert (f"tinyc[keras]=={__version__}" in install) == floats
    assert ("${wheel:+$wheel[keras]}" in install) == floats


@pytest.mark.parametrize(
    ("model", "code", "told"),
    [
        ("missing.tflite", 2, "E202 "), ("bad.tflite", 3, "E301 "),
        ("new/tinyc.toml", 2, "E202 "),
    ],
)  # fmt: skip
def test_a_model_that_does_not_do(
    here: Path, model: str, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "bad.tflite").write_bytes(b"mine")
    assert cli.execute(["init", "new", "--model", model, "-q"]) == code
    error = capsys.readouterr().err
    assert error.startswith(told) and error.count("\n") == 1
    assert written(here) == {"bad.tflite"}


def test_another_model_of_that_name_is_there(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny(here / "m.tflite")
    (here / "new").mkdir()
    (here / "new" / "m.tflite").write_bytes(b"mine")
    for more in ([], ["--force"]):
        assert cli.execute(["init", "new", "--model", "m.tflite", "-q", *more]) == 2
        assert "already has m.tflite, not as" in capsys.readouterr().err
        assert written(here / "new") == {"m.tflite"}


# Nothing is half-written -------------------------------------------------------------------


def test_the_command_names_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.execute(["init", "deep/below"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(f"wrote deep/below/{file}\n" in captured.err for file in FILES - {MARK})
    assert captured.err.endswith("next: cd deep/below && tinyc build && tinyc test\n")
    assert written(tmp_path / "deep" / "below") == FILES
    assert cli.execute(["init", "other", "--board", "nope"]) == 2
    assert capsys.readouterr().err.startswith("E204 board 'nope'")
    assert not (tmp_path / "other").exists()


def test_settings_that_are_there_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tinyc.toml").write_text("# mine\n")
    before = contents(tmp_path)
    assert cli.execute(["init", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"E233 {tmp_path}: already has tinyc.toml, not as `tinyc init` wrote")
    assert "--force" not in error
    assert error.count("\n") == 1 and contents(tmp_path) == before
    assert cli.execute(["init", str(tmp_path), "--force"]) == 2
    assert contents(tmp_path) == before


def test_force_writes_anew_what_nobody_changed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    assert cli.execute(["init"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"E233 {folder}: already has tinyc.toml; ") and "--force" in error
    assert cli.execute(["init", "--force", "--board", "microbit", "-q"]) == 0
    assert 'board = "microbit"' in (folder / "tinyc.toml").read_text()
    assert cli.execute(["init", "--force", "-q"]) == 0
    assert contents(folder) == before
    for file in sorted(FILES - {".gitignore"}):
        kept = (folder / file).read_bytes()
        (folder / file).write_bytes(b"mine")
        capsys.readouterr()
        assert cli.execute(["init", "--force"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("E233 ") and file in error and error.count("\n") == 1
        assert (folder / file).read_bytes() == b"mine"
        (folder / file).write_bytes(kept)
    # Made before there was a mark: the same bytes are tinyc's.
    (folder / MARK).unlink()
    assert cli.execute(["init", "--force", "-q"]) == 0
    assert {**contents(folder), MARK: before[MARK]} == before


def test_a_model_of_the_users_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.tflite").write_bytes(b"mine")
    (tmp_path / "aside").symlink_to("model.tflite")
    before = contents(tmp_path)
    for force in ([], ["--force"]):
        assert cli.execute(["init", str(tmp_path), *force]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"E233 {tmp_path}: already has model.tflite, ")
        assert error.endswith("; `tinyc init --model model.tflite` starts from it\n")
    assert contents(tmp_path) == before


def test_a_link_and_a_build_are_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_bytes(init.files("stm32")["model.tflite"])
    (tmp_path / "model.tflite").symlink_to("mine")
    assert cli.execute(["init", str(tmp_path), "--force"]) == 2
    with replacing(tmp_path / "built", "build") as work:
        (work / "a").write_text("")
    before = contents(tmp_path)
    assert cli.execute(["init", str(tmp_path / "built"), "--force"]) == 2
    assert "already has .tinyc, not as" in capsys.readouterr().err
    assert contents(tmp_path) == before
    # Nor does a build replace a folder to start from.
    init.create(tmp_path / "start", "stm32")
    with (
        pytest.raises(CompileError, match=r"E235 .*is what `tinyc init` wrote"),
        replacing(tmp_path / "start", "build"),
    ):
        pass


@pytest.mark.parametrize("force", [False, True])
def test_what_it_does_not_write_stays(tmp_path: Path, force: bool) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").write_text("")
    assert ".gitignore" not in init.create(tmp_path, "stm32", force)
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    assert written(tmp_path) == {*FILES, "tests/test_mine.py"}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("fails_at", range(11))
def test_a_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, error: BaseException
) -> None:
    old, fresh = tmp_path / "old", tmp_path / "fresh" / "below"
    (old / "tests").mkdir(parents=True)
    for file in ("tinyc.toml", "samples.npz", "tests/test_firmware.py"):
        (old / file).write_text("mine\n")
    # As an earlier call left them, with a mark of what it wrote.
    mine = {"tinyc.toml", "samples.npz", "tests/test_firmware.py"}
    (old / MARK).write_bytes(mark_of("init", dict.fromkeys(mine, digest(b"mine\n"))))
    before = contents(tmp_path)
    replace = os.replace
    for folder, moves in ((old, 11), (fresh, 7)):
        count = 0

        def limited(source: Path, target: Path) -> None:
            nonlocal count
            count += 1
            if count == fails_at + 1:
                raise error
            replace(source, target)

        monkeypatch.setattr(init.os, "replace", limited)
        if fails_at < moves:
            with pytest.raises((CompileError, KeyboardInterrupt)) as caught:
                init.create(folder, "stm32", force=True)
            if isinstance(error, OSError):
                assert isinstance(caught.value, CompileError) and caught.value.id == "E801"
            assert contents(tmp_path) == before
        monkeypatch.setattr(init.os, "replace", replace)


def test_a_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert cli.execute(["init", str(tmp_path / "file" / "below")]) == 8
    assert capsys.readouterr().err.startswith(f"E806 {tmp_path}/file/below: a part of the path is")
    assert contents(tmp_path) == {"file": b"mine"}
