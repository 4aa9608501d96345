"""The search over layers: exact, by the side of all combinations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinyc.tuning import search
from tinyc.tuning.search import Cost, cost, front, nearest, spread


def layers_of(rng: np.random.Generator, *counts: int) -> list[list[Cost]]:
    return [[Cost(*map(int, rng.integers(1, 30, 3))) for _ in range(n)] for n in counts]


@pytest.mark.parametrize("counts", [(1,), (4,), (3, 1, 4), (4, 4, 3, 2, 3), (2,) * 9])
def test_the_front_is_that_of_all_combinations(
    counts: tuple[int, ...], rng: np.random.Generator
) -> None:
    for _ in range(10):
        layers = layers_of(rng, *counts)
        everything = [cost(layers, picks) for picks in itertools.product(*map(range, counts))]
        best = {c for c in everything if not any(other.beats(c) for other in everything)}
        found = [cost(layers, picks) for picks in front(layers)]
        assert set(found) == best and len(found) == len(best)
        assert [c.cycles for c in found] == sorted(c.cycles for c in found)


def test_no_layers_and_no_choice() -> None:
    assert front([]) == []
    assert front([[Cost(5, 6, 7)]] * 3) == [(0, 0, 0)]
    assert cost([[Cost(5, 6, 7)]] * 3, (0, 0, 0)) == Cost(15, 18, 7)


def test_large_fronts_are_thinned_to_their_ends(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def options() -> list[Cost]:  # of which the quick ones are large
        return [Cost(int(a), int((1 << 40) / a), 1) for a in rng.integers(1 << 19, 1 << 21, 3)]

    layers = [options() for _ in range(8)]
    whole = [cost(layers, picks) for picks in front(layers)]
    monkeypatch.setattr(search, "_MOST", 64)
    some = [cost(layers, picks) for picks in front(layers)]
    assert len(some) <= 64 < len(whole)
    assert min(c.cycles for c in some) == whole[0].cycles
    assert min(c.flash for c in some) == whole[-1].flash
    for mine in whole:  # for each of all there is one nearly as good
        assert any(c.cycles < 1.05 * mine.cycles and c.flash < 1.05 * mine.flash for c in some)


def test_what_is_spread_has_the_best_of_each_goal(rng: np.random.Generator) -> None:
    layers = layers_of(rng, 5, 5, 5, 5)
    known = front(layers)
    costs = [cost(layers, picks) for picks in known]
    few = [cost(layers, p) for p in spread(dict(zip(known, costs, strict=True)), 8)]
    assert len(set(few)) == len(few) == min(8, len(known))
    for goal in ("speed", "flash", "ram", "balanced"):
        assert min(few, key=lambda c: c.by(goal)) == min(costs, key=lambda c: c.by(goal))
    assert nearest((0, 0, 0), [(1, 1, 0), (0, 2, 0), (2, 2, 2)]) == (0, 2, 0)
