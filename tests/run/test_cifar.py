"""The committed CIFAR-10 networks on an emulated board: what they score, and what they take."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, ROOT

from tinyc.cli import app as cli

RECIPES = ROOT / "recipes"
IMAGES = 1000


def images(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first ``count`` images of ``cifar10/<name>.npz`` as (x float32 in -1..1, y)."""
    tf = pytest.importorskip("tensorflow")
    path = DATA / "cifar10" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no CIFAR-10 in {DATA}; set TINYC_DATA to a folder that has cifar10/")
    with np.load(path) as file:
        jpeg, offset, label = file["jpeg"], file["offset"][: count + 1], file["label"][:count]
    pixels = [
        tf.io.decode_jpeg(jpeg[a:b].tobytes(), channels=3).numpy() for a, b in pairwise(offset)
    ]
    return (np.stack(pixels).astype(np.float32) - 128) / 128, label.astype(np.int64)


@pytest.fixture
def data(tmp_path: Path) -> tuple[str, str]:
    """(calibration, test) files."""
    x, _ = images("train", 256)
    np.savez(tmp_path / "calibration.npz", x=x)
    x, y = images("test", IMAGES)
    np.savez(tmp_path / "test.npz", x=x, y=y)
    return str(tmp_path / "calibration.npz"), str(tmp_path / "test.npz")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10-resnet8-hybrid", "cifar10-bnn"])
def test_binarized_network_on_stm32(
    name: str, data: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over 75 %, under 103 KB of flash and 40 KB of RAM, exact on each of 1,000 images: all of
    them by the image's C on this machine, which is fast, and the first on the emulated core."""
    model = RECIPES / f"{name}.tflite"
    calibration, test = data
    command = [
        "test", str(model), "--board", "stm32", "--calibrate", calibration, "--data", test,
        "--output-dir", str(tmp_path), "--max-flash", "103000", "--max-ram", "40000", "--json",
        "--min-agreement", "0.8",
    ]  # fmt: skip
    for options in (["--samples", "100"], ["--emulator", "host", "--min-accuracy", "0.75"]):
        code = cli.execute([*command, *options])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        report = json.loads(captured.out)
        assert report["mismatches"] == 0
    assert report["samples"] == IMAGES and report["warnings"] == []
    assert report["accuracy"] == report["reference_accuracy"] > 0.75
