"""A supernet: what it learns, what is cut from it, and how it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.compress.keras.base import Data, Work
from tinyc.compress.keras.training import accuracy
from tinyc.errors import CompileError
from tinyc.search import supernet
from tinyc.search.network import Block, Network
from tinyc.search.recipe import Trained
from tinyc.search.space import Space, SuperTraining, stages

SPACE = Space(stem=[4, 8], stages=2, depth=[1, 2], filters=[4, 8], forms=["separable"])


def bars(count: int = 320) -> Data:
    """Bars that stand, lie, or do both."""
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, count)
    x = rng.normal(0, 0.1, (count, 6, 6, 1)).astype(np.float32)
    for image, kind, place in zip(x, y, rng.integers(0, 6, count), strict=True):
        image[place, :] += kind != 0
        image[:, place] += kind != 1
    return Data(x[80:], x[:80], y[80:], y[:80], classes=3, name="bars")


def test_a_space_has_its_networks() -> None:
    small, large = SPACE.edge(0), SPACE.edge(-1)
    assert small.text == "c3x3:4-s3x3:4-s3x3:4/2"
    assert [(s, p, b.filters) for s, p, b in stages(large)] == [
        (1, 1, 8), (1, 2, 8), (2, 1, 8), (2, 2, 8),
    ]  # fmt: skip
    supernet.check_inside(SPACE, small)
    outside = [
        Network(stem=4, blocks=large.blocks[:2]),
        Network(stem=5, blocks=small.blocks),
        Network(stem=4, blocks=[*small.blocks, Block(filters=8, form="separable")]),
    ]
    for network in outside:
        with pytest.raises(CompileError, match="none of the supernet's networks") as error:
            supernet.check_inside(SPACE, network)
        assert error.value.id == "E209"


def test_what_no_supernet_can_be() -> None:
    both = SPACE.model_copy(update={"forms": ["conv", "separable"]})
    with pytest.raises(CompileError, match="share no weights"):
        supernet.check(both, bars())
    with pytest.raises(CompileError, match="labels") as error:
        supernet.check(SPACE, replace(bars(), y=None))
    assert error.value.id == "E361"


@pytest.mark.slow
def test_a_supernet_is_trained_once_and_cut(tmp_path: Path) -> None:
    pytest.importorskip("tf_keras")
    data = bars()
    trained = Trained(batch=32, learning_rate=0.01, threads=1)
    work = Work(None, data, trained.training())
    how = SuperTraining(epochs=30)
    made = supernet.train(SPACE, how, work, trained, (-1.0, 1.0))
    supernet.save(made, tmp_path / "s.npz")
    kept = supernet.load(tmp_path / "s.npz")
    assert (kept.space, kept.how, kept.training) == (SPACE, how, trained)
    for place in (0, -1):
        model = supernet.cut(kept, SPACE.edge(place), data)
        right = accuracy(model, replace(work, model=model))
        assert right is not None and right > 0.9
        kernel = model.get_layer("block1").get_weights()[0]
        part = made.weights["stage1_1"][:, :, : kernel.shape[2], : kernel.shape[3]]
        assert np.array_equal(kernel, part)
    _computes_the_same(kept, data)


def _computes_the_same(kept: supernet.Supernet, data: Data) -> None:
    """In the graph that trains all networks, and by the slices of one."""
    import tensorflow as tf

    def by_batch(name: str, x: Any, gamma: Any, beta: Any) -> Any:
        mean, variance = tf.nn.moments(x, (0, 1, 2))
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, supernet.EPSILON)

    largest = SPACE.edge(-1)
    picked = {"stem": 4, "depth1": 1, "filters1": 8, "depth2": 2, "filters2": 4}
    network = SPACE.network(lambda name, values: picked.get(name, values[0]))
    x = tf.constant(data.x[:16])
    for one in (network, largest, SPACE.edge(0)):
        alone = supernet.forward(one, kept.weights, x, by_batch)
        among = supernet.masked(largest, kept.weights, x, supernet.parts(largest, one, 1))
        np.testing.assert_allclose(alone, among, rtol=1e-4, atol=1e-4)


def test_no_supernet(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"no zip")
    for name, id in (("s.npz", "E210"), ("none.npz", "E219")):
        with pytest.raises(CompileError) as error:
            supernet.load(tmp_path / name)
        assert error.value.id == id
