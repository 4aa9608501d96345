"""``tinyc advise``."""

from __future__ import annotations

from .call import Call
from .options import verb
from .printing import log, print_json, print_table, progress, show


@verb(
    "model board toolchain optimize trust max_cycles max_flash max_ram as_json verbose quiet",
)
def advise(call: Call) -> None:
    """Say what to try where a model is too large or too slow, and why; nothing is trained."""
    from .. import config
    from ..errors import CompileError
    from ..search.advise import advise as ways_of
    from ..search.advise import facts, facts_of, questions

    settings = config.load(call.given)
    for what in ("model", "board"):
        if not getattr(settings, what):
            hint = "`tinyc advise MODEL.h5 --board stm32`"
            raise CompileError("E201", call.verb, f"no {what} is named", hint)
    with progress("measuring it as int8"):
        found = facts(settings, settings.expect.max_cycles)
    ways = ways_of(found)
    if call.as_json:
        print_json("advise", facts_of(found, ways))
        return
    print_table(["question", f"{found.model} as int8 on {found.board.name}"], [
        list(pair) for pair in questions(found)
    ])  # fmt: skip
    print_table(["", "what to try", "flash", "cycles", "accuracy", "keeps the limits"], [
        [
            str(place),
            f"{way.way.name}: {way.way.why}",
            "?" if way.flash_bytes is None else show(way.flash_bytes),
            "?" if way.cycles is None else show(way.cycles),
            "?" if way.accuracy is None else f"{way.accuracy * 100:+.1f} points",
            "yes" if way.reaches else "no" if way.network else "?",
        ]
        for place, way in enumerate(ways, 1)
    ])  # fmt: skip
    for place, way in enumerate(ways, 1):
        log.info(f"{place}. {way.command}")
    on = ", ".join(dict.fromkeys(way.network for way in ways if way.network))
    log.info(f"what is expected is by ratios that were measured on {on}, see docs/compression.md")
