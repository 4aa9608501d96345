"""``tinyc train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion
from .call import Call
from .options import verb
from .printing import log, print_json, print_table, show, train_progress


@verb("output_dir * as_json verbose quiet")
def train(
    call: Call,
    recipe: Annotated[
        str,
        typer.Argument(help="A name, or the path of a .toml.", autocompletion=completion.recipes),
    ],
    epochs: Annotated[int | None, typer.Option(min=1, help="Other than the recipe's.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="An .npz with images x and classes y, or CIFAR-10's archive or folder "
            "[in the folder that TINYC_DATA names].",
            autocompletion=completion.files(".npz", ".tar.gz"),
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on from a checkpoint, or start anew.")
    ] = True,
) -> None:
    """Train the network of a recipe: weights, TensorBoard logs, a checkpoint to go on from."""
    from .. import config
    from ..train import recipe as recipes
    from ..train.run import train as run_training

    own = config.project()
    name, settings = recipes.load(recipe, map(Path, own.recipes))
    settings = settings.model_copy(update={"epochs": epochs} if epochs else {})
    folder = Path(call.given["output_dir"] or "build") / "train" / name
    log.info(f"training {name} in {folder}")
    try:
        with train_progress() as (started, on_epoch):
            result = run_training(name, settings, data, folder, resume, started, on_epoch)
    except KeyboardInterrupt:
        checkpoint = folder / "checkpoint.npz"
        if checkpoint.exists():
            again = "the same command" if resume else "the same command without --fresh"
            log.info(f"stopped; {again} goes on from {checkpoint}")
        raise
    if call.as_json:
        print_json("train", result)
    else:
        print_table(["what", "value"], [[k, show(v)] for k, v in result.items() if k != "versions"])
    log.info(f"wrote {folder / name}.tflite")
