"""What each technique brings: chains on a few networks, measured on two emulated cores.

    python -m tinyc.search.table [NETWORK ...]

trains and measures what ``table.toml`` lists and writes ``measured.json``, chain by chain, so that
what was measured is not measured again. docs/compression.md and `tinyc advise` tell of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..compress.keras import chain
from ..compress.keras.base import Data, Training, Work
from ..compress.keras.export import CALIBRATION, convert
from ..compress.keras.load import load
from ..files.folder import written
from ..files.paths import resource
from ..listener import Listener
from ..settings import Config
from ..target.boards import load_board
from ..train import dataset
from . import data as datas
from .measure import measure
from .run import compressed, ready

ROWS = Path(__file__).with_name("table.toml")
MEASURED = Path(__file__).with_name("measured.json")
RECIPE = "recipe:"
"""Before the name of a recipe whose committed weights are measured in the place of a chain."""
UNLABELLED = 512
"""Random inputs in the place of data that there are not."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Strict):
    """model: in the data's folder, or recipe: which `tinyc train` trains; data: see
    `tinyc.search.data.load`, if None inputs of a ``normal`` distribution (mean, deviation); first:
    a chain that comes before each of the rows and before what they are held against; the rest: see
    `Training`."""

    title: str
    model: str | None = None
    recipe: str | None = None
    data: str | None = None
    normal: tuple[float, float] = (0.0, 1.0)
    pixels: tuple[float, float] = (-1.0, 1.0)
    first: str | None = None
    epochs: float = 1
    learning_rate: float = 1e-3
    shift: int = 0
    flip: bool = False


class Row(_Strict):
    """A chain; hardware: what it needs; when: to use it; on: names of networks."""

    chain: str
    title: str
    hardware: str
    when: str
    on: list[str]


class Table(_Strict):
    """``table.toml``. boards: core, as keys name it -> the board that stands for it."""

    boards: dict[str, str]
    networks: dict[str, Network]
    rows: list[Row]


def table() -> Table:
    """What is to be measured."""
    return Table.model_validate(tomllib.loads(ROWS.read_text()))


def measured() -> dict[str, dict[str, Any]]:
    """Network -> chain -> figures of each of the table's boards, and ``seconds`` of training."""
    return dict(json.loads(MEASURED.read_text())) if MEASURED.exists() else {}


class _Log(Listener):
    def info(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    warn = info


def run(names: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(network, chain, figures) of what was not measured yet."""
    wanted, known = table(), measured()
    for name in names or wanted.networks:
        network = wanted.networks[name]
        rows = [r for r in wanted.rows if name in r.on and r.chain not in known.get(name, {})]
        if not rows:
            continue
        with tempfile.TemporaryDirectory(prefix="tinyc-") as folder:
            work = _start(name, network, Path(folder))
            for row in rows:
                print(f"{name}: {row.chain}", file=sys.stderr, flush=True)
                began = time.monotonic()
                data, typical = work.data, None
                if row.chain.startswith(RECIPE):
                    path = resource("recipes") / f"{row.chain.removeprefix(RECIPE)}.tflite"
                    typical = Path(folder) / "typical.npz"
                    data = _of_recipe(work.data)
                    np.savez(typical, x=data.typical(CALIBRATION, 0))
                else:
                    path = Path(folder) / "model.tflite"
                    path.write_bytes(convert(compressed(work, chain.parse(row.chain))))
                seconds = round(time.monotonic() - began, 1)
                yield name, row.chain, {**_figures(path, data, typical), "seconds": seconds}


def _start(name: str, network: Network, folder: Path) -> Work:
    place = dataset.default_folder()
    model = str(place / network.model) if network.model else _trained(network, folder)
    ready(name)
    loaded = load(model)
    shape = tuple(loaded.input_shape[1:])
    if network.data is None:
        rng = np.random.default_rng(0)
        x = rng.normal(*network.normal, (UNLABELLED, *shape)).astype(np.float32)
        data = Data(x, x[:64], name="random inputs")
    else:
        cache = Path(tempfile.gettempdir()) / "tinyc-table"
        cache.mkdir(exist_ok=True)
        data = datas.load(network.data, shape, cache, network.pixels)
    training = Training(
        network.epochs, learning_rate=network.learning_rate, shift=network.shift, flip=network.flip
    )
    core = load_board(table().boards["m4"]).core
    work = Work(loaded, data, training, loaded, core=core, listener=_Log())
    if network.first is None:
        return work
    made = compressed(work, chain.parse(network.first))
    return replace(work, model=made.model, teacher=made.model)


def _of_recipe(data: Data) -> Data:
    """The same, as networks of recipes take pixels: -1 to 1."""
    middle = dataset.middle(data.x)
    return replace(data, scale=1 / middle, offset=-1.0)


def _trained(network: Network, folder: Path) -> str:
    from ..train import recipe as recipes
    from ..train.run import train

    assert network.recipe is not None
    name, settings = recipes.load(network.recipe)
    train(name, settings, None, folder / name, False, lambda *_: lambda step: None, lambda e: None)
    return str(folder / name / f"{name}.keras")


def _figures(path: Path, data: Data, typical: Path | None) -> Mapping[str, Any]:
    """Of a model's file on each of the table's boards; accuracy once, for it is the same. typical:
    inputs by which what is float32 between binary layers becomes int8."""
    found = {}
    for core, board in table().boards.items():
        settings = Config(board=board, lock="none", calibrate=str(typical) if typical else None)
        found[core] = measure(path, settings, data if core == "m4" else None).facts
    return found


def main() -> None:
    """Measure, and write after each chain what is known."""
    parser = argparse.ArgumentParser(prog="python -m tinyc.search.table", description=__doc__)
    parser.add_argument("networks", nargs="*", help="by default all")
    for network, text, figures in run(parser.parse_args().networks):
        known = measured()
        known.setdefault(network, {})[text] = figures
        with written(MEASURED) as file:
            file.write((json.dumps(known, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
