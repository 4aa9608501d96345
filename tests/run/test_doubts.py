"""What is odd about data is told, with the numbers; and what is not is left alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from conftest import write_tiny
from error_cases import BUILT, TESTED
from test_cifar import images
from test_heads import copy, value
from test_verdicts import dense
from tflite_writer import TensorSpec, write_model

from tinyc import report
from tinyc.cli.app import execute
from tinyc.frontends.tflite import read
from tinyc.ir import DType, Graph, Quant
from tinyc.report import verdicts
from tinyc.run import Trace
from tinyc.run.data import given_samples, load_npz
from tinyc.run.doubts import spread, unlike
from tinyc.settings import Expect
from tinyc.target.boards import load_board

if TYPE_CHECKING:
    from tinyc.pipeline import Compiled

RNG = np.random.default_rng(0)
HALF = Quant((1 / 128,), (0,))


def graph(*shape: int, dtype: DType = DType.I8) -> Graph:
    return copy(value("s", 1, *shape, quant=HALF if dtype is DType.I8 else None, dtype=dtype))


def told(x: np.ndarray, **more: np.ndarray) -> list[str]:
    """The warnings about int8 or real inputs."""
    found = given_samples({"x": x, **more}, graph(*x.shape[1:]), "d.npz").warnings
    return [text.removeprefix("d.npz: ") for text in found]


def smooth(n: int = 20) -> np.ndarray:
    """Images uint8 [n, 16, 16] of every brightness, in which neighbours are alike."""
    wave = np.sin(np.linspace(0, 3, 16) + RNG.uniform(0, 6, (n, 1)))
    images = 127.5 + 126 * wave[:, :, None] * np.cos(np.linspace(0, 2, 16))
    return np.round(images).astype(np.uint8)


def test_integers_that_saturate_or_take_few_steps() -> None:
    good = RNG.integers(-128, 128, (20, 12)).astype(np.int8)
    assert told(good) == []
    assert told(np.where(good > 0, 127, -128).astype(np.int8)) == []  # black and white
    clipped = np.clip(good.astype(int) * 4, -128, 127).astype(np.int8)
    (text,) = told(clipped)
    low, high = (np.mean(clipped == end) for end in (-128, 127))
    assert text.startswith(f"x: {low + high:.0%} of the numbers saturate: {low:.0%} are -128")
    (text,) = told((good // 20).astype(np.int8))
    assert text == (
        "x: the numbers take only 14 of the input's 256 steps: they lie in -7 to 6, the input "
        "takes -128 to 127"
    )


def test_bytes_of_the_wrong_sign() -> None:
    images = smooth()
    right = (images.astype(int) - 128).astype(np.int8)
    assert told(right) == []
    (text,) = told(images.view(np.int8))
    assert text.startswith("x: they look like uint8 numbers whose bytes were taken for int8: ")
    assert text.endswith("; subtract 128 before the cast")
    digits = np.where(images > 200, 255, 0).astype(np.uint8)
    texts = told((digits.astype(int) - 128).astype(np.int8))
    assert not any("look like" in text for text in texts)  # of copies alone


def test_copies_and_constant_samples() -> None:
    x = RNG.uniform(-1, 1, (40, 12)).astype(np.float32)
    assert told(x) == []
    twice = x.copy()
    twice[30:34] = x[3]
    (text,) = told(twice)
    assert text.startswith("4 of its 40 samples are copies of others, the first is 30, a copy of 3")
    flat = x.copy()
    flat[5:9] = np.arange(4)[:, None] / 8
    (text,) = told(flat)
    assert text.startswith("4 of its 40 samples are constant, each of one number alone, the first")
    assert "first is 5" in text
    twice[32:34], flat[7:9] = x[32:34], x[7:9]  # a few are nothing odd
    assert told(twice) == told(flat) == []
    (text,) = told(np.repeat(x[:1], 40, 0))
    assert text == "its 40 samples are all the same"


def test_one_class_alone() -> None:
    x = RNG.uniform(-1, 1, (20, 12)).astype(np.float32)
    names = np.array([f"c{i}" for i in range(12)])
    (text,) = told(x, y=np.full(20, 3), classes=names)
    assert text.startswith("all 20 labels are class 3 'c3': an accuracy says little")
    assert told(x, y=np.arange(20) % 2, classes=names) == []
    assert told(x[:5], y=np.full(5, 3)) == []
    echo = RNG.uniform(-1, 1, (20, 3, 4)).astype(np.float32)
    (text,) = told(echo, y=np.zeros(20, int))
    assert text.startswith("all 20 samples are normal, so that there is no AUC")


def test_a_test_unlike_the_calibration() -> None:
    plain = graph(6, dtype=DType.F32)
    x = RNG.normal(0, 1, (200, 6)).astype(np.float32)

    def apart(y: np.ndarray, whole: bool = True) -> list[str]:
        return list(unlike([spread(x)], [y], plain, whole))

    assert apart(x) == apart(RNG.normal(0, 1, (60, 6))) == apart(x[:3] + 1) == []
    (text,) = apart(x * 3)
    far = np.mean(np.abs(x * 3) > np.abs(x).max())
    assert "of the numbers lie outside of those that calibrated" in text and far > 0.05
    assert f"those in {x.min():.4g} to {x.max():.4g}" in text
    (text,) = apart(x + 0.5)
    means = [f"{float(y.astype(float).mean()):.4g}" for y in (x + 0.5, x)]
    assert f"the mean is {means[0]}, of the numbers that calibrated {means[1]}" in text
    assert apart(x + 0.5, False) == []
    # What saturates was told before.
    assert list(unlike([spread(x / 8)], [x / 2], graph(6), True))
    assert not list(unlike([spread(x / 99)], [x * 9], graph(6), True))


def test_bytes_of_another_sign_are_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = write_model(
        Path("m.tflite"), [("RELU", {}, [0], [1])],
        [TensorSpec(n, (1, 16), "int8", 1 / 255, -128) for n in "xy"], [0], [1],
    )  # fmt: skip
    np.savez("d.npz", x=smooth().reshape(-1, 16))
    assert execute(["test", str(model), "-b", "stm32", "--data", "d.npz", "-q"]) == 2
    error = capsys.readouterr().err
    assert "E213" in error and "of real numbers 0 to 1" in error
    assert "(x.astype('int16') - 128).astype('int8')" in error


def test_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = write_tiny(Path("m.tflite"))
    shape = read(model).inputs[0].type.shape
    x = RNG.uniform(-1, 1, (20, *shape)).astype(np.float32)
    np.savez("d.npz", x=np.repeat(x[:10], 2, 0) * 100, junk=x)
    np.savez("few.npz", x=RNG.uniform(-1, 1, (4, 8)))
    options = ["-b", "microbit", "-q", "--strict"]
    more = ["--data", "d.npz", "--samples", "30"]
    assert execute(["test", str(model), *options, *more]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line[:12] for line in lines] == ["E258 d.npz: "] * 4 and not Path("build").exists()
    for words in ("x: ", "10 of its 20 samples", "nothing reads 'junk'", "has 20 samples, 30"):
        assert any(words in line for line in lines), (words, lines)
    assert all(line.endswith("; correct the data, or leave out --strict") for line in lines)
    floats = dense(Path("f.tflite"), RNG.normal(0, 1, (3, 8)))
    assert execute(["build", str(floats), *options, "--calibrate", "few.npz"]) == 2
    assert "few.npz: has 4 samples to calibrate with" in capsys.readouterr().err


def test_answers_that_do_not_depend_on_the_inputs() -> None:
    net = graph(4, dtype=DType.F32)
    x = RNG.normal(0, 1, (20, 1, 4)).astype(np.float32)
    samples = given_samples({"x": x, "y": np.arange(20) % 4}, net, "d.npz")
    board = load_board("stm32")

    def constant(ours: np.ndarray) -> tuple[str | None, list[str]]:
        rows = np.ascontiguousarray(ours).reshape(20, -1).view(np.uint8)
        trace = Trace("host", rows, "", None, None, "", None)
        compiled = cast("Compiled", SimpleNamespace(graph=net, changes={}))
        found = report.test_report(compiled, board, "host", trace, samples, [ours], data="d.npz")
        return found["outputs"][0].get("constant"), found["warnings"]

    assert constant(x) == (None, [])
    same = "the output 's' is the same for 20 different inputs"
    assert constant(np.ones_like(x)) == (same, [same])
    one = "the class of 's' is 2 for all 20 samples"
    assert constant(x + 9 * np.eye(4, dtype=np.float32)[2]) == (one, [one])


def test_answers_are_judged_by_strict_alone() -> None:
    odd = "the class of 'y' is 2 for all 40 samples"
    test = TESTED | {"outputs": [{**TESTED["outputs"][0], "constant": odd}]}
    assert "answers" not in [v.name for v in verdicts(Expect(), BUILT, test)]
    (found,) = (v for v in verdicts(Expect(), BUILT, test, True) if v.name == "answers")
    assert found.error is not None and found.error.id == "E258" and odd in str(found.error)
    (found,) = (v for v in verdicts(Expect(), BUILT, TESTED, True) if v.name == "answers")
    assert found.error is None


@pytest.mark.parametrize(
    ("data", "model"),
    [
        ("kws01/kws01.npz", "mlperf-tiny/kws.tflite"),
        ("cases/cast_u8.npz", "cases/cast_u8.tflite"),
        ("cases/sigmoid_known.npz", "cases/sigmoid_known_int8.tflite"),
        ("cases/LOGISTIC_256.npz", "cases/LOGISTIC_256.tflite"),
    ],
)
def test_published_data_are_nothing_odd(data: str, model: str, data_folder: Path) -> None:
    assert load_npz(data_folder / data, read(data_folder / model)).warnings == ()


@pytest.mark.slow
def test_images_are_nothing_odd_but_with_bytes_of_the_wrong_sign(data_folder: Path) -> None:
    x, y = images("test", 300)
    other, _ = images("train", 256)
    pixels = np.round(x * 128 + 128).astype(np.uint8)
    net = read(data_folder / "mlperf-tiny" / "ic.tflite")

    def odd(x: np.ndarray) -> tuple[str, ...]:
        return given_samples({"x": x, "y": y}, net, "d.npz").warnings

    assert odd((pixels.astype(int) - 128).astype(np.int8)) == odd(pixels.astype(np.float32)) == ()
    (text,) = odd(pixels.view(np.int8))
    assert "look like uint8 numbers" in text and "subtract 128" in text
    (text,) = odd(pixels / 255)
    assert "the numbers take only 2 of the input's 256 steps" in text
    assert list(unlike([spread(other)], [x], graph(32, 32, 3, dtype=DType.F32), True)) == []
