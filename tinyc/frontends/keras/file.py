"""What the file of a Keras model, or a SavedModel's folder, says of itself, read without running
anything of it: which Keras made it, whether larq is needed, and what in it would run code."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CompileError
from ..packages import KERAS2, KERAS3, line, prepare
from . import autokeras_layers

GRAPH = "saved_model.pb"
_KERAS2_LAYERS = "keras_metadata.pb"
_MOST_CONFIG = 1 << 28
"""Bytes of a model's description; the largest of real ones has some megabytes."""
_MOST_TOLD = 3

_RUNS = {
    "Lambda": "holds Python code", "__lambda__": "holds Python code",
    "TFSMLayer": "loads another SavedModel", "TorchModuleWrapper": "unpickles Python objects",
    "JaxLayer": "holds Python code", "FlaxLayer": "holds Python code",
}  # fmt: skip
_OF_KERAS = re.compile(r"(keras|tf_keras|larq)(\.|$)|builtins$")
"""Modules whose classes and functions a description may name: those of Keras and of larq."""
_OF_AUTOKERAS = {(autokeras_layers.MODULE, name) for name in autokeras_layers.NAMES}
"""What has a layer of tinyc's in its place, so that nothing is imported."""

_OF_LARQ = re.compile(
    r'"[Ll]arq[.>]|"class_name": *"(Quant(?!i)|SteTern|DoReFa|(Ste|Approx|Swish|Magnitude\w+)Sign)'
    r'|"(ste|approx|swish|magnitude_aware)_sign"'
)
"""What tells layers and quantizers of larq in a description."""

_PURE = re.compile(
    r"(?!.*(py_?func|numpy_function|print|file|load_|_library))"
    r"((__operators__|bitwise|dtypes|image|linalg|math|nn|quantization|random|signal|strings)"
    r"(\.\w+)+|\w+)$"
)
"""Functions of TensorFlow that Keras 2 calls by name in a functional model, and that only
compute; `tf.io`, `tf.raw_ops`, `tf.summary` and the like are none of them."""

_STATE = re.compile(
    r".*Variable.*|VarHandleOp|VarIsInitializedOp|DisableCopyOnRead|Resource(Gather|Scatter|Apply"
    r"|Strided|CountUpTo).*|(Stateful)?PartitionedCall|_?(If|While)|Case|_Arg|_Retval|TensorArray.*"
    r"|Stack.*|(Anonymous)?(Mutable)?(Dense)?HashTable.*|AnonymousMutable.*|LookupTable.*"
    r"|InitializeTableV2|(Stateful|Parameterized)?(Random|Standard|Truncated|Uniform).*"
    r"|Multinomial|Stateful.*|Rng.*|NonDeterministicInts|Stateless.*|Assert|CheckNumerics.*|Empty"
    r"|Cudnn.*|DeviceIndex|DeepCopy|GuaranteeConst|DummySeedGenerator|XlaCallModule"
)
"""Operators with a state that ends with the process: variables, tables, calls, random numbers."""
_TOUCHES = re.compile(
    r".*(PyFunc|File|Reader|Dataset|Debug|Save|Restore|Checkpoint|Summary).*|Abort"
)
"""Operators that TensorFlow takes for functions of their inputs, and that touch more."""


