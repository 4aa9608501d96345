"""Tests of the firmware, which tinyc builds by tinyc.toml and runs in an emulator."""

from pathlib import Path

import numpy as np

with np.load(Path(__file__).parent.parent / "samples.npz") as samples:
    X, Y = samples["x"], samples["y"]


def test_it_reads_digits(tinyc_firmware):
    scores = tinyc_firmware.run(X)
    assert np.mean(scores.argmax(axis=1) == Y) >= 0.95


def test_it_computes_what_the_model_does(tinyc_firmware):
    assert np.array_equal(tinyc_firmware.run(X[:10]), tinyc_firmware.reference(X[:10]))


def test_it_leaves_room_for_the_application(tinyc_firmware):
    assert tinyc_firmware.flash_bytes <= 96 * 1024
    assert tinyc_firmware.ram_bytes <= 16 * 1024
