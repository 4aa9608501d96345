"""The way of a model from its file to C text, in one call; no disk but the file is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from .compress.base import chosen
from .compress.binarize import binarize
from .compress.calibrate import calibrate, coarse, exact_nodes, float_nodes
from .compress.dequantize_weights import dequantize_weights
from .emit.emitter import Library, emit
from .errors import CompileError, CompileErrors
from .frontends.base import Model, Predict, read_model
from .image.fit import refuse_heavy
from .ir import Array, Graph, verify
from .kernels.base import Pointless, kernels_of, tvm_kernels_of
from .ops.lce_bconv2d import LceBconv2d
from .ops.lce_dequantize import LceDequantize
from .ops.lce_quantize import LceQuantize
from .passes import names, optimize
from .passes import stages as rewrites
from .passes.early_exit import early_exit, refused, side_head, taken
from .passes.fold_affine import fold_affine
from .passes.fold_constants import fold_constants
from .passes.fold_thresholds import fold_thresholds
from .passes.remove_dead import remove_dead
from .passes.stream import Stream, stream
from .plan import Plan
from .plan.heads import rules
from .run.calibration import load_calibration
from .run.doubts import Spread, refuse
from .settings import Config
from .target.boards import Board
from .tuning import database
from .tuning.backend import arena_room, lower
from .tuning.lock import Locked, locked


@dataclass(frozen=True, eq=False)
class Compiled:
    """source: as it stands in the file; graph: what the firmware has to compute to the bit, which
    is the same unless the model was binarized or calibrated here; plan: after the passes, for one
    core; predict: what its framework computes, if it is there; changes: what made another network
    of the one that was given, in order, each with the network after it; warnings: about the
    calibration data and the lock; tuned: by which entry of a lock it was planned; stream: how
    ``graph`` computes one of windows, of which the changes are; original: what the model was made
    of before tinyc was given it, if that is to be compared with, see
    `tinyc.reference.beside`; spreads: of each input what calibrated it, if anything did."""

    source: Graph
    graph: Graph
    plan: Plan
    predict: Predict | None = None
    changes: Mapping[str, Graph] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    tuned: Mapping[str, object] | None = None
    stream: Stream | None = None
    original: Model | None = None
    spreads: tuple[Spread | None, ...] = ()

    @cached_property
    def c_library(self) -> Library:
        """The plan as C, printed when it is first asked for: what does not fit need not be."""
        return emit(self.plan)


CHANGES = {"binarization": "binarize", "calibration": "calibrate"}
"""The stages that make another network of the one that was given, besides its techniques."""
STAGES = ("read", *CHANGES.values(), "early_exit", "stream", *names(), "plan")
"""What `stages` may name, in this order."""


@dataclass(frozen=True)
class CompileOptions:
    """How a model is compiled.

    strict: a kernel that the core could run but a node does not allow is an error (E307), and
    so is a layer of signs that is not computed with bits, or odd data (E258); calibration: an
    ``.npz`` with inputs ``x``, by which float32 becomes int8; optional_calibration: no error (E217)
    where there is nothing to calibrate; compress: techniques, see `tinyc.compress.base.chosen`;
    float_glue: leave what lies between binary layers in float32; trust: load a model even if
    that runs code which came with it; optimize, feed, backend, toolchain, max_flash, max_ram
    (bytes): see `tinyc.tuning.backend.lower`; stream: see `tinyc.passes.stream.stream`;
    early_exit: the threshold of `tinyc.passes.early_exit.early_exit`;
    database: the file of schedules for TVM, none if it is missing; lock: a file in which `tinyc
    tune` keeps what it chose, see `tinyc.tuning.lock.locked`.
    """

    strict: bool = False
    calibration: Path | None = None
    optional_calibration: bool = False
    compress: str | None = None
    float_glue: bool = False
    trust: bool = False
    optimize: str = "balanced"
    stream: int | None = None
    feed: str = "whole"
    early_exit: float | None = None
    backend: str = "templates"
    database: Path = Path("schedules.jsonl")
    lock: Path | None = None
    toolchain: str | None = None
    max_flash: int | None = None
    max_ram: int | None = None

    @classmethod
    def of(cls, config: Config) -> CompileOptions:
        """What of the settings is about compiling."""
        return cls(
            strict=config.strict,
            calibration=Path(config.calibrate) if config.calibrate else None,
            compress=config.compress,
            float_glue=config.float_glue,
            trust=config.trust,
            optimize=config.optimize,
            stream=config.stream,
            feed=config.feed,
            early_exit=config.early_exit,
            backend=config.backend,
            database=Path(config.database),
            lock=Path(config.lock),
            toolchain=config.toolchain,
            max_flash=config.expect.max_flash,
            max_ram=config.expect.max_ram,
        )


DEFAULT = CompileOptions()


def compile_model(model: str | Path, board: Board, options: CompileOptions = DEFAULT) -> Compiled:
    """Read, rewrite and plan ``model`` for the core of ``board``.

    Raises CompileError(s) E2xx and E3xx, E401 (before any work, for weights that no flash of
    the board could hold), and those of the backend.
    """
    source, predict = read_model(str(model), options.trust)
    refuse_heavy(source, board, options.calibration is not None, is_binary(source))
    made = rewritten(source, predict, options, board)
    if options.strict:
        refuse(made.warnings, str(options.calibration))
    refuse_glue(made.graph, board, options)
    planned, tuned, more = _lower(made.optimized, board, options)
    if options.strict:
        _refuse_fallbacks(planned)
    return replace(made.compiled(planned), warnings=(*made.warnings, *more), tuned=tuned)


@dataclass(frozen=True, eq=False)
class Rewritten:
    """A model before it is planned for one core. optimized: ``graph`` after all passes; the rest:
    see `Compiled`."""

    source: Graph
    graph: Graph
    optimized: Graph
    predict: Predict | None
    changes: Mapping[str, Graph]
    warnings: tuple[str, ...]
    stream: Stream | None
    spreads: tuple[Spread | None, ...]

    def compiled(self, planned: Plan) -> Compiled:
        """With a plan of ``optimized``."""
        return Compiled(
            self.source, self.graph, planned, self.predict, self.changes, self.warnings,
            stream=self.stream, spreads=self.spreads,
        )  # fmt: skip


def rewritten(
    source: Graph,
    predict: Predict | None,
    options: CompileOptions = DEFAULT,
    board: Board | None = None,
) -> Rewritten:
    """What is the same of a model that was read for all boards. board: the one that messages are
    about, if there is one. Raises CompileError(s) E2xx and E3xx."""
    prepared = _prepare(source, board, options)
    if options.early_exit is not None:
        source, prepared, predict = _left_early(source, prepared, predict, options)
    made = _stream(prepared.graph, options)
    graph = prepared.graph if made is None else made.graph
    changes = prepared.changes if predict is None else {"conversion": source, **prepared.changes}
    return Rewritten(
        source, graph, optimize(graph), predict, changes, prepared.warnings, made, prepared.spreads
    )  # fmt: skip


class Plans:
    """Plans of a graph that all passes have seen for boards, by templates: one for all boards that
    get the same."""

    def __init__(self, graph: Graph, options: CompileOptions = DEFAULT) -> None:
        self.graph, self.options = graph, options
        self._known: dict[tuple[object, ...], dict[int, Plan]] = {}

    def keep(self, board: Board, lowered: Plan) -> None:
        """``lowered`` is what these options come to on that board."""
        self._of(board, self.options, {})[arena_room(board, self.options.max_ram)] = lowered

    def __call__(self, board: Board, **changes: str) -> Plan:
        """As `tinyc.tuning.backend.lower`; changes: of the options. Raises what that does."""
        options = replace(self.options, **changes)  # type: ignore[arg-type] # of words alone
        known = self._of(board, options, changes)
        room = arena_room(board, options.max_ram)
        if room not in known:
            # More room never brings other than what more and less of it bring both.
            less = known.get(max((r for r in known if r < room), default=0))
            more = known.get(min((r for r in known if r > room), default=0))
            known[room] = less if less is more and less is not None else self._plan(board, options)
            text = str(known[room])
            known[room] = next((p for p in known.values() if str(p) == text), known[room])
        return known[room]

    def _of(
        self, board: Board, options: CompileOptions, changes: Mapping[str, str]
    ) -> dict[int, Plan]:
        flash = board.flash_bytes if options.optimize == "speed" else None
        return self._known.setdefault((board.core.name, flash, *sorted(changes.items())), {})

    def _plan(self, board: Board, options: CompileOptions) -> Plan:
        return lower(
            self.graph, board, "templates", None, options.toolchain, options.max_flash,
            options.optimize, options.max_ram, options.feed,
        )  # fmt: skip


def stages(
    model: str | Path, board: Board | None = None, options: CompileOptions = DEFAULT
) -> Iterator[tuple[str, Graph | Plan]]:
    """What `compile_model` makes of a model, step by step: the name of each stage and what it
    left, ``read``, what changes the network, each of `tinyc.passes`, ``plan`` if there is a board.
    """
    source, _ = read_model(str(model), options.trust)
    yield "read", source
    prepared = _prepare(source, board, options)
    if board is not None:
        refuse_glue(prepared.graph, board, options)
    yield from ((CHANGES.get(change, change), graph) for change, graph in prepared.changes.items())
    last = prepared.graph
    if options.early_exit is not None:
        last = _left_early(source, prepared, None, options)[1].graph
        yield "early_exit", last
    if (made := _stream(last, options)) is not None:
        last = made.graph
        yield "stream", last
    for name, rewritten in rewrites(last):
        last = rewritten
        yield name, last
    if board is not None:
        yield "plan", _lower(last, board, options)[0]


def _stream(graph: Graph, options: CompileOptions) -> Stream | None:
    """``graph`` as a stream, if that is asked for, out of its rewritten form, in which a layer is
    no longer several that hide what it does along the time."""
    if options.stream is None:
        return None
    made = stream(optimize(graph), options.stream)
    return replace(made, window=graph, graph=verify(made.graph))


def _left_early(
    source: Graph, prepared: _Prepared, predict: Predict | None, options: CompileOptions
) -> tuple[Graph, _Prepared, Predict | None]:
    """The same with one output, that of the side head where it is sure. Raises CompileError
    E356."""
    threshold, side = options.early_exit, side_head(prepared.graph)
    assert threshold is not None
    if options.stream is not None:
        raise refused(prepared.graph, "a stream keeps states between runs", "leave out --stream")
    graphs = (source, prepared.graph, *prepared.changes.values())
    made = {graph: verify(early_exit(graph, threshold, side)) for graph in dict.fromkeys(graphs)}
    last = made[prepared.graph]
    decided = last.producers()[last.side.sure].inputs if last.side else ()
    if any(rule != "bits" for rule in rules(replace(last, outputs=decided, side=None))):
        raise refused(
            last, "its side head computes with float32, in which C libraries differ",
            "pass --calibrate data.npz with inputs 'x' like the real ones",
        )  # fmt: skip
    changes = {name: made[graph] for name, graph in prepared.changes.items()}

    def computed(inputs: list[Array]) -> list[Array]:
        assert predict is not None and threshold is not None
        return taken(predict(inputs), threshold, side)

    known = replace(prepared, graph=last, changes=changes)
    return made[source], known, None if predict is None else computed


def _lower(
    graph: Graph, board: Board, options: CompileOptions
) -> tuple[Plan, Mapping[str, object] | None, tuple[str, ...]]:
    """The plan, the entry of the lock that it is by, and what is odd about the lock."""
    found = None
    if options.lock is not None:
        found = locked(options.lock, graph, board, options.optimize, options.feed)
    if isinstance(found, Locked):
        return found.plan, found.entry, ()
    schedules = {}
    if options.backend != "templates":
        schedules = database.schedules(options.database, options.toolchain)
    made = lower(
        graph, board, options.backend, schedules, options.toolchain, options.max_flash,
        options.optimize, options.max_ram, options.feed,
    )  # fmt: skip
    return made, None, () if found is None else (found,)


def is_binary(graph: Graph) -> bool:
    """Whether a network has binary layers."""
    return any(isinstance(n.op, (LceBconv2d, LceQuantize, LceDequantize)) for n in graph.nodes)


def refuse_glue(graph: Graph, board: Board, options: CompileOptions) -> None:
    """Raise E217 where float glue is asked for on a core without an FPU."""
    if options.float_glue and "fpu" not in board.core.features and float_nodes(graph):
        raise CompileError(
            "E217", "--float-glue", f"the {board.core.title} of {board.name} has no FPU",
            "pass --calibrate data.npz instead",
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Prepared:
    """graph, changes, warnings, spreads: see `Compiled`."""

    graph: Graph
    changes: Mapping[str, Graph]
    warnings: tuple[str, ...] = ()
    spreads: tuple[Spread | None, ...] = ()


def _prepare(source: Graph, board: Board | None, options: CompileOptions) -> _Prepared:
    """``source`` after its techniques, with everything binary that can be, and with int8 in the
    place of float32 if that is asked for, or if binary layers demand it."""
    changes: dict[str, Graph] = {}
    given = source
    for technique, amount in chosen(options.compress):
        after = verify(technique.apply(given, amount))
        if set(after.nodes) - set(given.nodes):
            given = changes[technique.name] = after
    graph = verify(remove_dead(binarize(given))) if is_binary(source) else given
    if set(graph.nodes) - set(given.nodes):
        changes["binarization"] = graph
    if options.float_glue:
        if options.calibration is not None:
            hint = "use one of the two"
            raise CompileError("E217", "--float-glue", "was given with --calibrate", hint)
        return _Prepared(graph, changes)
    floats = float_nodes(graph)
    if options.calibration is None:
        if not is_binary(graph) or not floats:
            return _Prepared(graph, changes)
        layers = [n.output.name.split(";")[0] for n in floats]
        more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
        has_fpu = board is None or "fpu" in board.core.features
        glue = ", or --float-glue to keep float32" if has_fpu else ""
        raise CompileError(
            "E215", graph.name,
            f"the layers between its binary ones compute with float32 "
            f"({', '.join(layers[:3])}{more})",
            f"pass --calibrate data.npz with inputs 'x' like the real ones{glue}",
        )  # fmt: skip
    if not floats:
        if options.optional_calibration:
            return _Prepared(graph, changes)
        what = "there is no float32 to calibrate in this model"
        raise CompileError("E217", "--calibrate", what, "leave it out")
    graph = dequantize_weights(fold_constants(graph))
    graph = verify(remove_dead(fold_thresholds(graph)))
    known = load_calibration(options.calibration, graph)
    normal = coarse(graph, known.samples)
    left = exact_nodes(graph).union(*(region.nodes for region in normal))
    made = calibrate(verify(fold_affine(graph, left)), known.samples, normal)
    return _Prepared(made, {**changes, "calibration": made}, known.warnings, known.spreads)


def _refuse_fallbacks(plan: Plan) -> None:
    errors = []
    for step in plan.steps:
        op = type(step.node.op)
        requires = {
            kernel.name: kernel.requires for kernel in (*tvm_kernels_of(op), *kernels_of(op))
        }
        requires |= {note.form: frozenset() for note in plan.graph.missed}
        errors += [
            CompileError("E307", step.node.origin, f"falls back from {name}: {reason}")
            for name, reason in step.rejected
            if name in requires
            and requires[name] <= plan.features
            and not isinstance(reason, Pointless)
        ]
    if errors:
        raise CompileErrors(tuple(errors))
