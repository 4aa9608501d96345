"""Sparse int8 weights of dense layers on cores with the DSP extension, two at a time, see
``firmware/kernels/tinyc_sparse_twos.h``."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..ir import Array, Node
from ..ops.fully_connected import FullyConnected
from . import sparse_dsp
from .base import AIMS, Binding, Constant, Kernel
from .conv import VARYING, clamp_params
from .conv_dsp import REQUIRES, reject_fully_connected, table

MOST_ROUNDS = 3
"""How often each input may be one of the sequence."""
PIECE = 128
"""Inputs of a round that follow each other before as many of the next one, so that each channel has
words in all parts of the sequence: later rounds have fewer."""
NEAR_CYCLES, FAR_CYCLES, WORD_CYCLES = 19, 20, 4.5
"""Of Cortex-M4, by its documented timing: what decides how often it is."""
LARGEST_DEPTH = 2048
"""Of inputs: their words are 16 KB of the arena."""
LARGEST_PLACE = 255
"""Of a word, in a byte."""
UNIT, WORDS = 4, 16
"""Words that are multiplied, and that are made, at a time."""


def sequence(used: Array, rounds: int) -> tuple[Array, Array]:
    """In which order inputs follow each other, so that many channels have weights for two of them
    at a time, and which do.

    used: bool [channels, depth], where weights are not zero, of a depth of 2 at least; rounds: how
    often each input comes. Returns int [words + 1], of which each two neighbours are a word, and
    bool [words, channels]: by which words a channel takes two weights, each of which is one of a
    word at most. In each round all inputs are made pairs, those that most channels have left, and
    these a chain by the same measure; pieces of these chains come in turn.
    """
    left = np.ascontiguousarray(used.T, np.float32)
    chains = [_chain(left, _pairs(left)) for _ in range(rounds)]
    pieces = [
        (order[i : i + PIECE], taken[i : i + PIECE])
        for i in range(0, len(chains[0][0]), PIECE)
        for order, taken in chains
    ]
    for _, taken in pieces:
        taken[-1] = False  # a word of two pieces
    order, taken = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    return order, taken[:-1]


def _chain(left: Array, pairs: Array) -> tuple[Array, Array]:
    """A round of `sequence`, of its pairs: inputs, and what the words of each and the one behind it
    take of what is ``left``, float32 [depth, channels]."""
    both = left[pairs[:, 0]] * left[pairs[:, 1]]
    if 2 * len(pairs) > len(left):
        both[-1] = 0  # an input that comes again
    for side in (0, 1):
        left[pairs[:, side]] -= both
    order, taken = [*map(int, pairs[0])], [both[0]]
    waiting = np.arange(1, len(pairs))
    while len(waiting):
        last = order[-1]
        place, side = divmod(int((left[pairs[waiting]] @ left[last]).argmax()), 2)
        index = waiting[place]
        first, second = map(int, (pairs[index, side], pairs[index, 1 - side]))
        shared = left[last] * left[first] * (last != first)
        left[last] -= shared
        left[first] -= shared
        order += [first, second]
        taken += [shared, both[index]]
        waiting = np.delete(waiting, place)
    return np.array(order), np.array([*taken, 0 * taken[0]]) > 0


def _pairs(left: Array) -> Array:
    """int [pairs, 2] of all inputs, the last one of an odd number with any: two that have the most
    channels of each other, again and again. left: float32 [depth, channels]."""
    # Below one, so that of many that are alike each has another best one.
    rest = np.random.default_rng(0).random((len(left), len(left)), np.float32)
    shared = left @ left.T + (rest + rest.T) / 3
    np.fill_diagonal(shared, -1)
    free = np.ones(len(left), bool)
    found: list[tuple[int, int]] = []
    while free.sum() > 1:
        rows = np.flatnonzero(free)
        best = shared[rows].argmax(1)
        partner = np.full(len(left), -1)
        partner[rows] = best
        mutual = rows[partner[best] == rows]
        found += [(int(i), int(partner[i])) for i in mutual if i < partner[i]]
        free[mutual] = False
        shared[:, mutual] = -2
    return np.array([*found, *((int(i), int(not i)) for i in np.flatnonzero(free))])


def entries(row: Array, order: Array, taken: Array) -> list[tuple[int, int, int]]:
    """The words of a channel, by their numbers, and the weights of their lower and upper halves.
    row: int8 [depth]; order, taken: of `sequence`, the latter of the channel."""
    found = [(int(t), int(row[order[t]]), int(row[order[t + 1]])) for t in np.flatnonzero(taken)]
    rest = row.copy()
    for t, _, _ in found:
        rest[order[t : t + 2]] = 0
    first = {int(k): t for t, k in reversed(list(enumerate(order)))}
    for k in np.flatnonzero(rest):
        t = first[int(k)]
        found.append((t, int(rest[k]), 0) if t < len(taken) else (t - 1, 0, int(rest[k])))
    return sorted(found)


def units(found: list[tuple[int, int, int]], near: bool) -> list[bytes]:
    """What tinyc_sparse_twos.h reads of the entries of a channel: units of 12 bytes, one at least.
    near: whether words have their own numbers, and not those from the last one of the unit before.
    """
    made: list[bytes] = []
    base = at = 0
    while at < len(found) or not made:
        unit: list[tuple[int, int, int]] = []
        while at < len(found) and len(unit) < UNIT and found[at][0] - base <= LARGEST_PLACE:
            unit.append((found[at][0] - base, *found[at][1:]))
            at += 1
        # As far as may be if the next one is farther.
        place = LARGEST_PLACE if at < len(found) else unit[-1][0] if unit else 0
        unit += [(place, 0, 0)] * (UNIT - len(unit))
        base += 0 if near else unit[-1][0]
        places, lower, upper = zip(*unit, strict=True)
        weights = [w & 0xFF for i in (0, 2) for w in (*lower[i : i + 2], *upper[i : i + 2])]
        made.append(bytes([*places, *weights]))
    return made


@lru_cache(maxsize=8)
def packed(data: bytes, shape: tuple[int, int]) -> tuple[Array, tuple[tuple[bytes, ...], ...]]:
    """The sequence of a layer's inputs, and the units of each channel. data: int8 of that shape,
    [channels, depth]."""
    rows = np.frombuffer(data, np.int8).reshape(shape)
    ways = (_packed(rows, rounds) for rounds in range(1, MOST_ROUNDS + 1))
    return min(ways, key=_cycles)


def _cycles(way: tuple[Array, tuple[tuple[bytes, ...], ...]]) -> float:
    order, lists = way
    unit = NEAR_CYCLES if is_near(order) else FAR_CYCLES
    return WORD_CYCLES * len(order) + unit * sum(map(len, lists))


def _packed(rows: Array, rounds: int) -> tuple[Array, tuple[tuple[bytes, ...], ...]]:
    order, taken = sequence(rows != 0, rounds)
    near = is_near(order)
    lists = (entries(row, order, taken[:, c]) for c, row in enumerate(rows))
    return order, tuple(tuple(units(found, near)) for found in lists)


def is_near(order: Array) -> bool:
    """Whether a byte has the number of each word of a sequence."""
    return len(order) - 2 <= LARGEST_PLACE


def _reject(node: Node[FullyConnected]) -> str | None:
    rows = node.inputs[1].data
    reason = reject_fully_connected(node)
    if reason is not None or rows is None:
        return reason
    if not 2 <= rows.shape[1] <= LARGEST_DEPTH:
        return f"inputs are not 2 to {LARGEST_DEPTH}"
    return sparse_dsp.reject(node, rows)


def _bind(node: Node[FullyConnected]) -> Binding:
    rows = node.inputs[1].array
    channels, depth = rows.shape
    order, lists = packed(np.ascontiguousarray(rows).tobytes(), (channels, depth))
    counts = np.array([len(made) for made in lists])
    known = table(node, rows, fold=True, single=node.op.rounds_once)
    channel_words = known.data[:channels] + np.outer(counts - 1, [0, 0, 256])
    words = -(-(len(order) - 1) // WORDS) * WORDS
    filled = np.concatenate([order, np.full(words + 1 - len(order), order[-1])])
    made = b"".join(unit for of_one in lists for unit in of_one)
    return Binding(
        params={
            "rows": node.inputs[0].type.elements // depth,
            "depth": depth,
            "channels": channels,
            "words": words,
            **clamp_params(node),
            "twos": f"tinyc_sparse_twos_{'near' if is_near(order) else 'far'}",
        },
        constants=(
            Constant("sequence", filled.astype(np.uint16), "inputs, of which each two are a word"),
            Constant("units", np.frombuffer(made, np.int32), "places of four words, their weights"),
            Constant(
                known.suffix,
                np.concatenate([channel_words, [[0, 0, -1]]]).astype(np.int32),
                f"{known.note}, with its units less one",
            ),
        ),
        scratch=4 * words,
        support=("tinyc_sparse_twos.h",),
        nonzeros=UNIT * int(counts.sum()) + words,
    )


FULLY_CONNECTED = Kernel(
    "fully_connected_s8_sparse_twos", "fully_connected_s8_sparse_twos.c.j2", REQUIRES,
    _reject, _bind,
    varying=VARYING, sized=("depth", "channels", "words"), aims=frozenset(AIMS) - {"ram"},
)  # fmt: skip
