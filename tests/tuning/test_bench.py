"""`tinyc bench --kernels`: its table, and that the packed binary convolutions meet their goals."""

from __future__ import annotations

import json

import pytest

from tinyc.cli import app as cli
from tinyc.tuning import bench


@pytest.mark.slow
def test_binary_kernels_meet_their_goals(capsys: pytest.CaptureFixture[str]) -> None:
    boards = ("stm32f4_discovery", "nucleo_g0b1re")
    options = [part for board in boards for part in ("--board", board)]
    assert cli.execute(["bench", "--kernels", "packed", *options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    goals = [entry for entry in report["layers"] if entry["goal"] is not None]
    assert {(e["core"], e["goal"]) for e in goals} == {
        ("cortex-m4", 0.3), ("cortex-m4", 0.25), ("cortex-m0plus", 0.9)
    }  # fmt: skip
    assert len(goals) == len(bench.GOALS)
    for entry in goals:
        assert entry["cycles_per_binary_mac"] < entry["goal"], entry
        # One bit a weight, and little beside.
        channels = int(entry["layer"].split()[1])
        assert entry["constant_bytes"] < 1.1 * channels * channels * 9 / 8


@pytest.mark.slow
@pytest.mark.parametrize("negative", [0.0, 0.3, 1.0])
def test_time_depends_on_the_inputs_within_bounds(negative: float) -> None:
    """However many inputs are -1, what the worst case costs stays under the goal for M0+."""
    for entry in bench.binary_kernels(("nucleo_g0b1re",), "packed", negative):
        assert 0 < entry["cycles_per_binary_mac"] < 0.9
