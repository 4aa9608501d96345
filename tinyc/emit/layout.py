"""C in lines of a width that a person reads, however long the names of a model make them."""

from __future__ import annotations

WIDTH = 100
_OPERATORS = (" || ", " && ", " + ", " * ")
"""Those behind which a line may end, in the order in which they are taken."""


def folded(text: str, refill: bool = False) -> str:
    """C text without lines wider than `WIDTH`, where that needs no more than a break in a comment,
    or in code behind a comma between brackets or behind an operator, or before an attribute: the
    rest goes on below what the bracket, or the expression, holds first. Where clang-format would
    break a line of calls and comments, this breaks it.

    refill: arguments that the text has on several lines come to stand on as few as hold them.
    """
    lines = _refilled(text.splitlines()) if refill else text.splitlines()
    found: list[str] = []
    index, inside = 0, False
    while index < len(lines):
        line = lines[index]
        index += 1
        comment = inside or line.lstrip().startswith("/*")
        if comment:
            end = line.find("*/", 0 if inside else line.index("/*") + 2)
            inside = end < 0
            if not inside and line[end + 2 :].strip():  # code behind it
                comment = False
        while len(line) > WIDTH:
            cut = _in_comment(line) if comment else _in_code(line, found[-1] if found else "")
            if cut is None:
                break
            end, indent = cut
            found.append(line[:end])
            line = indent + line[end:].lstrip()
            # What the text itself has below is filled up again.
            if index < len(lines) and not comment and line.endswith(","):
                below = lines[index].strip()
                if below and not below.startswith(("#", "/*")):
                    line = f"{line} {below}"
                    index += 1
        found.append(line)
    return "\n".join(found) + "\n"


def _refilled(lines: list[str]) -> list[str]:
    """Each list of arguments on one line."""
    found: list[str] = []
    for line in lines:
        above = found[-1] if found else ""
        is_code = not above.lstrip().startswith(("/*", "#"))
        if is_code and above.endswith(",") and above.count("(") > above.count(")"):
            found[-1] = f"{above} {line.strip()}"
        else:
            found.append(line)
    return found


def _in_comment(line: str) -> tuple[int, str] | None:
    """Where a line of a comment ends, and what the next begins with."""
    indent = line[: len(line) - len(line.lstrip())]
    begin = f"{indent} * " if line.startswith("/*", len(indent)) else f"{indent}* "
    end = line.rfind(" ", len(begin), WIDTH + 1)
    if line[end:].strip() == "*/":
        end = line.rfind(" ", len(begin), end)
    return (end, begin) if end > 0 else None


def _in_code(line: str, before: str) -> tuple[int, str] | None:
    """The same of code below the line ``before``: a comma is better than an operator, and outer
    brackets are better than inner ones."""
    start = len(line) - len(line.lstrip())
    end = line.find(" __attribute__", start + 1, WIDTH + 1)
    if end > 0 and line[start] != "#" and line.count("(", 0, end) == line.count(")", 0, end):
        return end, " " * (start + 4)
    if line[start] == "#" or '"' in line or "//" in line:
        return None
    open: list[int] = []
    commas: dict[tuple[int, int], tuple[int, int]] = {}
    operators: dict[tuple[int, int], tuple[int, int]] = {}
    first = start if before.endswith((",", "(")) else None  # of a list whose bracket lies above
    equals = line.find(" = ")
    assigns = 0 < equals < WIDTH - 1 and first is None and not line.endswith(("{", ","))
    assigns = assigns and line.count("(", 0, equals) == line.count(")", 0, equals)
    if assigns and start + 4 + len(line) - (equals + 3) <= WIDTH:
        # What is assigned stands whole on a line of its own.
        return equals + 2, " " * (start + 4)
    for place, character in enumerate(line[:WIDTH]):
        column = open[-1] + 1 if open else first
        if character in "([{":
            open.append(place)
        elif character in ")]}" and open:
            open.pop()
        elif character == "," and column is not None:
            commas[len(open), 0] = (place + 1, column)
        for rank, operator in enumerate(_OPERATORS):
            end = place + len(operator) - 1
            if line.startswith(operator, place) and end <= WIDTH:
                column = column or (equals + 3 if equals > 0 else start)
                operators[len(open), rank] = (end, column)
    found = commas or operators
    if not found:
        return None
    end, column = found[min(found)]
    rest = line[end:].lstrip()
    held = line[column - 1] in "([{"
    # All that a bracket holds goes below where it has no room to the right, or, within functions,
    # takes three lines there and one below.
    narrow = column + max(map(len, rest.split(", "))) + 1 > WIDTH
    below = start + 4 + len(line) - column
    if narrow or (held and start and column + len(rest) > WIDTH >= below):
        return column if held else end, " " * (start + 4)
    return end, " " * column
