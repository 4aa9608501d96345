"""Which array of given data is which of a model's inputs and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import CompileError
from ..ir.ports import Port
from ..plan.heads import Head
from .npz import Rowed


def input_keys(arrays: Mapping[str, Rowed], ports: tuple[Port, ...], origin: str) -> list[str]:
    """The key of each input."""
    names = [set(_named(port)) for port in ports]
    known = set().union(*names)
    by_name, by_place = [], []
    for port in ports:
        by_name.append([k for k in _named(port) if k in arrays])
        place = "x" if len(ports) == 1 and "x" in arrays else f"x_{port.index}"
        by_place.append([place] if place in arrays and place not in known else [])
    listed = ", ".join(port.name for port in ports)
    is_a = f"the model's inputs are {listed}" if len(ports) > 1 else f"the input is '{listed}'"
    # A key that labels may have is an input's only where nothing else is.
    if all(by_place) and all(set(k) <= label_like(arrays) for k in by_name):
        by_name = [[] for _ in ports]
    if any(by_name) and any(by_place):
        both = [next(filter(None, found))[0] for found in (by_name, by_place)]
        raise CompileError(
            "E211", origin, f"names inputs in two ways, as '{both[0]}' and '{both[1]}'",
            f"{is_a}: give each once",
        )  # fmt: skip
    found = by_name if any(by_name) else by_place
    for port, keys in zip(ports, found, strict=True):
        if len(keys) > 1:
            raise CompileError("E211", origin, f"gives an input twice, {keys}", is_a)
        if not keys:
            it_has = f"(it has {', '.join(arrays) or 'none'})"
            if len(ports) == 1:
                what, example = f"has no array 'x' {it_has}", "x=inputs"
            else:
                what = f"has no array for the input '{port.name}' {it_has}"
                example = ", ".join(f"{p.identifier}=..." for p in ports)
            raise CompileError(
                "E211", origin, what, f"{is_a}: save numpy.savez(path, {example}, y=labels)"
            )
    return [keys[0] for keys in found]


def _named(port: Port) -> list[str]:
    return list(dict.fromkeys((port.name, port.identifier)))


def label_like(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if key == "y" or key.startswith("y_")}


def label_keys(
    keys: list[str], outputs: tuple[Head, ...], of_y: Head | None, origin: str
) -> dict[str, Head | None]:
    """The keys of labels and the outputs that they are of; of_y: that of ``y``, None where no
    output can have it."""
    found: dict[str, Head | None] = {}
    for head in outputs:
        own = [f"y_{name}" for name in (*_named(head.port), str(head.port.index))]
        for key in keys:
            if key in own and key not in found:
                found[key] = head
    if "y" in keys:
        found["y"] = of_y
    listed = ", ".join(head.port.name for head in outputs)
    twice = [h for h in found.values() if h is not None and list(found.values()).count(h) > 1]
    if twice:
        both = [key for key, head in found.items() if head is twice[0]]
        raise CompileError(
            "E211", origin, f"gives the labels of '{twice[0].port.name}' twice, {both}",
            f"the model's outputs are {listed}: give each once",
        )  # fmt: skip
    wrong = [key for key in keys if key.startswith("y_")]
    if wrong and not found:
        raise CompileError(
            "E211", origin, f"has labels '{wrong[0]}', and the model has no such output",
            f"its outputs are {listed}: y, or y_<output>",
        )  # fmt: skip
    return found
