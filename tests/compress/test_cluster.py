"""Clustered weights: few values a channel, in the file as well, and zeros that stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from effects import effect
from keras_models import stored, trained

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import kernel, kernel_layers
from tinyc.compress.keras.cluster import tied
from tinyc.errors import CompileError
from tinyc.search.run import compressed


@pytest.mark.parametrize(
    ("text", "what"),
    [("cluster:1", "'1' is no clusters"), ("cluster:16:hidden=x", "'x' is no hidden")],
)
def test_what_cannot_be_clustered_is_told(text: str, what: str) -> None:
    with pytest.raises(CompileError, match=what) as error:
        chain.parse(text)
    assert error.value.id == "E209" and error.value.hint


@pytest.mark.slow
def test_what_is_tied_moves_together_and_zeros_stay() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    rng = np.random.default_rng(8)
    for name, layer in kernel_layers(trained().model).items():
        weights = rng.integers(-1, 2, kernel(layer).shape).astype(np.float32)
        project = tied(layer, weights)
        np.testing.assert_allclose(project(weights), weights, rtol=1e-6)
        moved = np.asarray(project(rng.normal(size=weights.shape).astype(np.float32)))
        assert not moved[weights == 0].any()
        # A channel is the last axis, of depthwise kernels the one before; dense layers are whole.
        groups = moved[..., 0] if name == "depthwise" else moved
        values = weights[..., 0] if name == "depthwise" else weights
        if name in ("hidden", "scores"):
            groups, values = groups.reshape(-1, 1), values.reshape(-1, 1)
        for c in range(groups.shape[-1]):
            for value in (-1, 1):
                like = groups[..., c][values[..., c] == value]
                assert len(np.unique(like)) <= 1


@pytest.mark.slow
def test_files_hold_few_levels_a_channel(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = trained()
    text = "cluster:4:first=16:stem=16:scores=256,finetune:1"
    before, after = effect(work, text, tmp_path, optimize="flash")
    found = stored(tmp_path / "after.tflite", work)
    levels = {name: max(len(np.unique(row)) for row in rows) for name, rows in found.items()}
    assert levels.pop("depthwise") > 6 and levels.pop("scores") > 16
    assert levels.pop("first") == 16 and levels.pop("stem") == 9  # which are all
    assert set(levels.values()) == {4}
    assert before.accuracy is not None and after.accuracy is not None
    assert after.accuracy > before.accuracy - 0.05
    assert after.flash_bytes < before.flash_bytes - 1500
    assert after.cycles and before.cycles and after.cycles < 0.9 * before.cycles


@pytest.mark.slow
def test_clusters_keep_the_zeros_of_a_pruned_network() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = trained(epochs=1)
    pruned = compressed(work, chain.parse("prune:0.6:depthwise=true"))
    made = compressed(pruned, chain.parse("cluster:4:depthwise=true,finetune"))
    for name, layer in kernel_layers(made.model).items():
        weights = kernel(layer).numpy()
        before = kernel(pruned.model.get_layer(name)).numpy()
        assert not weights[before == 0].any(), name
        rows = weights.reshape(-1, weights.shape[-2] if name == "depthwise" else weights.shape[-1])
        assert max(len(np.unique(channel)) for channel in rows.T) <= 4, name
