"""C in lines of a width that a person reads, however long the names of a model make them."""

from __future__ import annotations

WIDTH = 100
_LEAST = 30
"""Columns that must be left for what goes on below a bracket."""


def folded(text: str) -> str:
    """C text without lines wider than `WIDTH`, where that needs no more than a break in a comment,
    or behind a comma between brackets: the rest goes on below what the bracket holds first."""
    lines, found = text.splitlines(), []
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        comment = _is_comment(line)
        while len(line) > WIDTH:
            cut = _in_comment(line) if comment else _at_comma(line)
            if cut is None:
                break
            end, indent = cut
            found.append(line[:end])
            line = indent + line[end:].lstrip()
            # What the text itself has below is filled up again.
            if index < len(lines) and not comment and line.endswith(","):
                below = lines[index]
                if below.lstrip() == below.removeprefix(indent) != "":
                    line = f"{line} {below.lstrip()}"
                    index += 1
        found.append(line)
    return "\n".join(found) + "\n"


def _is_comment(line: str) -> bool:
    text = line.strip()
    return text.startswith("/*") and text.find("*/") in (-1, len(text) - 2)


def _in_comment(line: str) -> tuple[int, str] | None:
    """Where a line of a comment ends, and what the next begins with."""
    indent = line[: len(line) - len(line.lstrip())]
    begin = f"{indent} * " if line.startswith("/*", len(indent)) else f"{indent}* "
    end = line.rfind(" ", len(begin), WIDTH + 1)
    if line[end:].strip() == "*/":
        end = line.rfind(" ", len(begin), end)
    return (end, begin) if end > 0 else None


def _at_comma(line: str) -> tuple[int, str] | None:
    """The same of code: behind the last comma between the outermost brackets that have one."""
    start = len(line) - len(line.lstrip())
    if line[start] == "#" or '"' in line:
        return None
    open: list[int] = []
    found: dict[int, tuple[int, int]] = {}
    for place, character in enumerate(line[:WIDTH]):
        if character in "([{":
            open.append(place)
        elif character in ")]}" and open:
            open.pop()
        elif character == "," and open:
            found[len(open)] = (place + 1, open[-1] + 1)
    if not found:
        return None
    end, column = found[min(found)]
    return end, " " * (column if column <= WIDTH - _LEAST else start + 8)
