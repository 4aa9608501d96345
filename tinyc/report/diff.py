"""What is different between two builds: totals, and layers held against each other.

A build is what its ``report.json`` states of it: title -> report, of ``build``, ``test`` and
``profile`` those that were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ..errors import CompileError
from .facts import Report
from .verdicts import Verdict

Known = Mapping[str, Report]

PARTS = ("accuracy", "agreement")
"""Totals that are a part of the samples, 0 to 1, and better the greater they are."""
SIZES = ("flash", "RAM", "arena", "stack")
"""Totals in bytes."""
_COUNTS = ("cycles", "board cycles", "instructions")
MEASURED = "measured cycles"
"""By a board on the desk."""
BUDGETS = ("flash", "RAM", "cycles", "accuracy")
"""What one limit for everything is for."""
LIMITED = (*SIZES, *_COUNTS, MEASURED, *PARTS)

_SAME_NAME, _SAME_SHAPE = 2, 3
"""What a pair of layers is worth to an alignment. A layer is called after its place as often as
not (``conv2d_3``), so that one that has been put in renames all behind it: what they compute says
more, but not so much that layers which all grew are taken for their neighbours."""


@dataclass(frozen=True)
class Limit:
    """By how much a total may be worse: a number of its own unit, or ``percent`` of what it was
    before, of `PARTS` in percent of all samples. named: whether it is for this total alone."""

    amount: float
    percent: bool
    named: bool = True


def diff(before: Known, after: Known, names: tuple[str, str]) -> Report:
    """The object of ``tinyc diff --json``. names: what the two were called."""
    counts = _counted(before, after)
    sides = [
        _side(known, name, count)
        for known, name, count in zip((before, after), names, counts, strict=True)
    ]
    reasons = _reasons(sides, counts)
    tests = (before.get("test", {}), after.get("test", {}))
    totals = _totals((before.get("build", {}), after.get("build", {})), counts, tests, reasons)
    return {
        "before": sides[0],
        "after": sides[1],
        "totals": totals,
        "layers": _layers(before, after, totals),
        "notes": _notes(sides, counts, tests),
    }


def _counted(before: Known, after: Known) -> tuple[Report, Report]:
    """Of each side the report that counts its cycles: of the same kind where both have one."""
    for title in ("profile", "test"):
        pair = (before.get(title, {}), after.get(title, {}))
        if all(report.get("instructions") is not None for report in pair):
            return pair
    first, second = (known.get("profile") or known.get("test") or {} for known in (before, after))
    return first, second


def _side(known: Known, name: str, count: Report) -> Report:
    one = next(iter(known.values()))
    return {
        "name": name,
        "model": one["model"],
        "board": one["board"],
        "core": one["core"],
        "toolchain": known.get("build", {}).get("toolchain"),
        "emulator": count.get("emulator"),
        "cycles_source": count.get("cycles_source"),
    }


def _differ(sides: Sequence[Report], key: str) -> bool:
    """Whether both sides know ``key``, and otherwise."""
    return len({side[key] for side in sides if side[key] is not None}) > 1


def _reasons(sides: Sequence[Report], counts: Sequence[Report]) -> dict[str, str]:
    """Total -> why its numbers do not compare."""
    found: dict[str, str] = {}
    if _differ(sides, "board"):
        found |= dict.fromkeys((*SIZES, "board cycles", MEASURED), "other board")
    exits = [count.get("early_exit", {}).get("left_early") for count in counts]
    # Of a test it is a number, and the counts are those of the worst case.
    if all(isinstance(exit, bool) for exit in exits) and exits[0] != exits[1]:
        found |= dict.fromkeys(_COUNTS, "one ended early")
    if _differ(sides, "emulator"):
        found |= dict.fromkeys(_COUNTS, "other emulator")
    if _differ(sides, "cycles_source"):
        found |= dict.fromkeys(("cycles", "board cycles"), "cycles of another source")
    if _differ(sides, "core"):
        found |= dict.fromkeys(_COUNTS, "other core")
    return found


def _notes(sides: Sequence[Report], counts: Sequence[Report], tests: Sequence[Report]) -> list[str]:
    notes = [
        f"the {key} is another: {sides[0][key]}, then {sides[1][key]}"
        for key in ("model", "board", "core", "toolchain", "emulator")
        if _differ(sides, key)
    ]
    if _differ(sides, "board"):
        apart = "sizes and cycles do" if _differ(sides, "core") else "sizes do"
        notes.append(f"{apart} not compare between boards")
    if all(counts) and ("layers" in counts[0]) != ("layers" in counts[1]):
        notes.append("cycles are of a profile on one side, and of a test on the other")
    for side, count in zip(sides, counts, strict=True):
        if "layers" not in count:
            what = "cycles by layer are" if count else "cycles are"
            notes.append(f"of {side['name']} no {what} known: `tinyc profile` counts them")
    if all(tests) and tests[0]["samples"] != tests[1]["samples"]:
        few, many = (f"{test['samples']:,}" for test in tests)
        notes.append(f"the tests are of other samples: {few}, then {many}")
    return notes


def _totals(
    builds: Sequence[Report],
    counts: Sequence[Report],
    tests: Sequence[Report],
    reasons: Mapping[str, str],
) -> list[Report]:
    sources: dict[str, tuple[Sequence[Report], str]] = {
        "flash": (builds, "flash_bytes"),
        "RAM": (builds, "ram_bytes"),
        "arena": (builds, "arena_bytes"),
        "stack": (builds, "stack_bytes"),
        "cycles": (counts, "cycles"),
        "board cycles": (counts, "board_cycles"),
        "instructions": (counts, "instructions"),
        MEASURED: (tests, "measured_cycles"),
        "accuracy": (tests, "accuracy"),
        "agreement": (tests, "agreement"),
        "mismatches": (tests, "mismatches"),
    }
    if all(tests) and tests[0]["samples"] != tests[1]["samples"]:
        reasons = {**reasons, **dict.fromkeys((*PARTS, "mismatches"), "other samples")}
    return [
        _total(name, reports[0].get(key), reports[1].get(key), reasons.get(name))
        for name, (reports, key) in sources.items()
    ]


def _total(name: str, before: Any, after: Any, reason: str | None) -> Report:
    total = {"name": name, "before": before, "after": after, "change": None, "percent": None}
    if before is None or after is None:
        return total
    total["change"] = round(after - before, 6)
    if before and name not in PARTS:
        total["percent"] = 100 * (after - before) / before
    return total | ({"incomparable": reason} if reason else {})


# Layers ------------------------------------------------------------------------------------


def _costs(known: Known) -> list[tuple[Report, list[Report]]]:
    """Of each layer `tinyc.report.objects.DiffCost`, and the faster kernels that it does not
    have."""
    built = known.get("build", {}).get("layers")
    counted = known.get("profile", {}).get("layers")
    found = []
    for index, layer in enumerate(built or counted or []):
        count = counted[index] if counted and index < len(counted) else {}
        cost = {
            "index": layer["index"],
            "name": layer["name"],
            "op": layer["op"],
            "shape": layer.get("shape"),
            "kernel": layer["kernel"],
            "macs": layer["macs"] + layer.get("binary_macs", 0),
            "constant_bytes": layer.get("constant_bytes"),
            "instructions": count.get("instructions"),
            "cycles": count.get("cycles"),
        }
        found.append((cost, layer.get("rejected", [])))
    return found


def _name(cost: Report) -> tuple[Any, ...]:
    return cost["name"], cost["op"]


def _shape(cost: Report) -> tuple[Any, ...]:
    return cost["op"], str(cost["shape"]), cost["macs"]


def _pairs(
    before: Sequence[Report], after: Sequence[Report], keys: Sequence[Any]
) -> list[tuple[int, int]]:
    """Which layers of both are the same by the first of ``keys``, in order; what lies between two
    such pairs is aligned by the next one."""
    if not (keys and before and after):
        return []
    first, second = ([keys[0](cost) for cost in costs] for costs in (before, after))
    found, old, new = [], 0, 0
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    for start, other, size in blocks:  # the last one is empty and at the end
        between = _pairs(before[old:start], after[new:other], keys[1:])
        found += [(old + i, new + j) for i, j in between]
        found += [(start + i, other + i) for i in range(size)]
        old, new = start + size, other + size
    return found


def aligned(before: Sequence[Report], after: Sequence[Report]) -> list[tuple[int, int]]:
    """Pairs (index before, index after) of the layers that are in both, rising in both. They are
    paired by name, operator, output shape and MACs, then by name before shape or by shape before
    name, whichever finds more, and what is left by name alone and by operator alone."""

    def both(cost: Report) -> tuple[Any, ...]:
        return (*_name(cost), *_shape(cost))

    def title(cost: Report) -> Any:
        return cost["name"]

    def operator(cost: Report) -> Any:
        return cost["op"]

    def worth(pairs: Sequence[tuple[int, int]]) -> int:
        return sum(
            _SAME_NAME * (title(before[i]) == title(after[j]))
            + _SAME_SHAPE * (_shape(before[i]) == _shape(after[j]))
            for i, j in pairs
        )

    orders = ((_name, _shape), (_shape, _name))
    ways = [_pairs(before, after, (*start, *order, title, operator))
            for order in orders for start in ((both,), ())]  # fmt: skip
    return max(ways, key=worth)


def _layers(before: Known, after: Known, totals: Sequence[Report]) -> list[Report]:
    old, new = _costs(before), _costs(after)
    pairs = aligned([cost for cost, _ in old], [cost for cost, _ in new])
    gone = set(range(len(old))) - {i for i, _ in pairs}
    added = set(range(len(new))) - {j for _, j in pairs}
    whole = {total["name"]: total for total in totals}
    compare = "incomparable" not in whole["cycles"]
    found = [_layer(old[i], new[j], whole, compare) for i, j in pairs]
    found += [_layer(None, new[j], whole, compare) for j in sorted(added)]
    found += [_layer(old[i], None, whole, compare) for i in sorted(gone)]

    def place(layer: Report) -> tuple[float, int]:
        return -layer["share_percent"], (layer["after"] or layer["before"])["index"]

    return sorted(found, key=place)


_Side = tuple[Report, list[Report]]


def _layer(
    old: _Side | None, new: _Side | None, whole: Mapping[str, Report], compare: bool
) -> Report:
    """compare: whether cycles of both sides do."""
    before, refused = old or (None, [])
    after, refuses = new or (None, [])

    def change(key: str) -> int | None:
        """A layer that is not there has no costs, if the other side knows its own."""
        first, second = (0 if cost is None else cost[key] for cost in (before, after))
        return None if first is None or second is None else second - first

    cycles = change("cycles") if compare else None
    constants = change("constant_bytes")
    shares = [
        100 * part / whole[name]["before"]
        for part, name in ((cycles, "cycles"), (constants, "flash"))
        if part and whole[name]["before"]
    ]
    state = "new" if before is None else "removed" if after is None else "same"
    refusals = [] if before is None else [r for r in refuses if r not in refused]
    if before is not None and after is not None:
        keys = ("op", "shape", "kernel", "macs", "constant_bytes")
        if refusals or cycles or any(before[key] != after[key] for key in keys):
            state = "changed"
    known = before["cycles"] if before else None
    return {
        "state": state,
        "before": before,
        "after": after,
        "cycles_change": cycles,
        "cycles_percent": 100 * cycles / known if known and cycles is not None else None,
        "constant_bytes_change": constants,
        "share_percent": max(shares, key=abs, default=0.0),
        "not_taken": refusals,
    }


# Verdicts ----------------------------------------------------------------------------------


def diff_verdicts(result: Report, limits: Mapping[str, Limit]) -> list[Verdict]:
    """Whether each total keeps to its limit, E606 of those that do not, and of those that cannot
    be told: that do not compare, are gone, or, where a limit names them, are not there."""
    origin = f"{result['after']['model']} on {result['after']['board']}"
    totals = {total["name"]: total for total in result["totals"]}
    found = []
    for name, limit in limits.items():
        total = totals[name]
        old, new = total["before"], total["after"]
        if old is None and not limit.named:
            continue
        if old is None or new is None:
            side = result["before" if old is None else "after"]["name"]
            what = f"the {name} of {side} {'are' if name.endswith('s') else 'is'} not known"
            hint = _KNOWN_BY.get(name, "`tinyc profile` counts them")
            error = CompileError("E606", origin, what, hint)
            found.append(Verdict(name, "not known", error))
            continue
        if reason := total.get("incomparable"):
            what = f"the {name} of both do not compare: {reason}"
            error = CompileError("E606", origin, what, "compare builds for the same board")
            found.append(Verdict(name, f"does not compare: {reason}", error))
            continue
        found.append(_kept(origin, total, limit))
    if not found and limits:
        what = f"neither side knows the {', the '.join(limits)}"
        error = CompileError("E606", origin, what, "compare builds of `tinyc build`")
        found.append(Verdict("totals", "not known", error))
    return found


_KNOWN_BY = {
    **dict.fromkeys(SIZES, "`tinyc build` measures it"),
    MEASURED: "`tinyc test --target` measures them",
    **dict.fromkeys(PARTS, "`tinyc test --data` with labels tells it"),
}


def _kept(origin: str, total: Report, limit: Limit) -> Verdict:
    name, old = total["name"], total["before"]
    part = name in PARTS
    worse = -total["change"] if part else total["change"]
    allowed = limit.amount
    if limit.percent:
        allowed = limit.amount / 100 * (1 if part else old)
    most = f"{limit.amount:g}%" if limit.percent else number(name, limit.amount)
    detail = f"{changed(total)}, {most} allowed"
    if worse <= allowed + (1e-9 if part else 0):
        return Verdict(name, detail)
    verb = "fell" if part else "grew"
    error = CompileError(
        "E606", origin,
        f"the {name} {verb} from {number(name, old)} to {number(name, total['after'])}, "
        f"{changed(total)}, where {most} is allowed",
        "find what made it worse among the layers, or allow more by --fail-over",
    )  # fmt: skip
    return Verdict(name, detail, error)


def number(name: str, value: float | int | None) -> str:
    """A total as text, with its unit where that is not its name."""
    if value is None:
        return ""
    if name in PARTS:
        return f"{value:.4f}"
    return f"{value:,.0f} bytes" if name in SIZES else f"{value:,.0f}"


def changed(total: Report) -> str:
    """By how much a total has changed, as ``+1,220 (+1.43 %)``."""
    if total["change"] is None:
        return ""
    if not total["change"]:
        return "the same"
    if total["name"] in PARTS:
        return f"{100 * total['change']:+.2f} points"
    percent = f" ({total['percent']:+.2f}%)" if total["percent"] is not None else ""
    return f"{total['change']:+,.0f}{percent}"
