"""What a test found of a network that may be left early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Array, applies
from ..ops.confident import Confident
from ..plan import Plan
from ..plan.heads import Head, accuracy

if TYPE_CHECKING:
    from ..run import Trace

COUNTS = ("instructions", "cycles", "board_cycles")


def early_exit(plan: Plan) -> dict[str, Any]:
    """``head``, the side head's name, and ``threshold``, where it is sure; empty of a network that
    has none."""
    side = plan.graph.side
    if side is None:
        return {}
    (decides,) = (s.node for s in plan.steps if applies(s.node, Confident))
    return {"early_exit": {"head": side.name, "threshold": decides.op.threshold}}


def exit_of_one(plan: Plan, trace: Trace) -> dict[str, Any]:
    """The same, with whether the first inference of a run ended there, ``left_early``."""
    found = early_exit(plan)
    if found and trace.early is not None:
        found["early_exit"]["left_early"] = bool(trace.early[0])
    return found


def tested_exit(plan: Plan, trace: Trace, head: Head, ours: Array, labels: Array | None) -> Any:
    """The object ``early_exit`` of a test. ours: the firmware's outputs, [n, *shape]; labels: int64
    [n], if there are any."""
    found = early_exit(plan)
    if not found or trace.early is None:
        return {}
    early, worst = trace.early, trace.worst
    facts = {
        **found["early_exit"],
        "left_early": int(early.sum()),
        "share": float(early.mean()),
        **_accuracies(head, early, ours, labels),
        "counted": len(trace.counted),
    }
    for key in COUNTS:
        if getattr(trace, key) is not None:
            average = trace.average(key)
            facts[f"average_{key}"] = None if average is None else round(average)
            facts[f"worst_case_{key}"] = None if worst is None else getattr(worst, key)
    return {"early_exit": facts}


def _accuracies(head: Head, early: Array, ours: Array, labels: Array | None) -> Mapping[str, float]:
    """Of the samples that left early, and of the others, as far as there are any with labels."""
    if labels is None:
        return {}
    return {
        key: accuracy(head, ours[which], labels[which])
        for key, which in (("accuracy_early", early), ("accuracy_final", ~early))
        if np.any(labels[which] >= 0)
    }
