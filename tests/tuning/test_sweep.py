"""``tinyc bench``: models on boards under settings, in one table, held against an earlier one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, write_tiny

from tinyc import report, sweep
from tinyc.cli.app import execute
from tinyc.run import cluster as clusters
from tinyc.settings import Config
from tinyc.target.toolchain import find_toolchain

BOARDS = "stm32,microbit"
BUDGETS = ROOT / "tests" / "budgets.json"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.tflite")
    return tmp_path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*args: str) -> tuple[int, str, str]:
        code = execute(["bench", *args])
        return code, *capsys.readouterr()

    return run


@pytest.mark.slow
def test_a_row_is_what_build_and_test_say(here: Path, told: Any, capsys: Any) -> None:
    code, out, _ = told("tiny.tflite", "-b", BOARDS, "--json")
    rows = json.loads(out)["rows"]
    assert code == 0 and [row["board"] for row in rows] == ["stm32f4_discovery", "microbit"]
    for row in rows:
        options = ["tiny.tflite", "-b", row["board"], "--json"]
        assert execute(["build", *options]) == 0
        built = json.loads(capsys.readouterr().out)
        assert execute(["test", *options]) == 0
        tested = json.loads(capsys.readouterr().out)
        for key in ("core", "flash_bytes", "ram_bytes", "arena_bytes", "stack_bytes"):
            assert row[key] == built[key], key
        assert row["compiler"] == built["toolchain"]
        for key in ("cycles", "instructions", "cycles_source", "emulator"):
            assert row[key] == tested[key], key
        macs = sum(layer["macs"] for layer in built["layers"])
        assert row["macs"] == macs and row["cycles_per_mac"] == round(row["cycles"] / macs, 3)
        assert row["build_seconds"] > 0


@pytest.mark.slow
def test_what_fails_is_a_row(here: Path, told: Any) -> None:
    (here / "broken.tflite").write_bytes(b"no model")
    models = ("broken.tflite", "tiny.tflite")
    code, out, err = told(*models, "-b", "stm32")
    assert code == 3 and err.splitlines()[-1].startswith("E301 broken.tflite: ")
    assert "E301" in out and "tiny.tflite" in out
    code, out, err = told(*models, "-b", "stm32", "--keep-going", "--json", "--no-times")
    broken, tiny = json.loads(out)["rows"]
    assert code == 0 and broken["error"]["id"] == "E301" and broken["cycles"] is None
    assert "error" not in tiny and "build_seconds" not in tiny
    # What failed so before is no news; what does not any more is none either.
    (here / "before.json").write_text(out)
    assert told("broken.tflite", "-b", "stm32", "--against", "before.json")[0] == 0


@pytest.mark.slow
def test_a_worse_number_is_named(here: Path, told: Any) -> None:
    code, out, _ = told("tiny.tflite", "-b", BOARDS, "--json", "--jobs", "1")
    before = json.loads(out)
    fast, slow = before["rows"]
    fast["cycles"] -= 10
    slow["flash_bytes"] += 4
    Path("before.json").write_text(json.dumps(before))
    args = ("tiny.tflite", "-b", BOARDS, "--against", "before.json")
    code, out, err = told(*args)
    assert code == 6 and "cycles +" in out and "flash -" in out
    (line,) = (line for line in err.splitlines() if line.startswith("E605"))
    for word in ("before.json: ", "tiny.tflite on stm32f4_discovery (", "cycles, 10 (+", "; find"):
        assert word in line
    assert told(*args, "--tolerance", "50")[0] == 0
    code, out, _ = told(*args, "--json")
    verdicts = json.loads(out)["verdicts"]
    assert code == 6 and [v["passed"] for v in verdicts].count(False) == 1 and len(verdicts) == 8


ROW = dict.fromkeys(("cycles", "instructions", "ram_bytes", "flash_bytes"), 1000) | {
    "model": "m.tflite", "board": "b", "optimize": "speed", "backend": "tvm", "toolchain": "gcc",
    "compiler": "gcc 12", "sha256": "1", "emulator": "unicorn", "cycles_source": None,
}  # fmt: skip


def test_limits_of_a_comparison() -> None:
    def failed(row: dict[str, Any], tolerance: float = 0) -> list[str]:
        found = report.bench_verdicts([row], False, "f.json", [ROW], tolerance)
        return [v.error.what for v in found if v.error is not None]

    assert failed(ROW) == failed(ROW | {"cycles": 1}) == failed(ROW | {"cycles": None}) == []
    assert len(failed(ROW | {"cycles": 1001, "ram_bytes": 1001})) == 2
    assert failed(ROW | {"cycles": 1050}, 5) == [] != failed(ROW | {"cycles": 1051}, 5)
    assert failed(ROW | {"board": "c", "cycles": 2000}) == []
    changed = ROW | {"sha256": "2", "compiler": "gcc 13"}
    notes = report.bench_notes([changed, ROW | {"board": "c"}], [ROW])
    assert len(notes) == 3 and "another file: m.tflite on b" in notes[0] and "1 of 2" in notes[2]
    # An error that is another than before is one.
    error = {"id": "E401", "place": "m", "what": "no", "hint": ""}
    for known, count in (([ROW], 1), ([ROW | {"error": error}], 0), ([], 1)):
        verdicts = report.bench_verdicts([ROW | {"error": error, "cycles": None}], known=known)
        assert sum(v.error is not None for v in verdicts) == count


def test_columns_are_what_differs() -> None:
    rows = [ROW, ROW | {"optimize": "flash"}]
    heading, table = report.bench_table(rows)
    assert heading[:3] == ["model", "board", "optimize"] and "error" not in heading
    assert [line[2] for line in table] == ["speed", "flash"]
    assert ("backend", "tvm") in report.bench_sources(rows)
    lines = report.markdown_table(["a|b"], [["c|d"]])
    assert lines[1:] == ["| --- |", "| c\\|d |"]


def test_models_of_one_name_keep_their_paths() -> None:
    assert sweep.names(["a/m.tflite", "b/m.tflite", "a/n.onnx", "a/n.onnx"]) == {
        "a/m.tflite": "a/m.tflite", "b/m.tflite": "b/m.tflite", "a/n.onnx": "n.onnx"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("args", "code", "id"),
    [
        ([], 2, "E201"),
        (["tiny.tflite", "-b", "nope"], 2, "E204"),
        (["tiny.tflite", "--optimize", "speed,size"], 2, "E209 --optimize"),
        (["tiny.tflite", "--backend", "llvm"], 2, "E209 --backend"),
        (["tiny.tflite", "--against", "missing.json"], 2, "E202"),
        (["tiny.tflite", "--against", "tiny.tflite"], 2, "E253"),
        (["tiny.tflite", "--against", "."], 2, "E245"),
        (["tiny.tflite", "--tolerance", "-1"], 2, "E200"),
        (["--kernels", "i16"], 2, "E201 --kernels"),
    ],
)
def test_what_cannot_be_measured(
    args: list[str], code: int, id: str, here: Path, told: Any
) -> None:
    found, _, err = told(*args)
    assert found == code and err.startswith(id), err


def test_a_missing_dask(here: Path, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = told("tiny.tflite", "-b", "stm32", "--scheduler", "tcp://127.0.0.1:1")
    assert code == 7 and "pip install 'tinyc[dask]'" in err


@pytest.fixture
def cluster() -> Iterator[str]:
    distributed = pytest.importorskip("distributed", reason="pip install 'tinyc[dask]'")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=False, protocol="tcp", **options) as local:
        yield local.scheduler_address


@pytest.mark.slow
def test_a_cluster_measures_the_same(here: Path, told: Any, cluster: str) -> None:
    args = ("tiny.tflite", "missing.tflite", "-b", "stm32", "-k", "--json", "--no-times")
    alone, spread = told(*args), told(*args, "--scheduler", cluster)
    assert alone[0] == spread[0] == 0
    ours, theirs = (json.loads(out)["rows"] for _, out, _ in (alone, spread))
    assert ours[0] == theirs[0] and ours[1]["error"]["id"] == theirs[1]["error"]["id"]


def test_no_scheduler(here: Path, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="pip install 'tinyc[dask]'")
    monkeypatch.setattr(clusters, "WAIT_S", 0.2)
    code, _, err = told("tiny.tflite", "-b", "stm32", "--scheduler", "tcp://127.0.0.1:9")
    assert code == 8 and "E814 tcp://127.0.0.1:9: no scheduler answers" in err
    assert told("tiny.tflite", "-b", "stm32", "--scheduler", "anywhere")[0] == 2


# What the models of the project cost ---------------------------------------------------------

KNOWN: list[dict[str, Any]] = json.loads(BUDGETS.read_text())["rows"]


def model_of(row: dict[str, Any], request: pytest.FixtureRequest) -> Path:
    recipe = ROOT / "recipes" / row["model"]
    if recipe.is_file():
        return recipe
    data: Path = request.getfixturevalue("data_folder")
    return data / "mlperf-tiny" / row["model"]


@pytest.mark.slow
@pytest.mark.parametrize("row", KNOWN, ids=lambda row: f"{row['model']}-{row['board']}")
def test_the_budgets_are_kept(row: dict[str, Any], request: pytest.FixtureRequest) -> None:
    """To the cycle and to the byte: `make budgets` writes them anew."""
    model, compiler = model_of(row, request), find_toolchain(None).title
    if row["compiler"] not in (None, compiler):
        pytest.skip(f"the budgets are of {row['compiler']}, this is {compiler}")
    cell = Config(model=str(model), board=row["board"], float_glue=True)
    found = sweep.measure(cell, row["model"])
    found.pop("build_seconds", None)
    assert found == row


def test_the_makefile_writes_the_budgets() -> None:
    text = (ROOT / "Makefile").read_text()
    for row in KNOWN:
        assert row["model"].removesuffix(".tflite") in text and row["board"] in text
