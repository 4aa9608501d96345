"""Text from the files of ``templates/``, by jinja2."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ..files.paths import kernel_file, resource
from .layout import folded
from .names import Field, f32

if TYPE_CHECKING:
    import jinja2


def render(template: str, /, **values: Any) -> str:
    """The text of ``templates/<template>.j2`` with these values; it ends in one newline, and lines
    of C are folded, those of kernels filled up. A value that the template asks for and is not given
    is an error of jinja2."""
    text = _environment().get_template(f"{template}.j2").render(values).rstrip("\n") + "\n"
    if not template.endswith((".c", ".h")):
        return text
    return folded(text, refill=template.startswith("kernels/"))


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.FileSystemLoader(resource("templates")), jinja2.FunctionLoader(_brought)]
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # of what a template includes; `render` ends in one
        autoescape=False,
    )
    env.filters["f32"] = f32
    env.filters["any"] = lambda value: "any" if isinstance(value, Field) else value
    return env


def _brought(name: str) -> tuple[str, str, None] | None:
    """The template of a plugin's kernel, and its file."""
    room, _, name = name.partition("/")
    if room != "kernels":
        return None
    file = kernel_file("templates", name)
    return file.read_text(), str(file), None
