"""Post-training quantization of Keras models: types, ranges, and what comes out of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras_models import exact, trained
from tflite_writer import litert

from tinyc.compress.keras import chain
from tinyc.compress.keras.export import convert
from tinyc.compress.keras.ranges import _mse, _percentile
from tinyc.errors import CompileError
from tinyc.search.run import compressed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("edges:uint8", ("uint8", "uint8")),
        ("int16,edges:float32", ("float32", "float32")),
        ("int4:0,int16", ("int16", "int16")),
        ("int8:mse,edges:uint8", ("uint8", "uint8")),
    ],
)
def test_each_type_of_file_is_exact(text: str, kinds: tuple[str, str], tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    pytest.importorskip("ai_edge_litert")
    made = compressed(trained(), chain.parse(text))
    path = tmp_path / "m.tflite"
    path.write_bytes(convert(made))
    *found, right = exact(path, made)
    assert tuple(found) == kinds
    assert right > 0.93


def test_ranges_leave_rare_values_out() -> None:
    rng = np.random.default_rng(1)
    values = np.maximum(0, rng.normal(size=100_000))
    most = values.max()
    values[0] = 40  # one in 100,000
    low, high = _percentile(values)
    assert low == 0 and 3 < high < most
    low, high = _mse(values)
    assert low == 0 and high < 40
    step = high / 255
    whole = np.mean((np.round(values * 255 / 40) * 40 / 255 - values) ** 2)
    cut = np.mean((np.clip(np.round(values / step), 0, 255) * step - values) ** 2)
    assert cut < whole
    uniform = rng.uniform(-1, 1, 10_000)  # of which nothing is rare
    assert _mse(uniform) == (uniform.min(), uniform.max())
    assert _mse(np.zeros(5)) == (0, 0)


@pytest.mark.slow
def test_ranges_change_what_lies_between_the_edges(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    pytest.importorskip("ai_edge_litert")
    work = trained()
    scales: dict[str, dict[str, float]] = {}
    for how in ("minmax", "percentile"):
        path = tmp_path / f"{how}.tflite"
        path.write_bytes(convert(compressed(work, chain.parse(f"int8:{how}"))))
        interpreter = litert(path)
        scales[how] = {
            tensor["name"]: float(tensor["quantization"][0])
            for tensor in interpreter.get_tensor_details()
            if tensor["dtype"] == np.int8 and tensor["quantization"][0]
        }
        edges = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    before, after = scales["minmax"], scales["percentile"]
    for edge in edges:
        assert after[edge["name"]] == before[edge["name"]]
    both = before.keys() & after.keys()
    assert all(after[name] <= before[name] * 1.001 for name in both)
    assert sum(after[name] < before[name] * 0.98 for name in both) > 3


@pytest.mark.slow
@pytest.mark.parametrize("text", ["int16,edges:uint8", "int16,int8:mse"])
def test_what_int16_cannot_be_told_is_refused(text: str) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    with pytest.raises(CompileError, match="is for int8 activations") as error:
        convert(compressed(trained(), chain.parse(text)))
    assert error.value.id == "E361"
