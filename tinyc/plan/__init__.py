"""Plan: the kernel of each node, their order, and the arena."""

from .chain import Chain
from .choose import Choice, choices, kernel_of, why_not, workload
from .plan import ALIGN, Plan
from .planner import plan
from .step import Step

__all__ = [
    "ALIGN", "Chain", "Choice", "Plan", "Step", "choices", "kernel_of", "plan", "why_not",
    "workload",
]  # fmt: skip
