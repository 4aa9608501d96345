"""What passed and what did not: reports held against what is expected of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import plugins
from ..errors import CompileError
from ..plan.heads import RULES
from .facts import Report
from .table import is_worst_case

if TYPE_CHECKING:
    from ..settings import Expect


@dataclass(frozen=True)
class Verdict:
    """One check of a test: passed if ``error`` is None."""

    name: str
    detail: str
    error: CompileError | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Verdict:
        """That of such `facts`."""
        told = facts["error"]
        error = told and CompileError(told["id"], told["place"], told["what"], told["hint"])
        return cls(facts["name"], facts["detail"], error)

    @property
    def facts(self) -> dict[str, Any]:
        """What ``--json`` states of it."""
        return {
            "name": self.name,
            "passed": self.error is None,
            "detail": self.detail,
            "error": None if self.error is None else self.error.facts,
        }


def verdicts(
    expect: Expect, build: Report, test: Report | None = None, strict: bool = False
) -> list[Verdict]:
    """Every check that the thresholds ask for, over a build and, if there was one, its test;
    strict: what is odd about the answers is checked, too."""
    origin = f"{build['model']} on {build['board']}"
    found = []
    if test is not None:
        found.append(_equal(origin, test))
        if expect.min_accuracy is not None:
            labelled = [e["accuracy"] for e in test.get("outputs", ()) if "accuracy" in e]
            worst = min(labelled, default=test["accuracy"])
            found.append(_accuracy(origin, worst, expect.min_accuracy))
        least = expect.least_agreement(test["changed_by"])
        if "agreement" in test and test.get("data") is not None and least is not None:
            found.append(_agreement(origin, test, least))
        if strict:
            found.append(_answers(origin, test))
    return [*found, *budgets(expect, build, test)]


def budgets(expect: Expect, build: Report, run: Report | None = None) -> list[Verdict]:
    """The checks of what a build takes and, if there was one, what its test or profile counted."""
    origin = f"{build['model']} on {build['board']}"
    counted = [
        ("E601", "cycles", "cycles", expect.max_cycles),
        ("E604", "instructions", "instructions", expect.max_instructions),
    ]
    sizes = [
        ("E602", "flash", "flash_bytes", expect.max_flash),
        ("E603", "ram", "ram_bytes", expect.max_ram),
    ]
    if run is not None and "early_exit" in run and not is_worst_case(run):
        run = {**run, "cycles": None, "instructions": None}
    return [
        _budget(id, origin, name, of[key], limit, "early_exit" in of)
        for of, checks in ((run, counted), (build, sizes))
        if of is not None
        for id, name, key, limit in checks
        if limit is not None
    ]


def _equal(origin: str, test: Report) -> Verdict:
    """Whether the board gave what the reference does: ``bit_exact`` where that is meant."""
    wrong, count = test["mismatches"], test["samples"]
    # Reports of earlier versions do not tell of single outputs.
    outputs = test.get("outputs", ())
    compared = {entry["compared"] for entry in outputs}
    name = "bit_exact" if compared <= {RULES["bits"]} else "within_tolerance"
    detail = f"{count - wrong} of {count} samples"
    if name == "within_tolerance":
        known = [entry["largest_deviation"] for entry in outputs]
        most = "not finite" if None in known else f"{max(known):.3g}"
        detail += f", largest deviation {most}, allowed {' and '.join(sorted(compared))}"
    if not wrong:
        return Verdict(name, detail)
    error = CompileError(
        "E501", origin,
        f"{wrong} of {count} samples differ from the reference, the first is "
        f"{test['first_mismatch']}",
        "it is a plugin that is wrong, or tinyc or its compiler" if plugins.folders() else
        "this is a bug in tinyc or its compiler: report it with the model",
    )  # fmt: skip
    return Verdict(name, detail, error)


def _answers(origin: str, test: Report) -> Verdict:
    """Whether the answers depend on the inputs."""
    odd = [entry["constant"] for entry in test.get("outputs", ()) if "constant" in entry]
    if not odd:
        return Verdict("answers", "they depend on the inputs, as far as these tell")
    hint = "look whether the model is trained, and the inputs scaled as then, or leave out --strict"
    return Verdict("answers", "; ".join(odd), CompileError("E258", origin, "; ".join(odd), hint))


def low_agreement(test: Report, least: float) -> dict[str, Any] | None:
    """The output of a test that falls furthest below ``least``, None if there is none; only where
    the network was changed."""
    entries = [e for e in test["outputs"] if test["changed_by"] and "agreement" in e]
    worst = min(entries, key=lambda entry: entry["agreement"], default=None)
    return None if worst is None or worst["agreement"] >= least else worst


def disagreement(test: Report, worst: Mapping[str, Any], least: float) -> str:
    """What a low agreement is, in words."""
    cost = f": {test['cost']}" if test.get("cost") else ""
    return (
        f"agreement {worst['agreement']:.4f} of '{worst['name']}' with the model as it was given "
        f"is below {least:.4f}{cost}"
    )


_LOWER = {
    "quantization": "quantize with more inputs, like those of the test, or train for int8",
    "conversion": "look at what the converter made of the model",
    "binarization": "report it with the model: signs should not change",
    "calibration": "calibrate with data like those of the test, and more of them, or keep float32",
}
"""What to do about a cost; of a technique there is to be less."""


def _agreement(origin: str, test: Report, least: float) -> Verdict:
    detail = f"{test['agreement']:.4f} of at least {least:.4f}"
    worst = low_agreement(test, least)
    if worst is None:
        return Verdict("agreement", detail)
    change = test.get("costliest") or test["changed_by"][-1]
    remedy = _LOWER.get(change, f"give --compress {change} a smaller amount, or leave it out")
    hint = f"{remedy}; [expect] min_agreement or --min-agreement sets the limit"
    error = CompileError("E504", origin, disagreement(test, worst, least), hint)
    return Verdict("agreement", detail, error)


def _accuracy(origin: str, value: float | None, least: float) -> Verdict:
    if value is None:
        error = CompileError(
            "E503", origin, "an accuracy is expected, the data has no labels",
            "pass --data with an array 'y'",
        )  # fmt: skip
        return Verdict("accuracy", "no labels", error)
    detail = f"{value:.4f} of at least {least:.4f}"
    error = CompileError("E502", origin, f"accuracy {value:.4f} is below {least:.4f}")
    return Verdict("accuracy", detail, error if value < least else None)


def _budget(
    id: str, origin: str, name: str, value: int | None, limit: int, early: bool = False
) -> Verdict:
    """early: whether an inference may end early."""
    if value is None and early:
        error = CompileError(
            id, origin, f"the {name} of the worst case are not known: no input that goes on to the "
            "final head was counted",
            "pass --data with some that do, and use --emulator unicorn",
        )  # fmt: skip
        return Verdict(name, "worst case not known", error)
    if value is None:
        error = CompileError(
            id, origin, f"this emulator counts no {name}", "use --emulator unicorn"
        )
        return Verdict(name, "not counted", error)
    over = value > limit
    what = f"{name} {value:,} is over the budget of {limit:,} by {value - limit:,}"
    return Verdict(
        name, f"{value:,} of at most {limit:,}", CompileError(id, origin, what) if over else None
    )
