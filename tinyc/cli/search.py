"""``tinyc search``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import completion
from .call import Call
from .options import verb
from .printing import Terminal, log, print_front, print_json, search_progress
from .quantities import amount, seconds

if TYPE_CHECKING:
    from ..search.recipe import Recipe
    from ..search.space import Search, Space
    from ..settings import Config


@verb("* board output_dir toolchain emulator optimize as_json verbose quiet")
def search(
    call: Call,
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]",
            help="The path of a .toml with a [space].",
            autocompletion=completion.files(".toml"),
        ),
    ] = None,
    supernet: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Cut networks from a supernet instead, as supernet.npz.",
            autocompletion=completion.files(".npz"),
        ),
    ] = None,
    chain: Annotated[
        str | None,
        typer.Option(
            "--with",
            help="Techniques on each [the recipe's, finetune; int8 of a subnet].",
            autocompletion=completion.listed(completion.keras_techniques),
        ),
    ] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least accuracy.")
    ] = None,
    max_flash: Annotated[str | None, typer.Option(help="Most bytes of flash, as 64K.")] = None,
    max_ram: Annotated[str | None, typer.Option(help="Most bytes of RAM.")] = None,
    max_cycles: Annotated[str | None, typer.Option(help="Most modelled cycles, as 1.5M.")] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="latency, ram, flash, balanced or extreme.", autocompletion=completion.goals
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Networks, earlier ones counted [the recipe's, 32].")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="How long, as 30m; the same command goes on.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes [one for each processor].")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Of a Dask cluster, as tcp://host:8786.")
    ] = None,
) -> None:
    """Find small networks for a board: trained, emulated, the best of them as a front."""
    from .. import config
    from ..errors import CompileError
    from ..search import space as spaces
    from ..search.explore import Question, explore
    from ..search.front import Bounds, goal_of
    from ..search.recipe import Digests
    from ..search.run import start

    settings = config.load(call.given)
    if (recipe is None) == (supernet is None):
        what, hint = "a recipe, or a supernet, is what it begins with", "`tinyc search RECIPE.toml`"
        raise CompileError("E201", call.verb, what, hint)
    asked = None if recipe is None else spaces.load(Path(recipe))
    given = {
        "min_accuracy": min_accuracy,
        "max_flash": amount(max_flash, "--max-flash"),
        "max_ram": amount(max_ram, "--max-ram"),
        "max_cycles": amount(max_cycles, "--max-cycles"),
    }
    said = {} if asked is None else {key: getattr(asked, key) for key in given}
    bounds = Bounds(**{**said, **{k: v for k, v in given.items() if v is not None}})
    wanted = goal_of(goal or (asked.goal if asked else None))
    home = Path(settings.output_dir) / "search"
    if asked is not None:
        folder = home / Path(str(recipe)).stem
        base, space = _networks(call, asked, settings, wanted, folder)
    else:
        folder = home / Path(str(supernet)).absolute().parent.name
        base, space = _subnets(call, Path(str(supernet)), settings, wanted)
    if chain is not None:
        base = base.model_copy(update={"with_": chain})
    work = start(base, False, Path(settings.output_dir))
    problem = spaces.Networks(base, base.settings(settings), space, Digests(work.data))
    question = Question(
        bounds, None, wanted, trials or (asked.trials if asked else 32),
        None if time is None else seconds(time), workers or len(os.sched_getaffinity(0)),
        scheduler, base.training.seed,
    )  # fmt: skip
    folder = folder / Path(base.board).stem
    log.info(f"searching in {folder}")
    with search_progress() as watch:
        result = explore(problem, question, folder, None, watch, Terminal())
    if call.as_json:
        print_json("search", result)
    else:
        print_front(result)
    log.info(f"wrote {folder / 'network.tflite'}, recipe.toml and report.html")


def _networks(
    call: Call, asked: Search, settings: Config, goal: str, folder: Path
) -> tuple[Recipe, Space]:
    """The recipe of one network; a supernet is trained before, unless it was already."""
    from ..search import supernet as supernets
    from ..search.run import start

    space, how = asked.space, asked.supernet
    chain = asked.with_ or ("finetune" if how is None else "int8")
    board = settings.board or asked.board
    largest = _one(call, asked, board, settings, goal, network=space.edge(-1), with_=chain)
    if how is None:
        return largest, space
    path = folder / "supernet.npz"
    known = supernets.load(path) if path.exists() else None
    same = (space, asked.training, how)
    if known is None or (known.space, known.training, known.how) != same:
        work = start(largest, False, Path(settings.output_dir))
        made = supernets.train(space, how, work, asked.training, asked.pixels, Terminal())
        supernets.save(made, path)
        log.info(f"wrote {path}")
    cut = {"network": None, "subnet": space.edge(-1), "supernet": str(path.absolute())}
    return largest.model_copy(update=cut), space


def _subnets(call: Call, path: Path, settings: Config, goal: str) -> tuple[Recipe, Space]:
    from ..search import supernet as supernets

    known = supernets.load(path)
    first = {"subnet": known.space.edge(-1), "supernet": str(path.absolute())}
    return _one(call, known, settings.board, settings, goal, **first), known.space


def _one(
    call: Call, asked: Any, board: str | None, settings: Config, goal: str, **more: Any
) -> Recipe:
    """A recipe with the data and the training of what is asked."""
    from ..errors import CompileError
    from ..search.front import OPTIMIZE
    from ..search.recipe import Recipe, absolute

    if not board:
        hint = "pass --board; see `tinyc boards`"
        raise CompileError("E201", call.verb, "no board is named", hint)
    optimize = call.given.get("optimize") or getattr(asked, "optimize", None) or OPTIMIZE[goal]
    training = asked.training.model_copy(update={"threads": asked.training.threads or 1})
    return Recipe(
        **absolute({"data": asked.data, "board": board}), pixels=asked.pixels,
        optimize=optimize, toolchain=settings.toolchain, training=training, **more,
    )  # fmt: skip
