"""``tinyc doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .call import Call
from .options import verb
from .printing import print_json, print_table


@verb("as_json")
def doctor(call: Call) -> None:
    """Say which of the tools that tinyc can use are installed, and how to get the others."""
    from itertools import groupby

    from ..deploy import doctor as tools

    there = tools.inspect()
    if call.as_json:
        print_json("doctor", {"tools": there})
        return
    for group, entries in groupby(there, lambda tool: tool["group"]):
        rows = [[str(t["tool"]), found(t), str(t["purpose"])] for t in entries]
        print_table([group, "found", "used for"], rows)
    if missing := [[str(t["tool"]), str(t["remedy"])] for t in there if t["remedy"]]:
        print_table(["not there", "remedy"], missing)


def found(tool: Mapping[str, Any]) -> str:
    """What of a tool is there, and what is wrong with it."""
    if tool["problem"] and tool["version"]:
        return f"{tool['version']}: {tool['problem']}"
    return tool["problem"] or tool["version"] or "missing"
