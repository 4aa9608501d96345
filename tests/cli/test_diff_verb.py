"""`tinyc diff` from the command line: builds, their reports and models, in any pair."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tinyc.cli import app as cli


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def execute(*args: object) -> tuple[int, str, str]:
        code = cli.execute([str(a) for a in args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return execute


@pytest.mark.slow
def test_a_build_against_its_report_and_its_model(run, tiny_model: Path) -> None:
    code, _, err = run("profile", tiny_model, "--board", "microbit")
    assert code == 0, err
    folder = Path("build/microbit/tiny")
    known = json.loads((folder / "report" / "report.json").read_text())
    # What a model of the same bytes comes to is what its build did, on the build's board; data
    # with labels say how right it is.
    rng = np.random.default_rng(0)
    np.savez("d.npz", x=rng.integers(-128, 128, (4, 4, 4, 2), np.int8), y=[0, 1, 2, 0])
    more = ("--data", "d.npz", "--fail-over", "0%", "--json")
    code, out, err = run("diff", "build", tiny_model, *more)
    assert code == 0, err
    told = json.loads(out)
    assert {layer["state"] for layer in told["layers"]} == {"same"} and not told["notes"]
    assert told["after"]["board"] == "microbit" and told["after"]["name"] == str(tiny_model)
    assert [v["name"] for v in told["verdicts"]] == ["flash", "RAM", "cycles"]
    totals = {total["name"]: total for total in told["totals"]}
    assert totals["cycles"]["change"] == 0 and totals["mismatches"]["after"] == 0
    assert totals["accuracy"]["before"] is None and 0 <= totals["accuracy"]["after"] <= 1
    assert told["layers"][0]["after"]["shape"] == [1, 4, 4, 4]
    # A commit on which a layer is slower.
    first = known["profile"]["layers"][0]
    known["profile"]["cycles"] += first["cycles"]
    first["cycles"] *= 2
    Path("head.json").write_text(json.dumps(known))
    limit = ("--fail-over", "2%", "--fail-over", "RAM=16,cycles=10%")
    code, out, err = run("diff", folder / "report", "head.json", *limit)
    assert code == 6 and f"+{first['cycles'] // 2:,}" in out and "FAIL  cycles: +" in err
    (line,) = (line for line in err.splitlines() if line.startswith("E"))
    assert line.startswith("E606 tiny on microbit: the cycles grew from ")
    code, out, _ = run("diff", "build/microbit", "head.json", *limit, "--json")
    assert code == 6 and [v["passed"] for v in json.loads(out)["verdicts"]] == [True, True, False]
    code, out, _ = run("diff", folder, "head.json", "--markdown")
    assert code == 0 and out.startswith("<!-- tinyc diff: tiny on microbit -->\n### tinyc: tiny")


def test_what_is_no_build(run) -> None:
    report = {"schema_version": 1, "build": {"flash_bytes": "many"}}
    Path("wrong.json").write_text(json.dumps(report))
    Path("empty").mkdir()
    for name in ("a", "b"):
        place = Path("build/stm32", name, "report")
        place.mkdir(parents=True)
        shutil.copy("wrong.json", place / "report.json")
    for arguments, id, words in (
        (("nope", "nope"), "E202", "there is no such file or folder"),
        (("wrong.json", "wrong.json"), "E256", "at build.model: Field required"),
        (("empty", "empty", "-b", "stm32"), "E256", "no folder of a build, nor of a model"),
        (("build", "build"), "E201", "2 builds; name one: build/stm32/a, build/stm32/b"),
        (("a", "b", "--fail-over", "2"), "E209", "'2' is no limit"),
        (("a", "b", "--fail-over", "accuracy=2K"), "E209", "'accuracy=2K' is no limit"),
        (("a", "b", "--fail-over", "=2%"), "E201", "there is no total ''"),
        (("a", "b", "--fail-over", "size=2%"), "E201", "name one of flash, ram, arena"),
    ):
        code, out, err = run("diff", *arguments, "--json")
        error = json.loads(out)["error"]
        assert (code, error["id"]) == (int(id[1]), id) and words in err.splitlines()[-1], err
