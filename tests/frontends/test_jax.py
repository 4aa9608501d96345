"""Functions of JAX: through the guide, with their names and structures, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from tinyc.cli import app as cli
from tinyc.errors import CompileError
from tinyc.frontends.base import read_model
from tinyc.ir import Array, Graph, interpret

for _name in ("jax", "tensorflow"):
    if importlib.util.find_spec(_name) is None:
        pytest.skip("needs JAX: pip install 'tinyc[jax]'", allow_module_level=True)
pytestmark = pytest.mark.slow  # TensorFlow takes long to start

FUNCTIONS = """
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def ones(*shape):
    return np.ones(shape, np.float32)


A = jax.random.normal(jax.random.key(1), (5, 4))
K = jax.random.normal(jax.random.key(2), (6, 3, 3, 3))


def named(zeta, alpha):
    return {"sum": zeta + alpha @ A, "less": jnp.tanh(zeta)}


def parts(batch, more):
    return batch["v"] @ A, (batch["b"] * more[0] - more[1])


def nchw(image):
    y = lax.conv_general_dilated(image, K, (2, 1), ((1, 1), (0, 2)))
    return jax.nn.relu(lax.reduce_window(y, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"))


def steps(x):
    return lax.fori_loop(0, 3, lambda i, y: jnp.tanh(y @ A[:4] + i), x)


def branches(x):
    return x if x.sum() > 0 else -x


EXAMPLES = {
    "named": (ones(1, 4), ones(1, 5)),
    "parts": ({"v": ones(1, 5), "b": ones(1, 4)}, (ones(1, 4), ones(1, 4))),
    "nchw": (ones(1, 3, 6, 5),),
    "steps": (ones(4),),
    "branches": (ones(1, 4),),
}
for name, given in EXAMPLES.items():
    globals()[f"give_{name}"] = lambda name=name, given=given: (jax.jit(globals()[name]), *given)
"""
NAMES = {
    "named": (["zeta", "alpha"], ["less", "sum"]),
    "parts": (["batch_b", "batch_v", "more_0", "more_1"], ["output_0", "output_1"]),
    "nchw": (["image"], ["output_0"]),
    "steps": (["x"], ["output_0"]),
}


def outputs(graph: Graph, arrays: list[Array]) -> list[Array]:
    values = interpret(graph, arrays)
    return [values[v] for v in graph.outputs]


def test_functions(tmp_path: Path) -> None:
    import jax

    path = tmp_path / "made.py"
    path.write_text(FUNCTIONS)
    rng = np.random.default_rng(0)
    for name, (ins, outs) in NAMES.items():
        graph, predict = read_model(f"{path}:give_{name}")
        assert (graph.input_names, graph.output_names) == (tuple(ins), tuple(outs))
        samples = [rng.normal(0, 1, (2, *v.type.shape)).astype(np.float32) for v in graph.inputs]
        assert predict is not None
        theirs = predict(samples)
        space: dict[str, Any] = {}
        exec(FUNCTIONS, space)
        structure = jax.tree.structure(space["EXAMPLES"][name])
        for i in range(2):
            arrays = [x[i] for x in samples]
            made = jax.tree.leaves(space[name](*jax.tree.unflatten(structure, arrays)))
            for own, again, y in zip(outputs(graph, arrays), theirs, made, strict=True):
                np.testing.assert_allclose(own, y, rtol=1e-5, atol=1e-5)
                np.testing.assert_allclose(again[i], y, rtol=1e-5, atol=1e-5)


def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made.py"
    path.write_text(FUNCTIONS)
    with pytest.raises(CompileError, match=r"E311 .*boolean conversion of traced array"):
        read_model(f"{path}:give_branches")
    find: Callable[[str], Any] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jax" else find(name)
    )
    with pytest.raises(CompileError, match=r"E705 .*needs jax; pip install 'tinyc\[jax\]'"):
        read_model(f"{path}:give_named")


def test_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files and commands of docs/jax.md, as they stand."""
    pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'tinyc[train]'")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "jax.md").read_text()
    trained, saved = re.findall(r"```python\n(.*?)```", text, re.S)
    Path("digits.py").write_text(trained)
    Path("save.py").write_text(saved)
    (commands,) = re.findall(r"```\n(python digits.*?)```", text, re.S)
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        if program == "tinyc":
            assert cli.execute([*arguments, "--json"]) == 0
        else:
            subprocess.run([sys.executable, *arguments], check=True)
    tested = json.loads(capsys.readouterr().out.split("\n{")[0])
    assert tested["samples"] == 449 and tested["mismatches"] == 0
    assert tested["agreement"] >= 0.99 and tested["milliseconds"] < 0.9
    subprocess.run([sys.executable, "save.py"], check=True, stderr=subprocess.DEVNULL)
    with np.load("test.npz") as held_out:
        x, y = held_out["x"][:40], held_out["y"][:40]
    found = []
    for model in ("digits.py:trained", "digits_saved", "digits.tflite"):
        graph, _ = read_model(model)
        assert graph.input_names == ("image",)
        found.append(np.stack([outputs(graph, [image[None]])[0][0] for image in x]))
    assert (found[0].argmax(1) == y).mean() >= 0.95
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], atol=1e-6)
