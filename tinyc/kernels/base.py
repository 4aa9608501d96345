"""What a kernel is, and which kernels an operator has.

Each file in `tinyc.kernels` provides those of one operator (or of a family that differs in a
letter), or holds what several share. Nothing else has to be edited to add a kernel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Never, cast

from typing_extensions import TypeVar

from .. import plugins
from ..ir import Array, DType, Node, Op, OpT


class Pointless(str):
    """A reason not to take a kernel for which nothing is lost: it would bring nothing, or is made
    for another kind of node."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array of the generated C: ``const <ctype> <layer>_<suffix>[]``.

    data: one of numpy's int8, uint8, int16, int32, float32 arrays, written in C order;
    note: what stands in it, for the comment beside it.
    """

    suffix: str
    data: Array
    note: str

    @cached_property
    def contents(self) -> tuple[str, bytes]:
        """What arrays have in common that can be one: the element type and a digest of the
        bytes."""
        return self.data.dtype.name, hashlib.sha256(self.data.tobytes()).digest()


@dataclass(frozen=True)
class Unpacked:
    """An array that is unpacked before a kernel reads it.

    suffix, dtype: as of the `Constant` that it was (numpy's name); offset: where it lies in the
    step's scratch memory, in bytes.
    """

    suffix: str
    dtype: str
    offset: int


@dataclass(frozen=True)
class Packing:
    """What is unpacked from one constant, ``packed``, before a kernel runs.

    unpack: the C function that does; fields: in what the layers of a body differ, and so what comes
    with a layer: parameters of the template, places of arrays, ``<suffix>_at``, and of the kernel's
    own memory, ``scratch_at``; for each the member that says it, of a struct of ``dtype`` that lies
    before all else, and in what units; arrays: in the order in which they follow each other there;
    scratch_at: where the kernel's own memory begins, None if it has none; pieces: how many times in
    turn they are unpacked and the kernel runs, for ``outputs`` elements of the output each; split:
    the channels of the whole output, where each makes some of every pixel, and where it puts them
    in the step's scratch memory, from where they are copied.
    """

    unpack: str
    fields: Mapping[str, tuple[str, int]]
    dtype: str
    arrays: tuple[Unpacked, ...]
    scratch_at: int | None
    pieces: int
    outputs: int
    split: tuple[int, int] | None = None

    @property
    def members(self) -> list[str]:
        """Of the struct."""
        return list(dict.fromkeys(member for member, _ in self.fields.values()))

    @property
    def places(self) -> dict[str, int]:
        """Of what is unpacked, and of the kernel's own memory, by their names in ``fields``."""
        found = {f"{array.suffix}_at": array.offset for array in self.arrays}
        return found if self.scratch_at is None else {**found, "scratch_at": self.scratch_at}


@dataclass(frozen=True)
class Binding:
    """A kernel bound to a node: everything that its template needs, finished.

    params: names of the template -> integers, floats, strings, booleans or lists of them;
    constants: packed weights and tables, in the order in which the kernel reads them, known
        to the template as ``c.<suffix>``;
    scratch: bytes of working memory in the arena (8-byte aligned), passed as last argument;
    support: files of ``firmware/kernels/`` whose functions the template calls; what those
        include themselves comes with them, see `tinyc.kernels.support`;
    inplace: index into ``node.variable_inputs`` of an input whose buffer an output may take
        over at the same address, or None; renewed: the index of that output;
    onto: index of one at whose address an output may begin, be it of another size;
    ordered: whether a kernel of one window and one image makes the rows of its output one after
        the other, from the first on, and has read of the input, when it writes to a row, what lies
        above the window of that row for the last time. Then the output may lie over what has been
        read, see `tinyc.plan.rows`, and its template takes strips (see ``_window.c.j2``);
    rows: how many of them it makes at a time, in any order among themselves;
    strips: what makes some rows in its place, of a kernel that makes a whole output in another
        order;
    strip_scratch: bytes of working memory that strips may need besides; row_scratch: those that
        they need less for each row of the output that they have not;
    tile, lanes: pixels and channels of the output that it makes at a time, no less work if they
        are fewer;
    nonzeros: of a kernel that leaves weights of zero out, how many it multiplies by, what keeps
        these apart included; None of others;
    code: about how many bytes of instructions its template writes for this layer alone;
    packing: of constants in fewer bytes, where the planner has made them so: the first constant is
        what they are unpacked from, the others are read as they are.
    """

    params: dict[str, Any] = field(default_factory=dict)
    constants: tuple[Constant, ...] = ()
    scratch: int = 0
    support: tuple[str, ...] = ()
    inplace: int | None = None
    renewed: int = 0
    onto: int | None = None
    ordered: bool = False
    rows: int = 1
    strips: Binding | None = None
    strip_scratch: int = 0
    row_scratch: int = 0
    tile: int = 1
    lanes: int = 1
    nonzeros: int | None = None
    code: int = 0
    packing: Packing | None = None


AIMS = ("balanced", "speed", "ram", "flash")
"""What a build can optimize."""

Schedule = Mapping[str, int]
"""What a TIR form is lowered with: parameter -> number. See `tinyc.kernels.tvm`."""


OpT_contra = TypeVar("OpT_contra", bound=Op, contravariant=True, default=Op)


@dataclass(frozen=True)
class Kernel(Generic[OpT_contra]):
    """One way to compute an operator in C: ``Kernel[Conv2d]`` takes its nodes and those of
    operators derived from it, ``Kernel`` any.

    name: unique, e.g. ``conv2d_s8_dsp``; template: a file under ``templates/kernels/`` that
    defines ``static void {{ fn }}(inputs..., outputs..., [scratch])`` with one pointer for each
    of ``node.variable_inputs``, each output, and ``uint8_t *scratch`` if there is any;
    requires: core features (``thumb2``: its 32-bit instructions, ``dsp``, ``fpu``, ``mve``;
    ``armv6m``: none beyond Armv6-M; ``dual_issue``: two instructions in a cycle), empty for
    portable C;
    reject: why the kernel cannot compute this node, None if it can;
    bind: packs the constants and fills the template's parameters;
    aims: those of `AIMS` for which the planner takes the kernel by itself, less than all where it
    pays for cycles with much flash or memory, or the other way round;
    varying: parameters that the template only prints, as arguments, in which layers that are alike
    otherwise may differ and share a body (see `tinyc.emit.bodies`; its template ends its arguments
    with ``{{ more }}``); None where a body that is not made for one layer would be slower;
    sized: further such, which make a body slower that does not know them: shared for small code;
    special: whether it takes weights of a kind, such as narrow ones, so that no layer that has
    others is thought to miss it;
    by_rows: what computes the same of an image that comes some rows at a time, of which it keeps in
    its working memory what it has to, and makes the output when the last of them has come;
    schedules: of a kernel that TVM makes, what a node may be lowered with, the default first;
    scheduled: its `bind` under one of them.
    """

    name: str
    template: str
    requires: frozenset[str]
    reject: Callable[[Node[OpT_contra]], str | None]
    bind: Callable[[Node[OpT_contra]], Binding]
    schedules: Callable[[Node[OpT_contra]], Sequence[Schedule]] | None = None
    scheduled: Callable[[Node[OpT_contra], Schedule], Binding] | None = None
    varying: tuple[str, ...] | None = None
    sized: tuple[str, ...] = ()
    aims: frozenset[str] = frozenset(AIMS)
    special: bool = False
    by_rows: Kernel[OpT_contra] | None = None


def only(dtype: DType) -> Callable[[Node], str | None]:
    """The rejection of nodes whose first input is of another type."""
    return lambda node: None if node.inputs[0].type.dtype is dtype else f"not {dtype.value}"


_TEMPLATES: dict[type[Op], tuple[Kernel[Never], ...]] = {}
_TVM: dict[type[Op], tuple[Kernel[Never], ...]] = {}


def provide(op: type[OpT], *kernels: Kernel[OpT]) -> None:
    """Make the kernels of an operator known, and of those derived from it that have none of their
    own: fastest first; the planner takes the first one that the core, the node and what the build
    optimizes allow. Kernels that a plugin provides for an operator that has some come before
    these."""
    _add(_TEMPLATES, op, kernels)


def provide_tvm(op: type[OpT], *kernels: Kernel[OpT]) -> None:
    """The same for what TVM makes, which may leave nodes to the templates."""
    _add(_TVM, op, kernels)


def _add(
    table: dict[type[Op], tuple[Kernel[Never], ...]],
    op: type[OpT],
    kernels: tuple[Kernel[OpT], ...],
) -> None:
    for kernel in kernels:
        plugins.claim(f"kernel {kernel.name!r} of {op.__name__}")
    names = [kernel.name for kernel in kernels]
    table[op] = (*kernels, *(known for known in table.get(op, ()) if known.name not in names))


def kernels_of(op: type[OpT]) -> tuple[Kernel[OpT], ...]:
    """What templates make for an operator, fastest first."""
    load()
    return _inherited(_TEMPLATES, op)


def tvm_kernels_of(op: type[OpT]) -> tuple[Kernel[OpT], ...]:
    """What TVM makes for an operator, fastest first."""
    load()
    return _inherited(_TVM, op)


def _inherited(
    table: Mapping[type[Op], tuple[Kernel[Never], ...]], op: type[OpT]
) -> tuple[Kernel[OpT], ...]:
    found = next((table[cls] for cls in op.__mro__ if cls in table), ())
    # `provide` has taken them for ``op`` or for what it derives from.
    return cast(tuple[Kernel[OpT], ...], found)


def load() -> None:
    """Have every file of `tinyc.kernels`, and every plugin, provide what it has."""
    plugins.load(__package__)
