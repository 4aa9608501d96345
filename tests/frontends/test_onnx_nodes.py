"""The test cases of the onnx package for each operator: what is lifted computes what they expect.

A case gives an operator's operands as inputs, also those that must be constants; it counts as
refused only where none of the ways to split them is taken.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.onnx import parse, rules
from tinyc.frontends.onnx.lift import lift
from tinyc.ir import Array, Graph, interpret
from tinyc.ir.ports import input_ports, output_ports

onnx = pytest.importorskip("onnx", reason="pip install 'tinyc[onnx]'")

DIFFERENT = {
    # An index that is computed counts from 0, and one outside of its axis takes the nearest.
    "gather_negative_indices": "indices",
    "onehot_negative_indices": "indices",
    "onehot_out_of_range_indices": "indices",
    # Scores behind a mask are the lowest float32, not minus infinity.
    **dict.fromkeys(
        (
            f"attention_4d_with_past_and_present_qk_matmul_bias_{rank}_mask_causal{expanded}"
            for rank in ("3d", "4d")
            for expanded in ("", "_expanded")
        ),
        "minus infinity",
    ),
}
"""Cases whose result is another, on purpose."""

UNTESTED = {"Einsum"}
"""Operators whose cases are all refused: of float64, and tested elsewhere."""


FUNCTIONS = (
    "Attention Celu CenterCropPad GroupNormalization MeanVarianceNormalization Mish ReduceL1 "
    "ReduceL2 ReduceLogSum ReduceSumSquare RMSNormalization RotaryEmbedding Selu Softplus "
    "Softsign Swish"
).split()
"""Operators without a rule that are written out in those that have one."""


def cases() -> list[Any]:
    """Those of operators that have a rule, or are written out; of pooling without those of three
    dimensions, which take most of a minute to be computed."""
    from onnx.backend.test.case import base

    make = base._Exporter.__init__

    def some(cls: Any, name: str, bases: Any, parts: dict[str, Any]) -> None:
        wanted = name in rules.load() or name in FUNCTIONS
        slow = "_3d" if name.endswith("Pool") else "." if wanted else "export"
        make(cls, name, bases, {k: v for k, v in parts.items() if slow not in k})

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(base._Exporter, "__init__", some)
        from onnx.backend.test.case.node import collect_testcases

        return list(collect_testcases(None))


def lifted(model: Any, inputs: Sequence[Array]) -> Graph | CompileError | CompileErrors:
    """The case's graph, with as many variable inputs as it can have."""
    error: CompileError | CompileErrors | None = None
    for variable in (range(len(inputs)), (0, 1), (1,), (0,)):
        with_constants = onnx.ModelProto()
        with_constants.CopyFrom(model)
        with_constants.graph.initializer.extend(
            onnx.numpy_helper.from_array(array, info.name)
            for i, (info, array) in enumerate(zip(model.graph.input, inputs, strict=True))
            if i not in variable
        )
        try:
            return lift(parse.expanded(with_constants), "case.onnx", "case")
        except (CompileError, CompileErrors) as found:
            error = found
    assert error is not None
    return error


def fits(graph: Graph, inputs: dict[str, Array], outputs: Sequence[Array], case: Any) -> bool:
    ports = input_ports(graph)
    arrays = [inputs[p.name].astype(p.value.type.dtype.numpy) for p in ports]
    env = interpret(
        graph,
        [a.transpose(p.order) if p.order else a for a, p in zip(arrays, ports, strict=True)],
    )
    for port, wanted in zip(output_ports(graph), outputs, strict=True):
        value = port.value
        found = env[value] if value.data is None else value.data
        wanted = wanted.transpose(port.order) if port.order else wanted
        half = wanted.dtype == np.float16  # which is computed in float32
        if found.shape != wanted.shape or not (half or found.dtype == wanted.dtype):
            return False
        if not np.allclose(found, wanted, case.rtol, 2e-3 if half else 1e-5, equal_nan=True):
            return False
    return True


@pytest.mark.slow
def test_the_cases_of_each_operator() -> None:
    right: Counter[str] = Counter()
    wrong: list[str] = []
    refused: dict[str, list[str]] = defaultdict(list)
    for case in cases():
        if not all(
            isinstance(a, np.ndarray | np.generic) for part in case.data_sets[0] for a in part
        ):
            continue  # of sequences, of optional values, or of types that numpy lacks
        inputs, outputs = ([np.asarray(a) for a in part] for part in case.data_sets[0])
        name = case.name.removeprefix("test_")
        graph = lifted(case.model, inputs)
        if not isinstance(graph, Graph):
            refused[str(graph)].append(name)
            continue
        named = {i.name: a for i, a in zip(case.model.graph.input, inputs, strict=True)}
        if fits(graph, named, outputs, case):
            right.update({node.op_type for node in case.model.graph.node})
        else:
            wrong.append(name)
    assert sorted(wrong) == sorted(DIFFERENT)
    assert all(text.startswith("E3") for text in refused)
    missing = {name for name in rules.load() if "." not in name} - right.keys()
    assert missing == UNTESTED
    assert right.total() > 900
