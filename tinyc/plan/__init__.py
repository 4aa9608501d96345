"""Plan: the kernel of each node, their order, and the arena."""

from .choose import workload
from .plan import ALIGN, Plan, Step
from .planner import plan

__all__ = ["ALIGN", "Plan", "Step", "plan", "workload"]
