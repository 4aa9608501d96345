"""What rounding each layer alone does to a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from keras_models import trained

from tinyc.compress.keras.base import kernel, kernel_layers
from tinyc.compress.keras.bits import uniform
from tinyc.compress.keras.training import accuracy
from tinyc.search.sensitivity import sensitivity


@pytest.mark.slow
def test_layers_are_judged_one_by_one() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = trained()
    weights = work.model.get_weights()
    # A layer whose weights are levels already is lost nothing by rounding.
    hidden = work.model.get_layer("hidden")
    kernel(hidden).assign(uniform(hidden, 2)(kernel(hidden)))
    found = sensitivity(work, bits=(8, 4, 2))
    assert list(found) == list(kernel_layers(work.model))
    assert all(abs(change.loss) < 1e-5 for change in found["hidden"].values())
    other = {name: changes for name, changes in found.items() if name != "hidden"}
    for bits, most in ((8, 0.01), (4, 0.5)):
        assert all(abs(changes[bits].loss) < most for changes in other.values())
    assert max(changes[2].loss for changes in other.values()) > 0.05
    assert np.mean([c[2].loss for c in other.values()]) > np.mean(
        [c[4].loss for c in other.values()]
    )

    # Of all training inputs, the accuracy is that of the model so rounded.
    layer = work.model.get_layer("second")
    data = replace(work.data, x_test=work.data.x, y_test=work.data.y)
    whole = replace(work, data=data)
    change = sensitivity(whole, bits=[2], samples=len(data.x))["second"][2].accuracy
    before = accuracy(work.model, whole)
    kernel(layer).assign(uniform(layer, 2)(kernel(layer)))
    after = accuracy(work.model, whole)
    assert before is not None and after is not None
    assert change == pytest.approx(after - before, abs=1e-6)
    work.model.set_weights(weights)

    blind = replace(work, data=replace(work.data, y=None, y_test=None))
    moved = sensitivity(blind, bits=[2])
    assert all(c[2].accuracy is None and c[2].loss > 0 for c in moved.values())
