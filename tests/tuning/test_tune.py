"""``tinyc tune`` and ``tinyc.lock``: what is measured and chosen, and that builds repeat it."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import schema_of, write_tiny

from tinyc.cli.app import execute
from tinyc.errors import CompileError
from tinyc.passes import optimize
from tinyc.pipeline import CompileOptions, compile_model, read_model
from tinyc.plan import Choice, choices, plan
from tinyc.target.boards import load_board
from tinyc.tuning import database, layers, lock, tune
from tinyc.tuning.database import Record
from tinyc.tuning.layers import Task
from tinyc.tuning.search import Cost

BOARD = "stm32f4_discovery"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.tflite")
    return tmp_path


def task(**changes: Any) -> Task:
    graph = optimize(read_model("tiny.tflite")[0])
    return replace(Task(graph, load_board(BOARD)), **changes)


# The choice ----------------------------------------------------------------------------------


def test_the_planner_takes_what_it_is_forced_to(here: Path) -> None:
    graph, core = task().graph, load_board(BOARD).core
    usual = plan(graph, core.title, core.features)
    for step in usual.steps:
        found = choices(step.node, core.features, "templates")
        assert Choice(step.kernel.name) in found and len(found) > 1
        for choice in found:
            made = plan(graph, core.title, core.features, forced={step.index: choice})
            assert made.steps[step.index].kernel.name == choice.kernel
            others = [s.kernel for s in made.steps if s.index != step.index]
            assert others == [s.kernel for s in usual.steps if s.index != step.index]
    with pytest.raises(CompileError, match=r"E306 .* has no kernel nope"):
        plan(graph, core.title, core.features, forced={0: Choice("nope")})
    small = load_board("microbit").core
    portable = choices(usual.steps[0].node, small.features, "templates")
    assert portable and not any("dsp" in choice.kernel for choice in portable)


@pytest.fixture
def simulated(here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Cost]:
    """Costs by kernel in the place of measured ones: the slower, the smaller. What they come to
    together is a little more than their sum."""
    costs: dict[str, Cost] = {}

    def alone(job: Any, task: Task) -> Record:
        rank = len(costs)
        mine = costs.setdefault(job.choice.kernel, Cost(1000 * (rank + 1), 900 - 100 * rank, 0))
        return replace(job.record, cycles=mine.cycles, flash=mine.flash)

    def whole(task: Task, ways: Any, one: Any) -> Any:
        records = [layer.ways[pick].record for layer, pick in zip(ways, one[1], strict=True)]
        sums = [sum(getattr(r, key) for r in records) for key in ("cycles", "flash")]
        point = Cost(sums[0] + 7, sums[1] + 5000, 2000)
        return tune.Point(one, point, tuple(r.cycles for r in records))

    monkeypatch.setattr(layers, "_alone", alone)
    monkeypatch.setattr(tune, "_whole", whole)
    for module in (layers, tune):
        monkeypatch.setattr(module, "each", lambda function, items: enumerate(map(function, items)))
    return costs


def test_the_goal_and_the_limits_choose(simulated: Any) -> None:
    fast = tune.tune(task(optimize="speed"), Path("d.jsonl"))
    small = tune.tune(task(optimize="flash"), Path("d.jsonl"))
    assert fast.best.cost == fast.points[0].cost and small.best.cost == small.points[-1].cost
    assert fast.best.cost.cycles < small.best.cost.cycles
    assert fast.best.cost.flash > small.best.cost.flash
    assert fast.usual is not None
    sizes = [p.cost.flash for p in fast.points]
    for limit in (*sizes, *(size - 1 for size in sizes if size > min(sizes))):
        found = tune.tune(task(optimize="speed", limits=(limit, 1e9)), Path("d.jsonl"))
        fitting = [p.cost.cycles for p in fast.points if p.cost.flash <= limit]
        assert found.best.cost.cycles == min(fitting) and found.best.cost.flash <= limit
    for limits, id in (((100, 1e9), "E602"), ((1e9, 100), "E603")):
        with pytest.raises(CompileError, match=f"{id} tiny on {BOARD}: no kernels keep"):
            tune.tune(task(limits=limits), Path("d.jsonl"))


def test_what_is_known_is_not_measured_again(simulated: Any) -> None:
    told: list[tuple[str, int]] = []

    def started(what: str, total: int) -> Any:
        told.append((what, total))
        return nullcontext(lambda: None)

    layers.measured(task(), Path("deep/d.jsonl"), started)
    lines = Path("deep/d.jsonl").read_text().splitlines(keepends=True)
    # A search that was killed in the middle of a line goes on behind the last whole one.
    Path("deep/d.jsonl").write_text("".join(lines[:-2]) + lines[-2][:20])
    layers.measured(task(), Path("deep/d.jsonl"), started)
    layers.measured(task(), Path("deep/d.jsonl"), started)
    assert [count for _, count in told] == [len(lines), 2, 0]
    # Of other C, or of another compiler, all is new.
    stale = [re.sub(r'"source": "\w+"', '"source": "0"', line) for line in lines]
    Path("d.jsonl").write_text("".join(stale))
    layers.measured(task(), Path("d.jsonl"), started)
    assert told[-1] == ("measuring", len(lines))


def test_the_best_schedules_are_of_the_latest_numbers() -> None:
    def record(cycles: int, **schedule: int) -> Record:
        return Record("w", "gcc", schedule, cycles)

    records = [record(10, tile=2), record(20, tile=4), record(30, tile=2), record(1)]
    assert database.best(records, "gcc") == {"w": {"tile": 4}}
    assert database.best(records, "clang") == {}


# The lock ------------------------------------------------------------------------------------


def entry(**changes: Any) -> dict[str, Any]:
    graph, core = task().graph, load_board(BOARD).core
    steps = plan(graph, core.title, core.features).steps
    slow = [choices(step.node, core.features, "templates")[-1] for step in steps]
    return {
        "model": "tiny", "core": core.title, "optimize": "balanced", "graph": lock.digest(graph),
        "tinyc": "0.1.0", "compiler": "gcc", "order": "speed",
        "layers": [{"kernel": c.kernel} for c in slow],
    } | changes  # fmt: skip


def planned(path: str = lock.NAME, board: str = BOARD, **options: Any) -> Any:
    return compile_model("tiny.tflite", load_board(board), CompileOptions(lock=Path(path)))


def test_builds_take_the_kernels_of_the_lock(here: Path) -> None:
    usual = planned()  # there is none
    lock.write(Path(lock.NAME), entry())
    found = planned()
    kernels = [step.kernel.name for step in found.plan.steps]
    assert kernels == [layer["kernel"] for layer in entry()["layers"]]
    assert kernels != [step.kernel.name for step in usual.plan.steps]
    assert found.tuned == entry() and usual.tuned is None and not found.warnings
    assert planned("none").tuned is None
    # Another core, another goal: not by the lock, and not without a word.
    other = planned(board="microbit")
    assert other.tuned is None and "has nothing for tiny on a Cortex-M0" in other.warnings[0]
    # Each model, core and goal has one entry.
    lock.write(Path(lock.NAME), entry(optimize="speed"))
    lock.write(Path(lock.NAME), entry(tinyc="0.2"))
    assert [e["optimize"] for e in lock.read(Path(lock.NAME))] == ["balanced", "speed"]
    assert planned().tuned["tinyc"] == "0.2"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"graph": "0"}, "the model, what it is calibrated"),
        ({"layers": [{"kernel": "nope"}] * 2}, "kernels any more: .* has no kernel nope"),
        ({"layers": [{"kernel": "conv2d_s8", "schedule": {"x": 1}}] * 2}, "any more"),
        ({"layers": []}, "has 0 layers of tiny, which has 2"),
        ({"core": "Cortex-M0"}, "nothing for tiny on a Cortex-M4"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], words: str, here: Path) -> None:
    lock.write(Path("mine.lock"), entry(**changes))
    with pytest.raises(CompileError, match=rf"E254 mine.lock: .*{words}"):
        planned("mine.lock")


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("", "E202"),
        ("no json", "E255"),
        ("[]", "E255"),
        ('{"schema_version": 2, "builds": []}', "E255"),
        ('{"schema_version": 1, "builds": [{"model": "tiny"}]}', "E255"),
    ],
)
def test_what_is_no_lock(text: str, id: str, here: Path) -> None:
    Path("mine.lock").write_text(text)
    with pytest.raises(CompileError, match=f"{id} mine.lock"):
        planned("mine.lock")
    assert execute(["build", "tiny.tflite", "-b", BOARD, "--lock", "mine.lock"]) == 2


def test_the_digest_is_of_what_is_computed(here: Path) -> None:
    graph = task().graph
    renamed = optimize(read_model(str(write_tiny(here / "t.tflite", "same")))[0])
    assert lock.digest(renamed) == lock.digest(graph)
    node = graph.nodes[0]
    other = node.inputs[1]
    assert other.data is not None
    data = other.data.copy()
    data.flat[0] ^= 1
    changed = replace(node, inputs=(node.inputs[0], replace(other, data=data), *node.inputs[2:]))
    assert lock.digest(replace(graph, nodes=(changed, *graph.nodes[1:]))) != lock.digest(graph)


# All of it -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("board", [BOARD, "microbit"])
def test_a_build_repeats_what_was_tuned(
    board: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["tune", "tiny.tflite", "-b", board, "--optimize", "flash", "--json"]) == 0
    tuned = json.loads(capsys.readouterr().out)["build"]
    schema_of("lock").validate(json.loads(Path("tinyc.lock").read_text()))
    assert tuned["usual"] is not None and tuned["flash_bytes"] <= tuned["usual"]["flash_bytes"]
    assert tuned["flash_bytes"] == min(point["flash_bytes"] for point in tuned["front"])
    elves = []
    for _ in range(2):
        options = ["tiny.tflite", "-b", board, "--optimize", "flash", "--json"]
        assert execute(["profile", *options]) == 0
        profile = json.loads(capsys.readouterr().out)
        assert execute(["build", *options]) == 0
        built = json.loads(capsys.readouterr().out)
        assert [x["kernel"] for x in built["layers"]] == [x["kernel"] for x in tuned["layers"]]
        for key in ("flash_bytes", "ram_bytes"):
            assert built[key] == tuned[key]
        assert profile["cycles"] == tuned["cycles"]
        elves.append(next(Path("build").rglob("tiny.elf")).read_bytes())
    assert elves[0] == elves[1]
    known = Path("schedules.jsonl").read_text()
    assert execute(["tune", "tiny.tflite", "-b", board, "--max-flash", "100"]) == 6
    assert "E602 tiny on " in capsys.readouterr().err
    assert Path("schedules.jsonl").read_text() == known
