"""The arena's layout, and the time that planning takes."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from test_passes import convolution, graph, value

from tinyc.emit.emitter import emit
from tinyc.ir import Graph, Node
from tinyc.kernels.base import AIMS
from tinyc.ops.add import Add
from tinyc.ops.concat import Concat
from tinyc.passes import optimize
from tinyc.plan import ALIGN, plan
from tinyc.plan.arena import _ORDERS, _Buffer, _most_alive, _pack, _place


def naive_place(buffers: list[_Buffer]) -> None:
    """What `_place` does, by looking at every pair of buffers."""
    placed: list[_Buffer] = []
    for buffer in buffers:
        beside = [o for o in placed if o.first <= buffer.last and buffer.first <= o.last]
        # Low enough for what may lie behind it and for the others; high enough.
        spans = [
            (
                other.offset - buffer.behind.get(other, buffer.bytes),
                -(-(other.offset + other.behind.get(buffer, other.bytes)) // ALIGN) * ALIGN,
            )
            for other in beside
        ]
        buffer.offset = min(
            start
            for start in (0, *(high for _, high in spans))
            if start >= 0 and all(start <= low or start >= high for low, high in spans)
        )
        for other in beside:
            if buffer.onto is other or other.onto is buffer:
                start = other.offset
                if start < buffer.offset and all(
                    o is other
                    or o.offset >= start + buffer.bytes
                    or start >= -(-(o.offset + o.bytes) // ALIGN) * ALIGN
                    for o in beside
                ):
                    buffer.offset = start
        placed.append(buffer)


def grow(buffers: list[_Buffer], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Let some buffers grow over others that end in their first step, or begin where they begin,
    each over one at most, which is saving; returns their indices."""
    found: list[tuple[int, int]] = []
    for i, buffer in enumerate(buffers):
        for j, other in enumerate(buffers):
            if i == j or other.last != buffer.first or other.first == buffer.first:
                continue
            if buffer.behind or buffer.onto or j in [b for _, b in found]:
                continue
            if rng.random() < 0.3:
                buffer.onto = other
                found.append((i, j))
                continue
            buffer.behind[other] = int(rng.integers(-40, buffer.bytes + 1))
            if buffer.saved(other) > 0:
                found.append((i, j))
            else:
                buffer.behind.clear()
    return found


@pytest.mark.slow
def test_buffers_are_placed_as_by_looking_at_every_pair() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        facts = [
            (int(size), int(first), int(first + max(life, 0)))
            for size, first, life in zip(
                *rng.integers((1, -1, -15), (200, 20, 15), (rng.integers(30), 3)).T, strict=True
            )
        ]
        quick, slow = ([_Buffer(*f) for f in facts] for _ in range(2))
        grown = grow(quick, rng)
        for i, j in grown:
            if quick[i].onto:
                slow[i].onto = slow[j]
            else:
                slow[i].behind[slow[j]] = quick[i].behind[quick[j]]
        sizes = []
        for key in _ORDERS:
            _place(sorted(quick, key=key))
            naive_place(sorted(slow, key=key))
            assert [b.offset for b in quick] == [b.offset for b in slow]
            sizes.append(max((-(-(b.offset + b.bytes) // ALIGN) * ALIGN for b in slow), default=0))
        assert _pack(quick) <= min(sizes)
        alive = [
            sum(-(-s // ALIGN) * ALIGN for s, f, t in facts if f <= i <= t)
            - sum(quick[a].saved(quick[b]) for a, b in grown if quick[a].first == i)
            for i in range(-1, 40)
        ]
        when, most = _most_alive(quick)
        assert most == max(alive) and (not facts or when == alive.index(most) - 1)


def network(layers: int) -> Graph:
    """Convolutions, each with a dead channel, sums with the value of two layers before, and a
    concatenation of every eighth value at the end."""
    rng = np.random.default_rng(6)
    weights = rng.integers(-99, 99, (8, 1, 1, 8))
    weights[3] = 0
    x = last = value("x", 1, 2, 2, 8)
    nodes: list[Node] = []
    kept = []
    for i in range(layers):
        if i % 4 == 3:
            node = Node(Add("none"), (x, last), (value(f"{i}", 1, 2, 2, 8),), f"{i}")
        else:
            node = convolution(x, weights, rng.integers(-99, 99, 8), f"{i}")
        last, x = x, node.output
        nodes.append(node)
        if i % 8 == 0:
            kept.append(x)
    nodes.append(Node(Concat(3), tuple(kept), (value("y", 1, 2, 2, 8 * len(kept)),), "y"))
    return graph([nodes[0].inputs[0]], nodes, [nodes[-1].output])


def seconds(given: Graph) -> float:
    """The processor's time for rewriting, planning and printing."""
    start = time.process_time()
    emit(plan(optimize(given), "Cortex-M4", frozenset({"dsp"})))
    return time.process_time() - start


@pytest.mark.slow
def test_time_grows_with_the_layers_and_not_with_their_square() -> None:
    small, large = network(600), network(2400)
    seconds(small)  # imports, templates
    ratio = min(seconds(large) for _ in range(2)) / min(seconds(small) for _ in range(2))
    assert ratio < 7, f"4 times the layers took {ratio:.1f} times as long"


def test_what_a_build_optimizes_decides_which_kernels_it_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = value("x", 1, 5, 5, 4)
    node = convolution(x, np.ones((8, 1, 1, 4), np.int8), np.zeros(8, np.int32), "y")
    network = graph([x], [node], [node.output])
    taken = plan(network, "Cortex-M4", frozenset({"dsp"})).steps[0].kernel
    usual = replace(taken, aims=frozenset(AIMS))
    fast = replace(usual, name="fast", aims=frozenset({"speed"}))
    monkeypatch.setattr("tinyc.plan.choose.kernels_of", lambda op: (fast, usual))
    for aim in AIMS:
        (step,) = plan(network, "Cortex-M4", frozenset({"dsp"}), optimize=aim).steps
        assert step.kernel is (fast if aim == "speed" else usual)
        assert not step.rejected  # what another aim leaves out is no fallback
