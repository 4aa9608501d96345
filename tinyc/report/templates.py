"""Pages of HTML from templates/report/, by jinja2: each needs no other file and no network."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ..files.paths import resource

if TYPE_CHECKING:
    import jinja2


def rendered(template: str, /, **values: Any) -> str:
    """The text of ``templates/report/<template>.html.j2`` with these values, which are escaped; one
    that the template asks for and is not given is an error of jinja2."""
    return _environment().get_template(f"report/{template}.html.j2").render(values)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["n"] = lambda number: f"{number:,}"
    env.filters["percent"] = lambda part, digits=1: f"{100 * part:.{digits}f} %"
    return env
