"""What a verification found: the section of the report, and the operands that are kept."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import disk_error
from ..files.folder import held, make_folder, mark, read_mark, written
from ..project import Project
from ..report import SCHEMA_VERSION, Report
from ..run.data import Samples
from .verify import Outcome, Step


def section(
    project: Project, samples: Samples, data: str | None, outcome: Outcome, operands: Path | None
) -> Report:
    """The object of ``tinyc verify --json``. data: the file that the samples are from, None for
    random ones; operands: where `keep` put them."""
    board = project.board
    return {
        "schema_version": SCHEMA_VERSION,
        "model": project.name,
        "board": board.name,
        "core": board.core.name,
        "data": data,
        "samples": len(samples),
        "stages": [_stage(step) for step in outcome.steps],
        "failed": None if outcome.failed is None else outcome.failed.stage.name,
        "layer": _layer(outcome),
        **({"note": outcome.note} if outcome.note and outcome.layer is None else {}),
        "operands": None if operands is None else str(operands),
    }


def _stage(step: Step) -> Report:
    return {
        "stage": step.stage.name,
        "by": step.stage.by,
        "against": None if step.before is None else step.before.name,
        "compared": step.compared,
        "verdict": step.verdict,
        "mismatches": step.wrong,
        "largest_deviation": _number(step.largest),
        "agreement": step.agreement,
        "relative_l2_error": _number(step.relative),
    }


def _layer(outcome: Outcome) -> Report | None:
    layer = outcome.layer
    if layer is None:
        return None
    known = layer.difference
    return {
        "name": layer.name,
        "op": layer.op,
        "origin": layer.origin,
        "value": layer.value,
        "what": layer.what,
        "kernel": layer.kernel,
        "symbol": layer.symbol,
        "sample": outcome.sample,
        "elements": known.elements if known else 0,
        "mismatches": known.wrong if known else 0,
        "largest_deviation": _number(known.largest) if known else None,
        "index": list(known.index) if known else [],
        "expected": _number(known.expected) if known else None,
        "found": _number(known.found) if known else None,
    }


def _number(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None


def keep(folder: Path, outcome: Outcome) -> Path | None:
    """Write what the first layer that differs read, gave and was to give into ``folder``, in the
    place of what an earlier verification wrote there; None where nothing differs. Raises
    CompileError E8xx (the disk)."""
    if outcome.failed is None or not outcome.operands:
        return None
    layer = "outputs" if outcome.layer is None else outcome.layer.name
    name = re.sub(r"[^\w.-]+", "_", f"{outcome.failed.stage.name}-{layer}").strip("._")[:80]
    path = folder / f"{name}.npz"
    arrays: dict[str, Any] = dict(outcome.operands)
    try:
        make_folder(folder.parent)
        with held(folder.parent):  # the build around it stays the one that it is of
            make_folder(folder)
            for old in (read_mark(folder) or {"files": ()})["files"]:
                (folder / old).unlink(missing_ok=True)
            with written(path) as file:
                np.savez_compressed(file, **arrays)
            mark(folder, "verify", [path.name])
    except OSError as error:
        raise disk_error(error, folder) from None
    return path
