"""What a page draws, as places in units of its own: the arena, the graph, curves, pictures."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Array
from ..plan.plan import aligned
from .facts import Report


@dataclass(frozen=True)
class Scale:
    """A range of numbers on a range of places."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low or 1)
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self, parts: int = 4) -> list[float]:
        return [self.low + (self.high - self.low) * i / parts for i in range(parts + 1)]


def short(name: str) -> str:
    """What is told of a name that a converter made of a path, or of several: the last part of the
    first."""
    return name.split(";")[0].rstrip("/").split("/")[-1] or name


def labels(build: Report) -> dict[str, str]:
    """Number of a value -> whose it is: the name of an input, or of the layer that makes it."""
    found = {port["value"]: f"input {port['name']}" for port in build["inputs"]}
    for layer in build["layers"]:
        outputs = layer["writes"]
        for i, value in enumerate(outputs):
            found[value["value"]] = layer["name"] + (f" [{i}]" if len(outputs) > 1 else "")
    return found


def named(text: str, known: Mapping[str, str]) -> str:
    """``text`` with the names of the values whose numbers stand in it."""
    return re.sub(r"%\d+", lambda found: known.get(found[0], found[0]), text)


# The arena -------------------------------------------------------------------------------

_WIDTH, _HEIGHT = 720, 340
_LEFT, _BOTTOM, _TOP, _RIGHT = 70, 30, 8, 8
_LINE = 14
"""Height of a line of text; a character is about 6.6 wide."""


