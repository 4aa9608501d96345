"""`tinyc verify`: a fault in each stage of a model's way is found, with its layer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_tiny
from tflite_writer import TensorSpec, write_model
from two_heads import write_two_heads

from tinyc import passes, pipeline
from tinyc.cli.app import execute
from tinyc.emit.emitter import Library, emit, support
from tinyc.image import build
from tinyc.ir import Graph
from tinyc.ops.fully_connected import FullyConnected
from tinyc.plan import Plan

BOARD = "stm32f4_discovery"


class Verify:
    """`tinyc verify` of a model on `BOARD`."""

    def __init__(self, model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.model, self.folder, self.capsys = model, folder, capsys
        self.error = ""

    def __call__(self, *options: str, status: int = 0) -> dict[str, Any]:
        command = ["verify", str(self.model), "-o", str(self.folder), "--samples", "2", *options]
        if "--board" not in options:
            command += ["--board", BOARD]
        assert execute([*command, "--json"]) == status
        said = self.capsys.readouterr()
        self.error = next((s for s in said.err.splitlines() if s.startswith("E507 ")), "")
        found: dict[str, Any] = json.loads(said.out)
        return found

    def wrong(self, stage: str, layer: str | None) -> dict[str, Any]:
        """What is told of the layer of a fault that --bisect has to find."""
        found = self("--bisect", status=5)
        assert found["failed"] == stage == found["stages"][-1]["stage"], found["stages"]
        assert found["stages"][-1]["verdict"] == "FAIL"
        told: dict[str, Any] = found["layer"]
        assert told is not None and told["name"] == layer, found
        assert f"stage '{stage}' is not as" in self.error and f"'{layer}'" in self.error
        with np.load(found["operands"]) as file:
            self.operands = dict(file)
        return told


@pytest.fixture
def verify(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    return Verify(tiny_model, tmp_path, capsys)


def planted(patch: pytest.MonkeyPatch, file: str, change: Callable[[str], str]) -> None:
    """Have each library say something else in one of its files."""

    def emitted(plan: Plan) -> Library:
        made = emit(plan)
        (path,) = (p for p in made.files if p.endswith(file))
        text = change(made.files[path])
        assert text != made.files[path]
        return replace(made, files={**made.files, path: text})

    patch.setattr(pipeline, "emit", emitted)


@pytest.mark.slow
def test_nothing_is_wrong(verify: Verify) -> None:
    """All stages pass, layer by layer; what a test found before stays in the report."""
    assert execute(
        ["test", str(verify.model), "-b", BOARD, "-o", str(verify.folder), "--samples", "1", "-q"]
    ) == 0  # fmt: skip
    verify.capsys.readouterr()
    found = verify("--bisect", "--emulator", "unicorn", "--emulator", "host")
    assert [stage["stage"] for stage in found["stages"]][:2] == ["runtime", "read"]
    assert [stage["stage"] for stage in found["stages"]][-3:] == ["plan", "host", "unicorn"]
    assert [stage["verdict"] for stage in found["stages"]] == [
        "start", *["pass"] * (len(found["stages"]) - 1)
    ]  # fmt: skip
    assert found["failed"] is None and found["layer"] is None and found["operands"] is None
    folder = verify.folder / BOARD / "tiny" / "report"
    report = json.loads((folder / "report.json").read_text())
    assert set(report) >= {"build", "test", "verify"} and report["verify"]["samples"] == 2
    assert 'name="stages"' in (folder / "junit.xml").read_text()
    assert 'name="bit_exact"' in (folder / "junit.xml").read_text()
    assert "| host | C, the host | pass | every bit |" in (folder / "report.md").read_text()


def test_a_pass_that_computes_something_else(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fuse_pad(graph: Graph) -> Graph:
        nodes = list(graph.nodes)
        conv = nodes[0]
        bias = replace(conv.inputs[2], data=conv.inputs[2].array + np.int32(2000))
        nodes[0] = replace(conv, inputs=(*conv.inputs[:2], bias))
        return replace(graph, nodes=tuple(nodes))

    wrong = [fuse_pad if p.__name__ == "fuse_pad" else p for p in passes.PIPELINE]
    monkeypatch.setattr(passes, "PIPELINE", tuple(wrong))
    told = verify.wrong("fuse_pad", "conv")
    assert told["what"] == "was rewritten, and computes something else"
    assert told["kernel"] is None and told["op"] == "Conv2d"
    assert {"input_0", "constant_1", "expected", "found"} <= set(verify.operands)
    assert told["found"] != told["expected"] == verify.operands["expected"][tuple(told["index"])]


def test_a_reference_that_is_not_the_runtime_s(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = FullyConnected.evaluate

    def wrong(self: FullyConnected, node: Any, *inputs: Any) -> Any:
        (y,) = evaluate(self, node, *inputs)
        return (y ^ np.int8(1),)

    monkeypatch.setattr(FullyConnected, "evaluate", wrong)
    told = verify.wrong("read", "scores")
    assert told["what"] == "computes something else than the runtime of its format"
    assert told["mismatches"] == told["elements"] == 3 and told["largest_deviation"] == 1


def test_a_calibration_that_loses_the_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By data of another range; the layer is where the numbers part most."""
    rng = np.random.default_rng(1)
    tensors = [
        TensorSpec("x", (1, 8), "float32"),
        TensorSpec("w1", (16, 8), "float32", data=rng.normal(0, 1, (16, 8))),
        TensorSpec("hidden", (1, 16), "float32"),
        TensorSpec("w2", (3, 16), "float32", data=rng.normal(0, 1, (3, 16))),
        TensorSpec("scores", (1, 3), "float32"),
    ]
    dense = [("FULLY_CONNECTED", {}, [0, 1], [2]), ("FULLY_CONNECTED", {}, [2, 3], [4])]
    model = write_model(tmp_path / "net.tflite", dense, tensors, inputs=[0], outputs=[4])
    x = rng.normal(0, 1, (20, 1, 8)).astype(np.float32)
    np.savez(tmp_path / "small.npz", x=x / 100)
    np.savez(tmp_path / "x.npz", x=x)
    verify = Verify(model, tmp_path, capsys)
    options = ("--samples", "20", "--data", str(tmp_path / "x.npz"))
    found = verify("--bisect", "--calibrate", str(tmp_path / "small.npz"), *options, status=5)
    assert found["failed"] == "calibrate" and found["stages"][-1]["agreement"] < 0.98
    assert found["layer"]["what"] == "is where the numbers part most"
    assert found["layer"]["origin"]
    options = (*options, "--min-agreement", "0.9", "--original", str(model))
    found = verify("--calibrate", str(tmp_path / "x.npz"), *options)
    near = [stage for stage in found["stages"] if stage["verdict"] == "near"]
    assert [stage["stage"] for stage in near] == ["runtime", "calibrate"]
    assert near[1]["relative_l2_error"] < 0.1 and near[0]["relative_l2_error"] < 1e-5


