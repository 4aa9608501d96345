"""An exported PyTorch program as a function of tensors, and its conversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import CompileError
from ...ir import Array
from ..order import Wanted
from ..packages import line
from .quantized import is_quantization, settings


@dataclass(frozen=True, eq=False)
class Program:
    """forward: tensors, one for each of ``inputs`` -> those of ``outputs``; exported: the
    torch.export.ExportedProgram of the same; example: the tensors that it was exported for;
    inputs, outputs: in the module's order; layers: what the converter calls a layer -> its path in
    the module; notes: see `tinyc.ir.Graph`."""

    forward: Callable[[Sequence[Any]], Sequence[Any]]
    exported: Any
    example: tuple[Any, ...]
    inputs: tuple[Wanted, ...]
    outputs: tuple[Wanted, ...]
    layers: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @classmethod
    def of_module(
        cls, module: Any, args: tuple[Any, ...], named: Mapping[str, Any], origin: str
    ) -> Program:
        """A torch.nn.Module in evaluation mode, called with ``args`` and the keywords ``named``.
        Raises CompileError E216 (no tensor is among them), E311 (it cannot be exported)."""
        import torch
        from torch.utils import _pytree as pytree

        if isinstance(module, torch.fx.GraphModule):  # one that was exported before
            from torchao.quantization.pt2e import move_exported_model_to_eval

            move_exported_model_to_eval(module)
        else:
            module.eval()
        leaves, spec = pytree.tree_flatten((args, dict(named)))
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        if not places:
            hint = "give an example of each input as a tensor"
            raise CompileError("E216", origin, "the model has no tensor for an input", hint)

        def given(tensors: Sequence[Any]) -> Any:
            by_place = dict(zip(places, tensors, strict=True))
            return pytree.tree_unflatten(
                [by_place.get(i, leaf) for i, leaf in enumerate(leaves)], spec
            )

        def forward(tensors: Sequence[Any]) -> Sequence[Any]:
            args, named = given(tensors)
            with torch.no_grad():
                found: Sequence[Any] = pytree.tree_leaves(module(*args, **named))
            return found

        example, notes = _batch_of_one(module, given, [leaves[i] for i in places], origin)
        try:
            exported = torch.export.export(module, *given(example))
            results = forward(example)
        except Exception as error:
            what = f"torch.export cannot export it: {line(str(error))}"
            hint = "see what torch.export says of it outside of tinyc"
            raise CompileError("E311", origin, what, hint) from None
        names = [str(exported.graph_signature.user_inputs[i]) for i in places]
        ends = _output_names(exported.call_spec.out_spec)
        return cls(
            forward, exported, tuple(example),
            _ports(names, example, "args_{}"), _ports(ends, results, "output_{}"),
            _layers(exported), notes,
        )  # fmt: skip

    @classmethod
    def of_export(cls, exported: Any, origin: str) -> Program:
        """A torch.export.ExportedProgram. Raises CompileError E305 (it leaves a size open that is
        not the batch's), and as `of_module`."""
        for node in exported.graph.find_nodes(op="placeholder"):
            shape = getattr(node.meta.get("val"), "shape", ())
            if any(not isinstance(size, int) for size in shape[1:]):
                what = f"the input '{node.name}' has the shape {list(map(str, shape))}"
                raise CompileError("E305", origin, what, "fix every size but the batch")
        args, named = exported.example_inputs or ((), {})
        return cls.of_module(exported.module(check_guards=False), args, named, origin)

    def predict(self, inputs: Sequence[Array]) -> list[Array]:
        """Arrays [n, *shape], or with their first dimension merged into the samples', one for each
        input -> an array [n, ...] for each output, computed one sample after the other."""
        import torch

        found = []
        shaped = [
            torch.from_numpy(np.ascontiguousarray(x)).to(e.dtype).reshape(-1, *e.shape)
            for x, e in zip(inputs, self.example, strict=True)
        ]
        for row in zip(*shaped, strict=True):
            found.append([y.numpy() for y in self.forward(row)])
        return [np.stack(ys) for ys in zip(*found, strict=True)]

    def convert(self, origin: str) -> bytes:
        """The ``.tflite`` of litert-torch. Raises CompileError E311."""
        import litert_torch
        import torch

        module = self.exported.module(check_guards=False)
        # Tensors in, tensors out: then the converter numbers them, in their order.
        module._forward_pre_hooks.clear()
        module.graph.set_codegen(torch.fx.graph.CodeGen())
        module.recompile()
        module.training = False
        litert_torch.config.show_progress = False
        try:
            return bytes(
                litert_torch.convert(
                    module, self.example, quant_config=settings(module)
                ).model_content()
            )
        except Exception as error:
            raise CompileError(
                "E311", origin, f"litert-torch cannot convert it: {line(str(error))}",
                "use operators that LiteRT has",
            ) from None  # fmt: skip

    def layer(self, name: str) -> str:
        """The path in the module of what the converter calls ``name``."""
        return self.layers.get(name.split(";")[0], name)


def _batch_of_one(
    module: Any, given: Callable[[Sequence[Any]], Any], example: list[Any], origin: str
) -> tuple[list[Any], tuple[str, ...]]:
    """``example``, or its first sample where all of it begins with one and the same size, and the
    module takes any; with what there is to say of that."""
    import torch

    sizes = {tensor.shape[0] if tensor.ndim else 1 for tensor in example}
    if len(sizes) > 1 or sizes == {1}:
        return example, ()
    (size,) = sizes
    shapes = torch.export.ShapesCollection()
    copies = [tensor.clone() for tensor in example]  # for the attempt leaves its marks on them
    for tensor in copies:
        shapes[tensor] = {0: torch.export.Dim.DYNAMIC}
    args, named = given(copies)
    try:
        torch.export.export(module, args, named, dynamic_shapes=shapes)
    except Exception:  # Whatever else is wrong is told when the example itself is exported.
        return example, (f"{origin}: it is compiled for a batch of {size}, that of its example",)
    note = f"{origin}: its example has a batch of {size}; it is compiled for 1"
    return [tensor[:1].clone() for tensor in example], (note,)


def _output_names(spec: Any) -> list[str]:
    """The keys by which each output is reached where the outputs are a dict, else its number."""
    from torch.utils import _pytree as pytree

    structure = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    paths, _ = pytree.tree_flatten_with_path(structure)
    names = []
    for path, index in paths:
        keys = [str(getattr(k, "key", getattr(k, "name", getattr(k, "idx", "")))) for k in path]
        plain = all(isinstance(k, pytree.SequenceKey) for k in path)
        names.append(f"output_{index}" if plain else "_".join(keys))
    return names


def _ports(names: Sequence[str], tensors: Sequence[Any], known_as: str) -> tuple[Wanted, ...]:
    return tuple(
        Wanted(name, (known_as.format(i),), tuple(tensor.shape[1:]), str(tensor.dtype)[6:])
        for i, (name, tensor) in enumerate(zip(names, tensors, strict=True))
    )


def _layers(exported: Any) -> dict[str, str]:
    """What litert-torch calls layers of a program -> the path of the module that they belong to.

    It joins the type of each module from the outermost in, with the last part of its path:
    ``nets.Net/torch.nn.modules.linear.Linear_head``. The root's own operators go by its type, what
    computes an output by that one's number.
    """
    found: dict[str, str] = {}
    by_node: dict[str, str] = {}
    for node in exported.graph.nodes:
        stack = list(node.meta.get("nn_module_stack", {}).values())
        parts = []
        for path, kind in stack:
            tail = path.rpartition(".")[2]
            text = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
            parts.append(f"{text}_{tail}" if tail else text)
        if is_quantization(node):
            by_node[node.name] = by_node.get(node.args[0].name, "")
        elif parts:
            by_node[node.name] = stack[-1][0] or parts[0].rpartition(".")[2]
            found["/".join(parts)] = by_node[node.name]
    for i, name in enumerate(exported.graph_signature.user_outputs):
        if by_node.get(name):
            found[f"serving_default_output_{i}_output"] = by_node[name]
    return found
