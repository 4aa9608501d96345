"""Plan: the kernel of each node, their order, and the arena."""

from .choose import Choice, choices, kernel_of, why_not, workload
from .plan import ALIGN, Plan, Step
from .planner import plan

__all__ = [
    "ALIGN", "Choice", "Plan", "Step", "choices", "kernel_of", "plan", "why_not", "workload",
]  # fmt: skip