@pytest.mark.slow
def test_a_kernel_that_is_wrong(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the instructions of the core alone, and in the C that the host computes too."""
    text = support.text

    def with_fault(right: str, wrong: str) -> None:
        monkeypatch.setattr(support, "text", lambda name: text(name).replace(right, wrong))

    with_fault('"smlad  %[a0], %[x02]', '"smlsd  %[a0], %[x02]')
    told = verify.wrong("unicorn", "scores")
    assert (told["kernel"], told["symbol"]) == ("fully_connected_s8_dsp", "tiny_1_scores")
    assert told["what"] == "computes something else" and told["mismatches"] > 0
    assert verify.operands["input_0"].shape == (1, 64)  # what the layer read
    assert (verify.operands["expected"] != verify.operands["found"]).sum() == told["mismatches"]
    with_fault("return ((high >> shift) + 1) >> 1;", "return (high >> shift) + 1;")
    assert verify.wrong("host", "scores")["what"] == "computes something else"


def test_a_multiplier_that_is_one_less(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which changes no output of these inputs."""

    def less(text: str) -> str:
        head, name, rest = text.partition("tiny_1_scores_channels[12]")
        numbers = rest[rest.index("{") + 1 : rest.index("}")]
        first = max(numbers.split(","), key=lambda n: abs(int(n)))
        return head + name + rest.replace(first, f" {int(first) - 1}", 1)

    planted(monkeypatch, "_weights.c", less)
    told = verify.wrong("host", "scores")
    assert "of the 48 bytes of its table tiny_1_scores_channels are not those" in told["what"]
    planned, found = (verify.operands[f"table_channels{end}"] for end in ("", "_found"))
    assert sorted(abs(planned - found).ravel()) == [0] * 11 + [1]


def test_a_layer_that_reads_elsewhere(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layer is right by itself: it is seen in a run of all on the core."""
    change = "tiny_1_scores((const int8_t *)(const void *)(a + 104)"
    planted(monkeypatch, "tiny.c", lambda text: text.replace(change, change.replace("104", "112")))
    told = verify.wrong("host", "scores")
    assert told["what"] == "finds its input 'flat' overwritten, though 'conv' had made it right"
    assert {"input_0", "input_0_found"} <= set(verify.operands)


def test_a_byte_of_the_weights_in_the_image(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elftools.elf.elffile import ELFFile

    built = build._build

    def damaged(*arguments: Any) -> build.Image:
        made = built(*arguments)
        at, _ = made.symbols["tiny_1_scores_weights"]
        with made.elf.open("rb") as file:
            segments = list(ELFFile(file).iter_segments("PT_LOAD"))
            (home,) = (s for s in segments if 0 <= at - s["p_paddr"] < s["p_filesz"])
            place = home["p_offset"] + at - home["p_paddr"]
        data = bytearray(made.elf.read_bytes())
        data[place + 5] ^= 0x40
        made.elf.write_bytes(data)
        return made

    monkeypatch.setattr(build, "_build", damaged)
    told = verify.wrong("unicorn", "scores")
    what = "1 of the 256 bytes of its table tiny_1_scores_weights are not those planned"
    assert what in told["what"] and "the first at 5: " in told["what"]


@pytest.mark.slow
def test_two_boards_and_two_models(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verify("--board", BOARD, "--board", "microbit", "--bisect")
    assert [stage["stage"] for stage in found["stages"]][-3:] == [
        "plan on microbit", "host on microbit", "unicorn on microbit"
    ]  # fmt: skip
    (tmp_path / "other").mkdir()
    other = write_tiny(tmp_path / "other" / "tiny.tflite")
    assert verify("--against", str(other))["failed"] is None
    data = bytearray(other.read_bytes())
    with np.load(write_arrays(tmp_path, verify.model)) as arrays:
        at = data.index(arrays["weights"].tobytes())
    data[at : at + 64] = bytes(byte ^ 0x20 for byte in data[at : at + 64])
    other.write_bytes(data)
    found = verify("--against", str(other), "--bisect", status=5)
    assert found["failed"] == "tiny (the other)" and found["layer"]["name"] == "scores"
    assert found["layer"]["what"] == "gives other values than 'scores'"


def write_arrays(folder: Path, model: Path) -> Path:
    """The weights of the last layer of `tiny_model`, as they stand in its file."""
    from tinyc.frontends.tflite import read

    path = folder / "weights.npz"
    np.savez(path, weights=read(model).nodes[-1].inputs[1].array)
    return path


def test_what_does_not_go_together(
    verify: Verify,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    def said(*options: str) -> str:
        assert execute(["verify", str(verify.model), "-b", BOARD, *options]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    model, heads = str(verify.model), write_two_heads(tmp_path / "heads.tflite")
    assert said("--against", model, "--emulator", "qemu").startswith("E201 --emulator: ")
    assert said("--against", model, "-b", "microbit").startswith("E201 --board microbit: ")
    assert said("--max-error", "0.1").startswith("E201 --max-error: is for --against alone")
    assert said("--emulator", "gem5").startswith("E206 emulator 'gem5': ")
    assert said("--target", "com3").startswith("E206 target 'com3': ")
    assert said("--original", "nope.tflite").startswith("E202 nope.tflite: ")
    assert said("--original", str(heads)).startswith(f"E257 {heads}: takes [")
    assert said("--against", str(heads)).startswith("E212 heads: inputs of tiny: x: has shape ")
    assert not (tmp_path / "build").exists()
