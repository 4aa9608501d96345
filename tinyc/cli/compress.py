"""``tinyc compress``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import completion
from .call import Call
from .options import verb
from .printing import Terminal, log, print_front, print_json, print_table, search_progress, show
from .quantities import amount, pair, seconds

if TYPE_CHECKING:
    from ..search.recipe import Recipe
    from ..settings import Config


@verb(
    "model * board output_dir toolchain emulator optimize trust as_json verbose quiet",
)
def compress(
    call: Call,
    chain: Annotated[
        str | None,
        typer.Option(
            "--with",
            help="Techniques, as prune:0.7,int4; of a search, those that it tries [all].",
            autocompletion=completion.listed(completion.keras_techniques),
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="An .npz with inputs x and classes y, or digits or cifar10.",
            autocompletion=completion.files(".npz"),
        ),
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option(help="What the pixels of digits and cifar10 become, as 0,255 [-1,1]."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="A Keras model that distillation learns from [the model].",
            autocompletion=completion.models,
        ),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(min=0, help="Of each technique that trains [1].")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Samples of a step [128].")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Adam's, at its start [0.001].")
    ] = None,
    shift: Annotated[
        int | None, typer.Option(min=0, help="Shift images by up to so many pixels [0].")
    ] = None,
    flip: Annotated[
        bool | None, typer.Option("--flip", help="Mirror images left to right.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="auto, float32, mixed_float16 or mixed_bfloat16, in training [auto]."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random [0].")] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="That train [all processors, one in a search]; bits depend on them."
        ),
    ] = None,
    keep_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Search: lose at most this of the int8 form's, as 0.01."),
    ] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Search: least accuracy.")
    ] = None,
    max_flash: Annotated[
        str | None, typer.Option(help="Search: most bytes of flash, as 64K.")
    ] = None,
    max_ram: Annotated[str | None, typer.Option(help="Search: most bytes of RAM.")] = None,
    max_cycles: Annotated[
        str | None, typer.Option(help="Search: most modelled cycles, as 1.5M.")
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="Search: latency, ram, flash, balanced or extreme [balanced].",
            autocompletion=completion.goals,
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Search: trials, earlier ones counted [32].")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Search: how long, as 30m; the same command goes on.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Search: processes [one for each processor].")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Search: of a Dask cluster, as tcp://host:8786.")
    ] = None,
    view: Annotated[
        bool, typer.Option("--view", help="Open what each technique left in Netron.")
    ] = False,
) -> None:
    """Make a Keras model smaller: prune, quantize, cluster, distil; trained and measured.

    By the techniques of --with, or, with a bound, a goal or a number of trials, by a search.
    """
    from .. import config
    from ..errors import CompileError
    from ..search.explore import Question
    from ..search.front import Bounds, goal_of

    settings = config.load(call.given)
    training = {
        "epochs": epochs, "batch": batch, "learning_rate": learning_rate, "shift": shift,
        "flip": flip, "precision": precision, "seed": seed, "threads": threads,
    }  # fmt: skip
    given = {
        "with": chain, "data": data, "pixels": None if pixels is None else pair(pixels),
        "teacher": teacher, "board": settings.board, "toolchain": settings.toolchain,
        "optimize": call.given.get("optimize"),
    }  # fmt: skip
    asked = (keep_accuracy, min_accuracy, max_flash, max_ram, max_cycles, goal, trials, time)
    searched = any(option is not None for option in (*asked, workers, scheduler))
    if searched and view:
        what, hint = "shows the stages of one chain", "name it by --with, without bounds"
        raise CompileError("E201", "--view", what, hint)
    recipe = _recipe(call, settings, given, training, searched, goal)
    folder = Path(settings.output_dir) / "compress" / recipe.name
    if not searched:
        _one(call, recipe, settings, folder)
        if view:
            _view(folder)
        return
    bounds = Bounds(
        min_accuracy,
        amount(max_flash, "--max-flash"),
        amount(max_ram, "--max-ram"),
        amount(max_cycles, "--max-cycles"),
    )
    question = Question(
        bounds, keep_accuracy, goal_of(goal), trials or 32,
        None if time is None else seconds(time), workers or len(os.sched_getaffinity(0)), scheduler,
        recipe.training.seed,
    )  # fmt: skip
    _search(call, recipe, chain, settings, question, folder)


def _recipe(
    call: Call,
    settings: Config,
    given: Mapping[str, Any],
    training: Mapping[str, Any],
    searched: bool,
    goal: str | None,
) -> Recipe:
    """That of the file that is named in a model's place, or a new one, with what is given, and
    absolute paths."""
    from ..errors import CompileError
    from ..search import recipe as recipes
    from ..search.front import OPTIMIZE, goal_of

    if not settings.model:
        hint = "`tinyc compress MODEL.h5 --data train.npz --board stm32 --with int4`"
        raise CompileError("E201", call.verb, "no model is named", hint)
    values: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    own = {k: v for k, v in training.items() if v is not None}
    if settings.model.endswith(".toml"):
        known = recipes.load(Path(settings.model))
        values = recipes.absolute(values)
        plain = known.model_dump(by_alias=True, exclude_none=True)
        changed = {**plain, **values, "training": {**plain["training"], **own}}
        if changed != plain:
            changed.pop("result", None)  # which is of another recipe
        return recipes.checked_options(changed)
    if not settings.board:
        hint = "pass --board; see `tinyc boards`"
        raise CompileError("E201", call.verb, "no board is named", hint)
    if "data" not in values:
        raise CompileError("E201", call.verb, "no data are given", "pass --data train.npz")
    if searched:
        values.pop("with", None)
        values.setdefault("optimize", OPTIMIZE[goal_of(goal)])
    own.setdefault("threads", 1 if searched else len(os.sched_getaffinity(0)))
    values.setdefault("optimize", settings.optimize)
    return recipes.checked_options(
        recipes.absolute({**values, "model": settings.model}) | {"training": own}
    )


def _one(call: Call, recipe: Recipe, settings: Config, folder: Path) -> None:
    from ..compress.keras import chain as chains
    from ..search.run import compress as run

    chains.parse(recipe.with_)
    result = run(recipe, settings, folder, Terminal())
    if call.as_json:
        print_json("compress", result)
    else:
        before, after = result["before"] or {}, result["after"]
        rows = [
            [key, *("" if of.get(key) is None else _shown(of[key]) for of in (before, after))]
            for key in after
            if after[key] is not None
        ]
        print_table(["what", "int8", ", ".join(result["techniques"])], rows)
    log.info(f"wrote {result['file']} and {folder / 'report.html'}")


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else show(value)


def _view(folder: Path) -> None:
    """Serve the model after each technique, and the file, to a browser until it is interrupted.
    Raises CompileError E705 without Netron."""
    from ..frontends.packages import NETRON, require

    require("--view", NETRON)
    import netron

    shown = [*sorted((folder / "stages").glob("*.keras")), *folder.glob("*.tflite")]
    for path in shown:
        host, port = netron.start(str(path), browse=False)
        log.info(f"{path.name}: http://{host}:{port}")
    netron.wait()


def _search(
    call: Call, recipe: Recipe, names: str | None, settings: Config, question: Any, folder: Path
) -> None:
    from ..compress.keras.base import Known
    from ..search import chains
    from ..search.explore import explore
    from ..search.prices import FILE, Priced
    from ..search.recipe import Digests
    from ..search.run import start

    folder = folder / "search"
    work = start(recipe, settings.trust, Path(settings.output_dir), listener=Terminal())
    digests, builds = Digests(work.data), recipe.settings(settings)
    known = Known(work, Priced(work, builds, folder / FILE, digests(recipe)))
    problem = chains.Chains(recipe, builds, known, chains.allowed(names, work), digests)
    log.info(f"searching in {folder}")
    with search_progress() as watch:
        result = explore(problem, question, folder, recipe, watch, Terminal())
    if call.as_json:
        print_json("search", result)
    else:
        print_front(result)
    log.info(f"wrote {folder / recipe.name}.tflite, recipe.toml and report.html")