@dataclass(frozen=True)
class KerasFile:
    """path: a file or a folder; keras: the major version of the Keras that made it, 0 for a
    SavedModel that holds a graph alone; larq: whether layers of larq are in it; code: what in it
    would run code or touch files when it is loaded or computed, a clause each."""

    path: Path
    keras: int
    larq: bool
    code: tuple[str, ...]

    def refuse_code(self) -> None:
        """Raise CompileError E312 if there is code in it."""
        if self.code:
            more = len(self.code) - _MOST_TOLD
            told = "; ".join(self.code[:_MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")
            raise CompileError(
                "E312", str(self.path), f"{told}: nothing of it was run",
                "pass --trust if you know who made the file: its code then runs with your rights",
            )  # fmt: skip


def inspect(path: Path) -> KerasFile:
    """Read ``path``. Raises CompileError E216 (a folder without a model), E309 (not a Keras
    model, or damaged), E705 (a package is missing)."""
    try:
        return _folder(path) if path.is_dir() else _file(path)
    except CompileError:
        raise
    except Exception as error:  # whatever damaged bytes lead to
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception, larq: bool = False) -> CompileError:
    """E309, with the line that tells why."""
    writer = "larq 0.14 and tf-keras" if larq else "model.save of Keras 2 or 3"
    what = f"Keras cannot load it: {line(str(error) or type(error).__name__)}"
    return CompileError("E309", str(path), what, f"save it with {writer}, or give file.py:function")


def _file(path: Path) -> KerasFile:
    version, config = _archive(path) if zipfile.is_zipfile(path) else _hdf5(path)
    model = json.loads(config)
    # How it was trained is not loaded.
    code = dict.fromkeys(_code({k: v for k, v in model.items() if k != "compile_config"}))
    return KerasFile(path, version, _mentions_larq(config), tuple(code))


def _mentions_larq(config: str) -> bool:
    return _OF_LARQ.search(config) is not None


def _archive(path: Path) -> tuple[int, str]:
    """(major version, description) of a zip by Keras 2 or 3."""
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo("config.json").file_size > _MOST_CONFIG:
            raise ValueError("its config.json is no description of layers: it is too long")
        metadata = json.loads(archive.read("metadata.json"))
        return _major(metadata["keras_version"]), archive.read("config.json").decode()


def _hdf5(path: Path) -> tuple[int, str]:
    """The same of an HDF5 file; those of the first Keras do not tell their version."""
    prepare(str(path), KERAS3)
    import h5py

    if not h5py.is_hdf5(path):
        raise ValueError("it is neither HDF5 nor a zip archive")
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise ValueError("it holds weights without the layers that they are of")
        texts = [file.attrs.get(name, "2") for name in ("keras_version", "model_config")]
        version, config = (t.decode() if isinstance(t, bytes) else str(t) for t in texts)
        return _major(version), config


def _major(version: str) -> int:
    """2 or 3."""
    return 3 if int(version.split(".")[0]) >= 3 else 2


# SavedModels -------------------------------------------------------------------------------


def _folder(path: Path) -> KerasFile:
    if not (path / GRAPH).exists():
        raise CompileError("E216", str(path), f"is a folder without a {GRAPH}", "give a model")
    kept = path / _KERAS2_LAYERS
    prepare(str(path), KERAS2 if kept.exists() else KERAS3)
    layers = list(_kept_layers(kept)) if kept.exists() else []
    operators = sorted(_operators(path / GRAPH))
    code = list(dict.fromkeys(reason for layer in layers for reason in _code(layer)))
    if operators:
        more = f" and {len(operators) - _MOST_TOLD} more" if len(operators) > _MOST_TOLD else ""
        names = ", ".join(operators[:_MOST_TOLD])
        code.append(f"its graph runs code or touches files by {names}{more}")
    larq = any(_mentions_larq(json.dumps(layer)) for layer in layers)
    return KerasFile(path, 2 if layers else 0, larq, tuple(code))


def _kept_layers(path: Path) -> Iterator[Any]:
    """The description of each layer beside a SavedModel of Keras 2."""
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    for node in SavedMetadata.FromString(path.read_bytes()).nodes:
        yield json.loads(node.metadata)


def _operators(path: Path) -> set[str]:
    """The operators that do more than compute, in all of a SavedModel that its signatures and
    callable functions reach. What saves and restores its variables is none of that: TensorFlow
    writes it into each, and loads without it."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    found: set[str] = set()
    for graph in SavedModel.FromString(path.read_bytes()).meta_graphs:
        functions = {f.signature.name: f for f in graph.graph_def.library.function}
        nodes = {node.name: node for node in graph.graph_def.node}
        infos = [
            info
            for signature in graph.signature_def.values()
            for info in (*signature.inputs.values(), *signature.outputs.values())
        ]
        queue = [_base(info.name) for info in infos]
        for key in ("saved_model_main_op", "legacy_init_op"):  # run when it is loaded
            queue += graph.collection_def[key].node_list.value
        reached: set[str] = set()
        calls = list(graph.object_graph_def.concrete_functions)
        while queue:
            name = queue.pop()
            if name not in reached and name in nodes:
                reached.add(name)
                queue += map(_base, nodes[name].input)
        bodies: list[Any] = [nodes[name] for name in reached]
        entered: set[str] = set()
        while bodies or calls:
            if not bodies:
                name = calls.pop()
                if name in functions and name not in entered:
                    entered.add(name)
                    bodies = list(functions[name].node_def)
                continue
            node = bodies.pop()
            found |= {node.op} - functions.keys() if _is_more(node.op) else set()
            calls += [node.op, *_called(node.attr.values())]
    return found


def _base(tensor: str) -> str:
    """The node of a tensor's name."""
    return tensor.lstrip("^").split(":")[0]


def _called(attributes: Iterable[Any]) -> Iterator[str]:
    """The functions that a node names."""
    for attribute in attributes:
        if attribute.HasField("func"):
            yield attribute.func.name
        for function in attribute.list.func:
            yield function.name


def _is_more(operator: str) -> bool:
    """Whether an operator touches more than its inputs and outputs and the model's state."""
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(operator)
    if _STATE.fullmatch(operator):
        return False
    return bool(_TOUCHES.fullmatch(operator)) or (known is not None and known.is_stateful)


# Descriptions of layers --------------------------------------------------------------------


def _code(description: Any) -> Iterator[str]:
    """What of a description runs code or touches files, a clause each."""
    stack = [("the model", description)]
    while stack:
        owner, value = stack.pop()
        if isinstance(value, list):
            stack += [(owner, item) for item in reversed(value)]
        if not isinstance(value, dict):
            continue
        kind, config = value.get("class_name"), value.get("config")
        if isinstance(kind, str) and isinstance(config, dict) and "name" in config:
            owner = f"layer '{config['name']}' ({kind})"
        yield from (f"{owner} {reason}" for reason in _reasons(kind, config, value))
        stack += [(owner, item) for item in reversed(value.values())]


def _reasons(kind: Any, config: Any, value: dict[str, Any]) -> Iterator[str]:
    """Why one object of a description is refused."""
    config = config if isinstance(config, dict) else {}
    if isinstance(kind, str):
        name = kind.rpartition(">")[2]
        if name in _RUNS:
            yield _RUNS[name]
        module = value.get("module")
        known = (module, value.get("registered_name")) in _OF_AUTOKERAS or name == "__typespec__"
        if isinstance(module, str) and not known and not _OF_KERAS.match(module):
            yield f"is of the Python module {module}, which would be imported"
        if name.endswith("OpLambda") and not _PURE.match(_function(config)):
            yield f"calls tf.{_function(config)}"
        if isinstance(config.get("vocabulary"), str):
            yield f"reads the file {config['vocabulary']}"
    if any(k.endswith("_type") and v in ("lambda", "raw") for k, v in value.items()):
        yield "holds Python code"


def _function(config: dict[str, Any]) -> str:
    """The name of TensorFlow's function in an ``OpLambda`` layer."""
    return re.sub(r"^compat\.v[12]\.", "", str(config.get("function", "")))
