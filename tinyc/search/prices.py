"""What each layer of a model is at some bits: its loss alone, and its measured bytes and cycles."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..compress.keras import chain
from ..compress.keras.base import Price, Work
from ..errors import CompileError
from ..files.folder import written
from ..settings import Config
from .layers import layers
from .measure import opened
from .run import compressed
from .sensitivity import sensitivity

BITS = (8, 4, 2)

Prices = Mapping[str, Mapping[int, Price]]

FILE = "prices.json"
"""Where a search keeps them, in its folder."""


class Priced:
    """The prices of a work's model, measured when they are first asked for, and kept in a file;
    digest: of what they depend on."""

    def __init__(self, work: Work, settings: Config, file: Path, digest: str) -> None:
        self._work, self._settings, self._file, self._digest = work, settings, file, digest
        self._known: Prices | None = None

    def __call__(self) -> Prices:
        if self._known is None:
            self._known = self._read()
        if self._known is None:
            self._work.listener.info("measuring each layer at 8, 4 and 2 bits")
            self._known = measured(self._work, self._settings)
            self._write(self._known)
        return self._known

    def _read(self) -> Prices | None:
        digest, known = kept(self._file)
        return known if digest == self._digest else None

    def _write(self, prices: Prices) -> None:
        table: dict[str, Any] = {
            name: {str(bits): asdict(price) for bits, price in layer.items()}
            for name, layer in prices.items()
        }
        content = json.dumps({"digest": self._digest, "layers": table}, indent=2) + "\n"
        with written(self._file) as file:
            file.write(content.encode())


def kept(file: Path) -> tuple[str | None, Prices]:
    """What `Priced` wrote into a file: of which model and settings, and the prices; None and
    nothing where there is no such file."""
    try:
        found = json.loads(file.read_bytes())
        return found["digest"], {
            name: {int(bits): Price(**price) for bits, price in layer.items()}
            for name, layer in found["layers"].items()
        }
    except (OSError, ValueError, TypeError, KeyError):
        return None, {}


def measured(work: Work, settings: Config) -> Prices:
    """Of a build for each number of bits, all layers alike, nothing trained; none where it does not
    fit the board."""
    from ..compress.keras.export import convert

    found: dict[int, dict[str, tuple[int, int]]] = {}
    with tempfile.TemporaryDirectory(prefix="tinyc-") as folder:
        path = Path(folder) / "model.tflite"
        for bits in BITS:
            text = f"bits:{bits}:first={bits}:epochs=0"
            path.write_bytes(convert(compressed(work, chain.parse(text))))
            try:
                known = layers(opened(path, settings))
            except CompileError as error:
                if error.id == "E401":
                    return {}
                raise
            found[bits] = {layer.name: (layer.bytes, layer.cycles) for layer in known}
    loss = sensitivity(work, BITS[1:])
    return {
        name: {
            bits: Price(0.0 if bits == BITS[0] else changes[bits].loss, *found[bits][name])
            for bits in BITS
        }
        for name, changes in loss.items()
        if all(name in found[bits] for bits in BITS)
    }
