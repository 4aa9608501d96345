"""``tinyc compress``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from .call import Call
from .options import verb
from .printing import Terminal, log, print_json, print_table, show


@verb(
    "model * board output_dir toolchain emulator optimize trust as_json verbose quiet",
)
def compress(
    call: Call,
    chain: Annotated[
        str | None,
        typer.Option("--with", help="Techniques, as prune:0.7,int4; see docs/compression.md."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="An .npz with inputs x and classes y, or digits or cifar10."),
    ] = None,
    pixels: Annotated[
        str, typer.Option(help="What the pixels of digits and cifar10 become, as 0,255.")
    ] = "-1,1",
    teacher: Annotated[
        str | None, typer.Option(help="A Keras model that distillation learns from [the model].")
    ] = None,
    epochs: Annotated[float, typer.Option(min=0, help="Of each technique that trains.")] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Samples of a step.")] = 128,
    learning_rate: Annotated[float, typer.Option(min=0, help="Adam's, at its start.")] = 1e-3,
    shift: Annotated[int, typer.Option(min=0, help="Shift images by up to so many pixels.")] = 0,
    flip: Annotated[bool, typer.Option("--flip", help="Mirror images left to right.")] = False,
    precision: Annotated[
        str, typer.Option(help="auto, float32, mixed_float16 or mixed_bfloat16, in training.")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
) -> None:
    """Make a Keras model smaller: prune, quantize, cluster, distil; trained and measured."""
    from .. import config
    from ..compress.keras.base import Precision, Training
    from ..errors import CompileError
    from ..search import data as datas
    from ..search.run import compress as run

    settings = config.load(call.given)
    if not settings.model:
        hint = "`tinyc compress MODEL.h5 --data train.npz --board stm32 --with int4`"
        raise CompileError("E201", call.verb, "no model is named", hint)
    if not settings.board:
        raise CompileError(
            "E201", call.verb, "no board is named", "pass --board; see `tinyc boards`"
        )
    if data is None:
        raise CompileError("E201", call.verb, "no data are given", "pass --data train.npz")
    if precision not in get_args(Precision):
        hint = f"use {', '.join(get_args(Precision))}"
        raise CompileError("E209", "--precision", f"{precision!r} is none", hint)
    from ..compress.keras import chain as chains
    from ..compress.keras.load import load

    chains.parse(chain or "int8")
    shape = tuple(load(settings.model, settings.trust).input_shape[1:])
    folder = Path(settings.output_dir) / "compress" / Path(settings.model.split(":")[0]).stem
    given = datas.load(data, shape, folder.parent, _pair(pixels), seed)
    chosen = cast(Precision, precision)
    training = Training(epochs, batch, learning_rate, 0.0, shift, flip, chosen, seed)
    result = run(
        settings.model, chain or "int8", given, training, settings, folder, teacher, Terminal()
    )
    if call.as_json:
        print_json("compress", result)
    else:
        rows = [
            [key, show(result["before"][key]), show(result["after"][key])]
            for key in result["after"]
            if result["after"][key] is not None
        ]
        print_table(["what", "int8", ", ".join(result["techniques"])], rows)
    log.info(f"wrote {result['file']}")


def _pair(text: str) -> tuple[float, float]:
    from ..errors import CompileError

    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        what, hint = f"{text!r} is no range", "give the lowest and the highest, as 0,255"
        raise CompileError("E209", "--pixels", what, hint) from None
    return low, high
