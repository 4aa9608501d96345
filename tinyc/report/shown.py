"""What a page shows of a test: metrics side by side, classes, the worst samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .drawing import curve, picture
from .facts import Report

_RATES = {"accuracy": "accuracy", "top_5_accuracy": "top-5 accuracy", "auc": "AUC"}
_ERRORS = {
    "root_mean_square_error": "RMSE",
    "mean_absolute_error": "MAE",
    "largest_error": "largest",
    "relative_l2_error": "relative L2",
    "cosine_similarity": "cosine",
}
_WAYS = {
    "board, from targets": "target_errors",
    "reference, from targets": "reference_target_errors",
    "original, from targets": "original_target_errors",
    "board, from reference": "reference_errors",
}


def outputs(test: Report) -> list[dict[str, Any]]:
    """For each output: ``rates`` of the board, the reference and the original (text, or "" where
    there is none), ``errors`` of numbers from others, ``classes`` with their recall, and the
    ``confusion`` of them, whose cells tell how deep a color they have."""
    return [_output(port, bool(test["changed_by"])) for port in test["outputs"]]


def _output(port: Mapping[str, Any], changed: bool) -> dict[str, Any]:
    rates = [
        [name, *(_part(port.get(f"{of}{key}")) for of in ("", "reference_", "original_"))]
        for key, name in _RATES.items()
        if key in port
    ]
    ways = {way: port[key] for way, key in _WAYS.items() if key in port}
    if changed and "root_mean_square_error" in port:
        ways["board, from original"] = port
    errors = [[way, *(_number(found.get(key)) for key in _ERRORS)] for way, found in ways.items()]
    names = {c["class"]: c.get("name", str(c["class"])) for c in port.get("classes", ())}
    return {
        "port": port,
        "rates": rates,
        "has_original": any(row[3] for row in rates),
        "errors": errors,
        "error_names": list(_ERRORS.values()),
        "names": names,
        "classes": port.get("classes", ()),
        "confusion": list(_confusion(port.get("confusion", ()))),
    }


def _part(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _confusion(table: Any) -> Iterator[list[dict[str, int]]]:
    """Each row as its cells: ``samples``, and ``heat``, in percent of the row, of 60."""
    for row in table:
        total = sum(row) or 1
        yield [{"samples": n, "heat": round(60 * n / total)} for n in row]


def worst(test: Report) -> list[dict[str, Any]]:
    """The worst samples: what is said of each, and its inputs as pictures or curves."""
    if "worst" not in test:
        return []
    output = next(p for p in test["outputs"] if p["name"] == test["worst"]["output"])
    names = {c["class"]: c.get("name", str(c["class"])) for c in output.get("classes", ())}
    return [
        {"text": ", ".join(_said(sample, names)), "inputs": [_drawn(x) for x in sample["inputs"]]}
        for sample in test["worst"]["samples"]
    ]


def _said(sample: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[str]:
    yield f"sample {sample['index']:,}"
    if "label" in sample:
        yield f"is {names.get(sample['label'], sample['label'])}"
    if "decided" in sample:
        yield f"taken for {names.get(sample['decided'], sample['decided'])}"
    if "original" in sample:
        yield f"by the original for {names.get(sample['original'], sample['original'])}"
    for key, name in (("margin", "margin"), ("error", "RMSE"), ("anomaly_score", "score")):
        if key in sample:
            yield f"{name} {sample[key]:.3g}"


def _drawn(given: Mapping[str, Any]) -> dict[str, Any]:
    """An input of [height, width, 1 or 3] as a picture; of [rows, columns, ...] else as one of a
    channel; of one axis as a curve."""
    values = np.array(given["values"], np.float64)
    shape = [n for n in given["shape"] if n != 1]
    channels = given["shape"][-1]
    if len(given["shape"]) == 3 and channels == 3:
        shown = values.reshape(given["shape"])
    elif len(shape) == 2:
        shown = values.reshape(*shape, 1)
    else:
        low, high = float(values.min()), float(values.max())
        return {"name": given["name"], "points": curve(values.tolist()), "low": low, "high": high}
    return {"name": given["name"], "picture": picture(shown), "shape": shown.shape[:2]}