def arena(build: Report) -> dict[str, Any] | None:
    """Address over layers: each buffer as a rectangle from its first layer to its last; None where
    the network needs no arena."""
    buffers, layers = build["arena"]["buffers"], build["layers"]
    if not buffers or not layers or not build["arena_bytes"]:
        return None
    known, count = labels(build), len(layers)
    x = Scale(-1, count + 1, _LEFT, _WIDTH - _RIGHT)
    y = Scale(0, build["arena_bytes"], _HEIGHT - _BOTTOM, _TOP)
    pieces: list[dict[str, Any]] = []
    for buffer in buffers:
        first, last = max(buffer["first"], -1), min(buffer["last"], count)
        left, right = x.at(first), x.at(last + 1)
        bottom, top = y.at(buffer["offset"]), y.at(buffer["offset"] + buffer["bytes"])
        width, height = round(right - left, 1), max(round(bottom - top, 1), 1)
        scratch = not buffer["values"]
        name = named(buffer["holds"], known)
        if buffer["holds"] == "scratch":
            name = f"scratch of {layers[first]['name']}"
        fits = width >= 6.6 * len(name) + 8 and height >= _LINE
        # What lies over another, or beside it, has its name on another line.
        line = max(first, 0) % min(4, max(1, int(height / _LINE)))
        pieces.append(
            {
                "x": left, "y": top, "width": width, "height": height,
                "name": name, "label": name if fits else "",
                "label_y": round(top + _LINE * (line + 0.8), 1),
                "kind": "scratch" if scratch else "value",
                "buffer": buffer, "alive": _alive(first, last, count),
            }
        )  # fmt: skip
    every = max(1, -(-count // 12))
    peak = build["arena"]["peak_layer"]
    at_peak = [p for p in pieces if p["buffer"]["first"] <= peak <= p["buffer"]["last"]]
    alive = sum(aligned(p["buffer"]["bytes"]) for p in at_peak)
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "bottom": _HEIGHT - _BOTTOM,
        "pieces": pieces,
        "x": [{"at": x.at(i + 0.5), "text": i} for i in range(0, count, every)],
        "y": [{"at": y.at(v), "text": f"{v:,.0f}"} for v in y.ticks()],
        "peak": {"x": x.at(peak), "width": round(x.at(peak + 1) - x.at(peak), 1), "y": _TOP},
        "at_peak": sorted(at_peak, key=lambda p: -p["buffer"]["bytes"]),
        "shared": alive - build["arena"]["peak_bytes"],
    }


def _alive(first: int, last: int, count: int) -> str:
    begin = "the start" if first < 0 else f"layer {first}"
    end = "the end" if last >= count else f"layer {last}"
    return f"in {begin}" if begin == end else f"from {begin} to {end}"


# The graph -------------------------------------------------------------------------------

_BOX, _GAP = (212, 40), (28, 22)
_CHARACTERS = 30


def graph(build: Report) -> dict[str, Any]:
    """The network from above to below: a box for each input, layer and output, in the row after the
    last of what it reads."""
    boxes: list[dict[str, Any]] = []
    made: dict[str, int] = {}
    edges: list[tuple[int, int]] = []

    def box(kind: str, title: str, text: str, reads: Iterable[str]) -> int:
        sources = [made[value] for value in dict.fromkeys(reads) if value in made]
        row = max((boxes[s]["row"] for s in sources), default=-1) + 1
        boxes.append({"kind": kind, "title": title, "text": text, "row": row})
        edges.extend((source, len(boxes) - 1) for source in sources)
        return len(boxes) - 1

    for port in build["inputs"]:
        made[port["value"]] = box("port", f"input {port['name']}", _type(port), ())
    for layer in build["layers"]:
        types = ", ".join(_type(value) for value in layer["writes"])
        title = f"{layer['index']} {layer['name']}"
        at = box("box", title, f"{layer['op']}: {types}", layer["reads"])
        made.update((value["value"], at) for value in layer["writes"])
    for port in build["outputs"]:
        box("port", f"output {port['name']}", _type(port), [port["value"]])

    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in boxes:
        rows[one["row"]].append(one)
    across, down = _BOX[0] + _GAP[0], _BOX[1] + _GAP[1]
    width = max(map(len, rows.values()), default=1) * across + 2 * _GAP[0]
    for row, members in rows.items():
        for place, one in enumerate(members):
            one["x"] = round(width / 2 + (place - len(members) / 2) * across + _GAP[0] / 2, 1)
            one["y"] = _GAP[1] + row * down
            one["heading"], one["line"] = _cut(one["title"]), _cut(one["text"])
    return {
        "width": width,
        "height": len(rows) * down + _GAP[1],
        "box": _BOX,
        "boxes": boxes,
        "paths": [_path(boxes[a], boxes[b]) for a, b in edges],
    }


def _type(value: Mapping[str, Any]) -> str:
    return f"{'x'.join(map(str, value['shape']))} {value['dtype']}"


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"


def _path(source: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """From the foot of a box to the head of another; past those between them on their right."""
    x1, y1 = source["x"] + _BOX[0] / 2, source["y"] + _BOX[1]
    x2, y2 = target["x"] + _BOX[0] / 2, target["y"]
    if target["row"] == source["row"] + 1:
        return f"M{x1} {y1}C{x1} {y1 + 12} {x2} {y2 - 12} {x2} {y2}"
    side = max(source["x"], target["x"]) + _BOX[0] + _GAP[0] / 2
    return f"M{x1} {y1}C{x1} {y1 + 20} {side} {y1} {side} {y1 + 30}V{y2 - 30}C{side} {y2} {x2} {y2 - 20} {x2} {y2}"  # fmt: skip # noqa: E501


# Samples ---------------------------------------------------------------------------------


def curve(numbers: Sequence[float], width: int = 200, height: int = 120) -> str:
    """The ``points`` of a line through numbers, evenly spaced."""
    x = Scale(0, max(len(numbers) - 1, 1), 2, width - 2)
    y = Scale(min(numbers), max(numbers), height - 2, 2)
    return " ".join(f"{x.at(i)},{y.at(v)}" for i, v in enumerate(numbers))


def picture(pixels: Array) -> str:
    """float [height, width, 1 or 3] as a PNG in a data URI, its range stretched to 0 to 255."""
    low, high = float(pixels.min()), float(pixels.max())
    scaled = np.round((pixels - low) / (high - low or 1) * 255).astype(np.uint8)
    height, width, channels = scaled.shape
    rows = b"".join(b"\0" + row.tobytes() for row in scaled)  # each without a filter
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
