"""``tinyc tune``."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .call import Call
from .options import verb
from .printing import log, print_json, print_table, progress, show

if TYPE_CHECKING:
    from ..job import Job
    from ..tuning.layers import Task
    from ..tuning.tune import Point, Tuned


_ORDERS = {"speed": "layer by layer", "balanced": "some by rows", "ram": "most by rows",
           "flash": "constants packed"}  # fmt: skip


@verb(
    "model board optimize stream feed early_exit max_flash max_ram backend database lock "
    "toolchain main calibrate compress float_glue trust as_json verbose quiet",
)
def tune(call: Call) -> None:
    """Measure every kernel of every layer, choose by cycles, flash and RAM, and keep the choice."""
    from .. import config
    from ..errors import disk_error
    from ..image.build import BuildOptions
    from ..passes import optimize
    from ..tuning import lock
    from ..tuning import tune as tuning
    from ..tuning.layers import Task

    settings = config.load(call.given)
    job = call.job(backend="templates", lock=lock.NONE)
    database, file = Path(settings.database), Path(settings.lock)
    if file.name != lock.NONE and file.exists():
        lock.read(file)  # what cannot be written in the end is told at once
    limits = (settings.expect.max_flash, settings.expect.max_ram)
    placed = settings.placement
    task = Task(
        optimize(job.compiled.graph),
        job.board,
        settings.backend,
        settings.optimize,
        (limits[0] or float("inf"), limits[1] or float("inf")),
        settings.toolchain,
        BuildOptions(settings.main, settings.model_id, placed.arena, placed.weights),
        settings.feed,
    )
    try:
        found = tuning.tune(task, database, _started)
        entry = _entry(job, task, found, limits)
        if file.name != lock.NONE:
            lock.write(file, entry)
    except KeyboardInterrupt:
        log.info(f"stopped; the same command goes on with {database}")
        raise
    except OSError as error:
        raise disk_error(error) from None
    kept = None if file.name == lock.NONE else str(file)
    if call.as_json:
        print_json("tune", {"database": str(database), "lock": kept, "build": entry})
    else:
        _print(entry)
    if kept:
        log.info(f"wrote {kept}, which builds take from now on")


@contextlib.contextmanager
def _started(what: str, total: int) -> Iterator[Any]:
    log.info(f"{what} {total} {'kernels alone' if what == 'measuring' else 'images'}")
    with progress(what, total) as advance:
        yield advance


def _entry(job: Job, task: Task, found: Tuned, limits: Sequence[int | None]) -> dict[str, Any]:
    """`tinyc.report.objects.TunedBuild`."""
    from .. import __version__
    from ..run.cycles import source
    from ..tuning.lock import digest

    sha256 = None
    with contextlib.suppress(OSError):  # a folder, or a function of a file
        sha256 = hashlib.sha256(Path(str(job.config.model)).read_bytes()).hexdigest()
    chosen = zip(found.layers, found.choices(found.best), found.best.layers, strict=True)
    return {
        "model": job.name,
        "core": task.board.core.title,
        "optimize": task.optimize,
        "graph": digest(task.graph),
        "sha256": sha256,
        "tinyc": __version__,
        "compiler": found.compiler,
        "board": task.board.name,
        "backend": task.backend,
        "max_flash": limits[0],
        "max_ram": limits[1],
        "cycles_source": source(task.board.core),
        "order": found.best.order,
        **_cost(found.best),
        "layers": [
            {
                "name": layer.step.name,
                "op": type(layer.step.node.op).__name__,
                "kernel": choice.kernel,
                **({"schedule": dict(choice.schedule)} if choice.schedule is not None else {}),
                "cycles": cycles,
                "ways": len(layer.ways),
            }
            for layer, choice, cycles in chosen
        ],
        "front": [_point(found, point) for point in found.points],
        "usual": None if found.usual is None else _point(found, found.usual),
    }


def _point(found: Tuned, point: Point) -> dict[str, Any]:
    kernels = [choice.kernel for choice in found.choices(point)]
    return {**_cost(point), "order": point.order, "kernels": kernels}


def _cost(point: Point) -> dict[str, int]:
    cost = point.cost
    return {"cycles": cost.cycles, "flash_bytes": cost.flash, "ram_bytes": cost.ram}


def _print(entry: Mapping[str, Any]) -> None:
    facts = ("model", "board", "core", "compiler", "optimize", "backend", "max_flash", "max_ram")
    rows = [[key.replace("_", " "), show(entry[key])] for key in facts if entry[key] is not None]
    source = entry["cycles_source"].removeprefix("cycles ").strip("()")
    print_table(["what", "value"], [*rows, ["cycles", source]])
    layers = [
        [
            str(index), layer["name"], layer["op"], layer["kernel"],
            ", ".join(f"{k} {v}" for k, v in layer.get("schedule", {}).items()),
            show(layer["cycles"]), show(layer["ways"]),
        ]
        for index, layer in enumerate(entry["layers"])
    ]  # fmt: skip
    heading = ["index", "name", "op", "kernel", "schedule", "cycles", "ways"]
    if not any(row[4] for row in layers):
        heading, layers = heading[:4] + heading[5:], [row[:4] + row[5:] for row in layers]
    print_table(heading, layers)
    sizes = ("cycles", "flash_bytes", "ram_bytes")
    points, usual = list(entry["front"]), entry["usual"]
    if usual is not None and usual not in points:
        points.append(usual)
    front = []
    for point in points:
        notes = ["chosen"] if all(point[key] == entry[key] for key in sizes) else []
        notes += ["without tuning"] if point == usual else []
        order = _ORDERS[point["order"]]
        front.append([*(show(point[key]) for key in sizes), order, ", ".join(notes)])
    print_table(["cycles", "flash", "RAM", "order", "note"], front)
