"""Builds held against each other: layers aligned, totals judged, a comment written."""

from __future__ import annotations

import copy

from conftest import pinned

from tinyc import report
from tinyc.report.diff import aligned

SOURCE = "cycles (modelled, Cortex-M4, zero wait states)"


def layer(name: str, op: str = "Conv2d", size: int = 8, cycles: int = 1000) -> dict:
    return {
        "name": name, "op": op, "shape": [1, size, size, 4], "kernel": f"{op.lower()}_s8_dsp",
        "macs": 100 * size, "cycles": cycles, "constant_bytes": 40, "rejected": [],
    }  # fmt: skip


def known(*layers: dict, **more: object) -> dict:
    """A report.json of these layers, their sums its totals; more: of its build and profile."""
    about = {"model": "m", "board": "stm32f4_discovery", "core": "cortex-m4"}
    cycles = sum(each["cycles"] for each in layers)
    numbered = [{"index": i, **each} for i, each in enumerate(layers)]
    build = {
        "toolchain": "gcc", "flash_bytes": 5000 + sum(each["constant_bytes"] for each in layers),
        "ram_bytes": 600, "arena_bytes": 400, "stack_bytes": 200,
    }  # fmt: skip
    counted = [{**each, "instructions": each["cycles"] - 1} for each in numbered]
    profile = {
        "emulator": "unicorn", "cycles": cycles + 50, "instructions": cycles,
        "cycles_source": SOURCE, "layers": counted,
    }  # fmt: skip
    sides = {"build": {**about, **build, "layers": numbered}, "profile": {**about, **profile}}
    return {t: section | {k: v for k, v in more.items() if k in section}
            for t, section in sides.items()}  # fmt: skip


