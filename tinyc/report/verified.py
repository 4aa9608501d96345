"""What `tinyc verify` found: its verdict, and its stages and its layer as rows of text."""

from __future__ import annotations

from typing import Any

from .. import plugins
from ..errors import CompileError
from .facts import Report
from .verdicts import Verdict


def verified(verify: Report) -> Verdict:
    """Whether each stage was as the one before it: the verdict ``stages``, with E507."""
    stages = verify["stages"]
    count = f"{len(stages)} stages, {verify['samples']} samples"
    if verify["failed"] is None:
        return Verdict("stages", f"each as the one before it: {count}")
    found = next(stage for stage in stages if stage["stage"] == verify["failed"])
    what = f"stage '{found['stage']}' is not as '{found['against']}': {told(found, verify)}"
    layer = verify["layer"]
    if layer is not None:
        what += f"; the first layer is '{layer['name']}' ({layer['op']}), which {layer['what']}"
    elif "note" in verify:
        what += f"; {verify['note']}"
    hint = "--bisect finds the layer" if verify["operands"] is None else ""
    if verify["operands"] is not None:
        hint = f"what it read and gave is in {verify['operands']}"
        if plugins.folders() and layer is not None:
            hint += "; is it a plugin that is wrong?"
    origin = f"{verify['model']} on {verify['board']}"
    return Verdict("stages", f"FAIL in {found['stage']}", CompileError("E507", origin, what, hint))


def told(stage: dict[str, Any], verify: Report) -> str:
    """What a comparison came to, in words."""
    parts = []
    if stage["verdict"] == "FAIL" and stage["mismatches"]:
        parts.append(f"{stage['mismatches']} of {verify['samples']} samples differ")
    if stage["largest_deviation"]:
        parts.append(f"by up to {stage['largest_deviation']:.3g}")
    if stage["agreement"] is not None:
        parts.append(f"agreement {stage['agreement']:.4f}")
    if stage["relative_l2_error"] is not None:
        parts.append(f"relative error {stage['relative_l2_error']:.3g}")
    return ", ".join(parts) or stage["compared"]


def stage_table(verify: Report) -> tuple[list[str], list[list[str]]]:
    """Heading and rows of its stages."""
    rows = [
        [stage["stage"], stage["by"], stage["verdict"], told(stage, verify)]
        for stage in verify["stages"]
    ]
    return ["stage", "by", "verdict", "compared"], rows


def layer_rows(verify: Report) -> list[tuple[str, str]]:
    """What there is to say of where two stages part; empty where they do not."""
    if verify["failed"] is None:
        return []
    found = next(stage for stage in verify["stages"] if stage["stage"] == verify["failed"])
    rows = [("first difference", f"stage '{found['stage']}', against '{found['against']}'")]
    if (layer := verify["layer"]) is not None:
        by = ", ".join(filter(None, (layer["op"], layer["kernel"], layer["symbol"])))
        rows += [("first layer", f"{layer['name']} ({by})"), ("", layer["what"])]
        if layer["expected"] is not None and layer["found"] is not None:
            at = ", ".join(map(str, layer["index"]))
            rows += [
                ("in sample", f"{layer['sample']}"),
                ("differ", f"{layer['mismatches']:,} of {layer['elements']:,} elements"),
                ("the first", f"[{at}]: {layer['found']:g}, expected {layer['expected']:g}"),
            ]
            if layer["largest_deviation"] is not None:
                rows.append(("largest", f"{layer['largest_deviation']:g}"))
    elif "note" in verify:
        rows.append(("first layer", f"not known: {verify['note']}"))
    if verify["operands"] is not None:
        rows.append(("operands", verify["operands"]))
    return rows
