"""Generated C keeps to its columns, and means the same."""

from __future__ import annotations

import pytest

from tinyc.emit.layout import WIDTH, folded

NAME = "a_name_of_forty_characters_or_about_that"


def squeezed(text: str) -> str:
    """Without the white space, and without the stars that continue a comment."""
    return "".join(text.replace("\n * ", "").replace("\n     * ", "").split())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            f"    call({NAME}, {NAME}, {NAME});\n",
            f"    call({NAME}, {NAME},\n         {NAME});\n",
        ),
        (  # What lies below is filled up, what is no part of it stays.
            f"    call({NAME}, {NAME}, {NAME},\n         1, 2);\n    done();\n",
            f"    call({NAME}, {NAME},\n         {NAME}, 1, 2);\n    done();\n",
        ),
        (  # Outer brackets are broken before inner ones.
            f"    x = outer(f({NAME}, 1), g({NAME}, 2, 3));\n",
            f"    x = outer(f({NAME}, 1),\n              g({NAME}, 2, 3));\n",
        ),
        (  # An argument at a time, and what is below a bracket of the line above.
            f"    f({NAME}, {NAME}, {NAME},\n      {NAME}, {NAME}, {NAME});\n",
            f"    f({NAME}, {NAME},\n      {NAME}, {NAME},\n      {NAME}, {NAME});\n",
        ),
        (
            f"    {NAME} = f({NAME}) + 2 * {NAME};\n",
            f"    {NAME} =\n        f({NAME}) + 2 * {NAME};\n",
        ),
        (
            f"extern const int8_t {NAME}_and_more_and_more[8] __attribute__((aligned(4)));\n",
            f"extern const int8_t {NAME}_and_more_and_more[8]\n    __attribute__((aligned(4)));\n",
        ),
        (
            f"/* {'word ' * 20}*/\n",
            f"/* {' '.join(['word'] * 19)}\n * word */\n",
        ),
        (
            f"/*\n * {' '.join(['word'] * 20)}\n */\n{NAME} = 1;\n",
            f"/*\n * {' '.join(['word'] * 19)}\n * word\n */\n{NAME} = 1;\n",
        ),
    ],
)  # fmt: skip
def test_long_lines_are_folded(text: str, wanted: str) -> None:
    assert folded(text) == wanted
    assert max(map(len, wanted.splitlines())) <= WIDTH
    assert squeezed(wanted) == squeezed(text)


@pytest.mark.parametrize(
    "text",
    [
        f"#define X {{ {', '.join(['12345'] * 20)} }}\n",  # would need a backslash
        f'    print("{", ".join(["word"] * 20)}");\n',
        f"    {NAME}_{NAME}_{NAME} = 1;\n",
        "    short(1, 2);\n\n    /* as it is */\n",
    ],
)
def test_what_cannot_be_folded_stays(text: str) -> None:
    assert folded(text) == text


def test_a_bracket_far_to_the_right_has_room_below() -> None:
    text = folded(f"{NAME}_{NAME}(in, {NAME});\n")
    assert text.splitlines() == [f"{NAME}_{NAME}(", f"    in, {NAME});"]


def test_what_a_template_breaks_is_filled_up() -> None:
    call = f"    f({NAME},\n      {NAME}, 1,\n            2);\n"
    rest = "    /* (a,\n     * b) */\n    int a[] = {\n        1,\n    };\n"
    assert folded(call + rest) == call + rest
    assert folded(call + rest, refill=True) == f"    f({NAME}, {NAME}, 1, 2);\n{rest}"