def test_layers_are_aligned_whatever_was_done_to_them() -> None:
    net = [layer("conv2d", size=16), layer("conv2d_1", size=8), layer("add", "Add", 8),
           layer("conv2d_2", size=4), layer("dense", "FullyConnected", 1)]  # fmt: skip
    same = [(i, i) for i in range(5)]
    assert aligned(net, net) == same
    # One that was put in renames what lies behind it.
    inserted = [net[0], layer("conv2d_1", size=12), layer("conv2d_2", size=8), net[2],
                layer("conv2d_3", size=4), net[4]]  # fmt: skip
    assert aligned(net, inserted) == [(0, 0), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert aligned(inserted, net) == [(0, 0), (2, 1), (3, 2), (4, 3), (5, 4)]
    # All of them are larger, so that each has the shape of its neighbour.
    grown = [{**each, "shape": [1, 2 * s, 2 * s, 4], "macs": 200 * s}
             for each, s in zip(net, (16, 8, 8, 4, 1), strict=True)]  # fmt: skip
    assert aligned(net, grown) == same
    # Names and shapes are others: the operators are the same.
    other = [layer(f"x{i}", each["op"], 32 + i) for i, each in enumerate(net)]
    assert aligned(net, other) == same
    # So are names where a layer was quantized.
    floats = [{**each, "op": f"Hybrid{each['op']}"} for each in net]
    assert aligned(floats[:2] + net[2:3] + floats[3:], net) == same
    assert aligned(net, [net[0], net[2], net[4]]) == [(0, 0), (2, 1), (4, 2)]
    assert aligned(net, []) == []


def test_what_grew_comes_first_and_each_limit_is_judged() -> None:
    net = [layer("a", cycles=6000), layer("b", cycles=3000), layer("c", "Add", cycles=950)]
    before = known(*net)
    slower = {**net[1], "kernel": "conv2d_s8", "cycles": 5000, "rejected": [
        {"kernel": "conv2d_s8_dsp", "reason": "3 channels"}]}  # fmt: skip
    after = known(net[0], slower, layer("new", "Mul", 2, 700), ram_bytes=500)
    result = report.diff(before, after, ("a", "b"))
    first, second, third, last = result["layers"]
    assert (first["after"]["name"], first["state"]) == ("b", "changed")
    assert first["cycles_change"] == 2000 and first["share_percent"] == 20
    assert first["not_taken"] == slower["rejected"] and first["constant_bytes_change"] == 0
    assert (second["state"], second["before"], second["cycles_change"]) == ("new", None, 700)
    assert (third["after"]["name"], third["state"]) == ("a", "same")
    assert (last["state"], last["before"]["name"], last["cycles_change"]) == ("removed", "c", -950)
    totals = {total["name"]: total for total in result["totals"]}
    assert totals["cycles"]["change"] == 1750 and totals["cycles"]["percent"] == 17.5
    assert totals["RAM"]["change"] == -100 and totals["accuracy"]["change"] is None

    def failed(**limits: report.Limit) -> dict[str, str]:
        found = report.diff_verdicts(result, limits)
        assert all(v.error is None or v.error.id == "E606" for v in found)
        return {v.name: v.error.what for v in found if v.error is not None}

    limit = report.Limit
    assert failed(cycles=limit(17.5, True), RAM=limit(0, True)) == {}
    assert failed(cycles=limit(1750, False), flash=limit(0, False)) == {}
    assert failed(cycles=limit(17.4, True), instructions=limit(1749, False)) == {
        "cycles": "the cycles grew from 10,000 to 11,750, +1,750 (+17.50%), where 17.4% is allowed",
        "instructions": "the instructions grew from 9,950 to 11,700, +1,750 (+17.59%), where 1,749 "
        "is allowed",
    }
    # What a limit names has to be known; one for all is for what both know.
    assert failed(accuracy=limit(1, True)) == {"accuracy": "the accuracy of a is not known"}
    assert failed(accuracy=limit(1, True, named=False)).keys() == {"totals"}
    result["totals"][4] |= {"after": None, "change": None}
    assert failed(cycles=limit(50, True, named=False)) == {
        "cycles": "the cycles of b are not known"
    }


def test_accuracy_is_judged_in_points_of_the_same_samples() -> None:
    about = {
        "model": "m", "board": "b", "core": "c", "emulator": "unicorn", "cycles": 9,
        "instructions": 9, "cycles_source": SOURCE, "mismatches": 0, "samples": 100,
    }  # fmt: skip
    sides = [{"test": {**about, "accuracy": value}} for value in (0.92, 0.91)]
    result = report.diff(*sides, ("a", "b"))
    for amount, percent, kept in ((1, True, 1), (0.9, True, 0), (0.01, False, 1), (0, False, 0)):
        (verdict,) = report.diff_verdicts(result, {"accuracy": report.Limit(amount, percent)})
        assert (verdict.error is None) == kept and verdict.detail.startswith("-1.00 points")
    sides[0]["test"]["measured_cycles"], sides[1]["test"]["measured_cycles"] = 1000, 1100
    for side, early in zip(sides, (1, 0), strict=True):  # samples that did
        side["test"]["early_exit"] = {"left_early": early}
    result = report.diff(*sides, ("a", "b"))
    (verdict,) = report.diff_verdicts(result, {"measured cycles": report.Limit(5, True)})
    assert verdict.detail == "+100 (+10.00%), 5% allowed" and verdict.error is not None
    assert not any("incomparable" in total for total in result["totals"])
    sides[1]["test"]["samples"] = 50
    result = report.diff(*sides, ("a", "b"))
    (verdict,) = report.diff_verdicts(result, {"accuracy": report.Limit(5, True)})
    assert verdict.error.what == "the accuracy of both do not compare: other samples"


def test_other_boards_and_emulators_are_flagged() -> None:
    before = known(layer("a"))
    after = copy.deepcopy(before)
    for section in after.values():
        section |= {"board": "microbit", "core": "cortex-m0"}
    after["profile"] |= {"emulator": "qemu"}
    result = report.diff(before, after, ("a", "b"))
    reasons = {total["name"]: total.get("incomparable") for total in result["totals"]}
    assert reasons["flash"] == "other board" and reasons["cycles"] == "other core"
    assert result["layers"][0]["cycles_change"] is None
    assert result["layers"][0]["after"]["cycles"] == 1000  # shown nevertheless
    assert "the board is another: stm32f4_discovery, then microbit" in result["notes"]
    (verdict,) = report.diff_verdicts(result, {"cycles": report.Limit(9, True, named=False)})
    assert verdict.error.what == "the cycles of both do not compare: other core"
    # Of the same core alone the emulator counts.
    before["profile"] |= {"emulator": "qemu", "core": "cortex-m0", "board": "microbit"}
    before["build"] |= {"core": "cortex-m0", "board": "microbit"}
    result = report.diff(before, after, ("a", "b"))
    assert not any("incomparable" in total for total in result["totals"])


def test_the_comment(request) -> None:
    before = known(layer("first", cycles=6000), layer("head", "FullyConnected"))
    slower = layer("first", cycles=7200) | {"kernel": "conv2d_s8", "rejected": [
        {"kernel": "conv2d_s8_dsp", "reason": "filters | too large"}]}  # fmt: skip
    after = known(slower, layer("put_in", "Add", cycles=90), layer("head", "FullyConnected"))
    result = report.diff(before, after, ("old/@them", "<new>"))
    checks = report.diff_verdicts(result, {"cycles": report.Limit(2, True)})
    pinned(request, "report/diff.md", report.diff_markdown(result, checks))
    same = report.diff_markdown(report.diff(before, before, ("a", "a")))
    assert "All 2 layers are the same." in same and "<details>" not in same
