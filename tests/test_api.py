"""The Python API: what a notebook or a script sees of a model on a board."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from tflite_writer import TensorSpec, write_model

import tinyc
from tinyc import CompileError, CompileErrors, Firmware


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, with settings in it that nothing may read, and an empty one for
    what is temporary."""
    (tmp_path / "scratch").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "tinyc.toml").write_text("nonsense = 1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Firmware:
    return tinyc.compile(tiny_model, board="stm32")


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, tinyc; before = set(sys.modules); tinyc.Firmware; print(sorted("
        "{'numpy', 'pydantic', 'typer', 'rich', 'tinyc.firmware'} & before), "
        "{'compile', 'load'} <= set(dir(tinyc)), "
        "sorted({'numpy', 'pydantic', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True []\n"
    with pytest.raises(AttributeError, match="no attribute 'complie'"):
        _ = tinyc.complie  # type: ignore[attr-defined]


def test_numpy_in_numpy_out(tiny: Firmware, capfd: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).integers(-128, 128, (6, 4, 4, 2), np.int8)
    y = tiny.run(x)
    assert y.dtype == np.int8 and y.shape == (6, 3) and len({row.tobytes() for row in y}) > 1
    np.testing.assert_array_equal(y, tiny.reference(x))
    np.testing.assert_array_equal(tiny.run(0.05 * (x.astype(float) + 3)), y)
    np.testing.assert_allclose(tiny.scores(x), 0.4 * (y.astype(np.float64) - 5), rtol=1e-6)
    assert tiny.trace is not None and 1000 < tiny.trace.instructions <= tiny.trace.cycles
    assert (tiny.inputs, tiny.outputs) == (("input",), ("scores",))
    assert repr(tiny) == f"<firmware tiny on {tiny.board.name} in unicorn>"
    assert repr(tiny.plan) == "<plan tiny for Cortex-M4 of 2 layers>"
    assert repr(tiny.plan.graph) == "<graph tiny of 3 nodes>"
    assert capfd.readouterr() == ("", "")


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    names = ("gyro", "accel", "sum", "more")
    tensors = [TensorSpec(name, (1, 4), "int8", 0.5, 3) for name in names]
    steps = [("ADD", {}, [0, 1], [2]), ("RELU", {}, [2], [3])]
    model = write_model(tmp_path / "two.tflite", steps, tensors, [0, 1], [2, 3])
    firmware = tinyc.compile(str(model), board="microbit")
    g, a = firmware.random(3)
    outputs = firmware.run(g, a)
    assert outputs._fields == firmware.outputs == ("sum", "more")
    np.testing.assert_array_equal(outputs.sum, np.clip(g.astype(int) + a - 3, -128, 127))
    np.testing.assert_array_equal(outputs.more, np.maximum(outputs.sum, 3))
    np.testing.assert_array_equal(firmware.run(accel=a, gyro=g), outputs)
    labelled = {"gyro": g, "accel": a, "y": [0, 1, 2]}  # all that an .npz of a test holds
    np.testing.assert_array_equal(firmware.run(**labelled), outputs)
    for inputs, named, word in (
        ((g,), {}, r"takes 2 inputs \(gyro, accel\), not 1"),
        ((g, a), {"gyro": g}, "by name"),
        ((), {"gyro": g, "acel": a}, "has no input 'acel'; its inputs are gyro, accel"),
        ((), {"gyro": g}, "takes 2 inputs"),
        ((), {}, "takes 2 inputs"),
    ):
        with pytest.raises(CompileError, match=word) as caught:
            firmware.run(*inputs, **named)
        assert caught.value.id == "E211"


def test_rows_are_a_sequence_to_a_model_with_states(tmp_path: Path) -> None:
    shapes = {"x": (1, 4), "handle": (), "old": (1, 4), "new": (1, 4)}
    tensors = [TensorSpec(n, s, "float32" if s else "resource") for n, s in shapes.items()]
    steps = [
        ("VAR_HANDLE", {"sharedName": "sum"}, [], [1]),
        ("READ_VARIABLE", {}, [1], [2]),
        ("ADD", {}, [0, 2], [3]),
        ("ASSIGN_VARIABLE", {}, [1, 3], []),
    ]
    model = write_model(tmp_path / "sum.tflite", steps, tensors, [0], [3])
    firmware = tinyc.compile(model, board="stm32")
    x = np.eye(4, dtype=np.float32)
    for _ in range(2):  # each run begins anew
        np.testing.assert_array_equal(firmware.run(x), np.tril(np.ones((4, 4))))
    np.testing.assert_array_equal(firmware.reference(x), np.tril(np.ones((4, 4))))


def test_a_profile_counts_the_first_sample(tiny: Firmware) -> None:
    x = tiny.random(3)[0]
    profile, one = tiny.profile(x), tiny.profile(x[:1])
    assert profile == one
    assert [(layer.name, layer.op, layer.macs) for layer in profile.layers] == [
        ("conv", "Conv2d", 4 * 4 * 4 * 9 * 2),
        ("scores", "FullyConnected", 3 * 64),
    ]
    for key in ("instructions", "cycles"):
        layers = sum(getattr(layer, key) for layer in profile.layers)
        assert 0 < layers <= getattr(profile, key)
    assert profile.cycles_source.startswith("cycles (modelled, ")
    assert profile.milliseconds == profile.cycles / tiny.board.clock_hz * 1e3


def test_a_test_compares_and_counts(tiny: Firmware, here: Path) -> None:
    (x,) = tiny.random(5)
    assert x.shape == (5, 4, 4, 2)
    y = tiny.reference(x).argmax(1)
    result = tiny.test({"x": x, "y": y})
    assert (result["samples"], result["mismatches"], result["accuracy"]) == (5, 0, 1)
    np.savez(here / "data.npz", x=x, y=(y + 1) % 3)
    result = tiny.test("data.npz")
    assert result["accuracy"] == 0 and result["data"] == "data.npz"
    assert tiny.test()["samples"] == 10


@pytest.mark.parametrize(
    ("call", "id", "word"),
    [
        (lambda tiny: tiny.run([[1, 2], [3]]), "E213", "tiny: x: is no array: .*; pass an array"),
        (lambda tiny: tiny.test([[1]]), "E209", r"tiny: data: is of type list, .*\.npz"),
        (lambda tiny: tiny.test({1: [0]}), "E211", "it has 1"),
        (lambda tiny: tiny.random(-1), "E209", "tiny: count: cannot be -1"),
        (lambda tiny: tiny.random(1, "0"), "E209", "tiny: seed: cannot be '0'"),
        (lambda tiny: tiny.write("a\0b"), "E245", "NUL"),
        (lambda tiny: tiny.report("a\0b.md"), "E245", "NUL"),
    ],
)
def test_what_is_wrong_with_a_call_is_raised(tiny: Firmware, call, id: str, word: str) -> None:
    with pytest.raises(CompileError, match=word) as caught:
        call(tiny)
    assert caught.value.id == id


def test_what_is_written_lies_in_its_folder_alone(tiny_model: Path, here: Path) -> None:
    firmware = tinyc.compile(tiny_model, board="stm32", seed=3)
    sizes = firmware.sizes
    assert 3 * 64 < sizes.flash_bytes < 20_000
    assert sizes.arena_bytes + sizes.stack_bytes <= sizes.ram_bytes < 2_000
    firmware.run(firmware.random(1)[0])
    assert [path.name for path in here.iterdir()] == ["tinyc.toml"]
    assert firmware.write("out/net") == Path("out/net")
    assert [path.name for path in Path("out").iterdir()] == ["net"]
    for path, text in firmware.sources.items():
        assert (here / "out/net" / path).read_text() == text
    assert {"tiny.elf", "tiny.hex", "tiny.bin", "report"} <= {
        p.name for p in Path("out/net").iterdir()
    }
    firmware.profile()
    for name in ("report.html", "report.md", "report.json"):
        firmware.report(name)
    assert {"build", "profile"} <= json.loads(Path("report.json").read_text()).keys()
    with pytest.raises(CompileError, match=r"^E201 report\.pdf: .*\.html"):
        firmware.report("report.pdf")
    assert any((here.parent / "scratch").iterdir())
    del firmware
    assert not any((here.parent / "scratch").iterdir())


def test_a_notebook_shows_what_is_known(tiny_model: Path) -> None:
    firmware = tinyc.compile(tiny_model, board="stm32")
    shown = firmware._repr_html_()
    assert f"tiny on {firmware.board.title}" in shown and "flash" not in shown
    for step in firmware.plan.steps:
        assert f"<td>{step.name}</td>" in shown and f"<td>{step.kernel.name}</td>" in shown
    assert f"{firmware.sizes.flash_bytes:,} bytes" in firmware._repr_html_()
    profile, test = firmware.profile(), firmware.test()
    shown = firmware._repr_html_()
    assert all(f"<td>{layer.cycles:,}</td>" in shown for layer in profile.layers)
    assert f"0 of {test['samples']} samples" in shown and f"<td>{profile.cycles:,}</td>" in shown


def test_what_is_expected_is_judged(tiny_model: Path) -> None:
    firmware = tinyc.compile(tiny_model, board="stm32", max_flash=9, max_ram=8000, max_cycles=8)
    judged = {v.name: v.error and v.error.id for v in firmware.verdicts()}
    assert judged == {"flash": "E602", "ram": None}  # nothing has run
    firmware.test()
    judged = {v.name: v.error and v.error.id for v in firmware.verdicts()}
    assert judged == {"bit_exact": None, "cycles": "E601", "flash": "E602", "ram": None}


def test_a_graph_is_loaded(tiny_model: Path) -> None:
    graph = tinyc.load(tiny_model)
    assert graph.name == "tiny" and [type(n.op).__name__ for n in graph.nodes] == [
        "Conv2d", "Reshape", "FullyConnected",
    ]  # fmt: skip
    assert "conv2d" in str(graph)


@pytest.mark.parametrize(
    ("settings", "id", "word"),
    [
        ({"bord": "stm32"}, "E208", "did you mean 'board'"),
        ({"expect": {"min_acuracy": 1}}, "E208", "did you mean 'min_accuracy'"),
        ({"samples": "3"}, "E209", "tinyc.compile: samples: '3'"),
        ({"min_accuracy": 2}, "E209", "min_accuracy"),
        ({"board": "nope"}, "E204", "nope"),
        ({"model": "absent.tflite"}, "E202", "absent.tflite"),
        ({"emulator": "qmu"}, "E206", "qmu"),
        ({"calibrate": Path("absent.npz")}, "E217", "float32"),
    ],
)
def test_what_is_wrong_is_raised(
    tiny_model: Path, here: Path, settings: dict, id: str, word: str
) -> None:
    with pytest.raises(CompileError) as caught:
        tinyc.compile(**{"model": tiny_model, "board": "stm32", **settings})
    assert caught.value.id == id and word in str(caught.value)


def test_all_that_is_wrong_is_raised_at_once(tiny_model: Path) -> None:
    with pytest.raises(CompileErrors) as caught:
        tinyc.compile(tiny_model, board="stm32", strikt=True, seed=-1)
    assert [error.id for error in caught.value.errors] == ["E209", "E208"]


def test_single_limits_lie_over_a_table_of_them(tiny_model: Path) -> None:
    expect = {"max_ram": 9, "max_flash": 8}
    config = tinyc.compile(tiny_model, board="stm32", expect=expect, max_flash=7).config
    assert (config.expect.max_ram, config.expect.max_flash) == (9, 7)
    assert expect == {"max_ram": 9, "max_flash": 8}


def test_the_guide_runs(tiny_model: Path, here: Path) -> None:
    """Each block of docs/python.md, one after the other."""
    shutil.copy(tiny_model, here / "kws.tflite")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.S)
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 6 and (here / "build/kws/kws.elf").is_file()
    assert (here / "kws.html").read_text().startswith("<!doctype html>")
