"""Bring a network that PT2E quantized into the form in which litert-torch keeps all of it."""

from __future__ import annotations

from typing import Any

_NAMESPACE = "quantized_decomposed."
"""The operators of PT2E's quantization."""


def is_quantization(node: Any) -> bool:
    """Whether a node of a torch.fx.Graph quantizes or dequantizes."""
    return str(node.target).startswith(_NAMESPACE)


def settings(module: Any) -> Any:
    """What litert-torch has to be told of a torch.fx.GraphModule, None if nothing in it is
    quantized; the module is rewritten, its numbers stay the same."""
    operators = {str(node.target) for node in module.graph.nodes if is_quantization(node)}
    if not operators:
        return None
    from litert_torch.quantize.pt2e_quantizer import (
        PT2EQuantizer,
        get_symmetric_quantization_config,
    )
    from litert_torch.quantize.quant_config import QuantConfig

    _drop_dropout(module)
    for node in list(module.graph.nodes):
        kind = str(node.target).removeprefix(_NAMESPACE)
        if is_quantization(node) and (layer := node.args[0].meta.get("nn_module_stack")):
            node.meta["nn_module_stack"] = layer  # the layer by which the converter calls it
        if kind.startswith("dequantize_per_") and node.args[0].op == "get_attr":
            _unfold(module, node)
        elif kind.startswith("quantize_per_tensor"):
            _part(module, node)
    module.recompile()
    dynamic = any(name.startswith(f"{_NAMESPACE}choose_qparams") for name in operators)
    scheme = get_symmetric_quantization_config(is_dynamic=dynamic)
    return QuantConfig(pt2e_quantizer=PT2EQuantizer().set_global(scheme))


def _drop_dropout(module: Any) -> None:
    """Drop the dropouts, which do nothing in evaluation mode."""
    for node in list(module.graph.nodes):
        if str(node.target).endswith("dropout.default"):
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)


def _unfold(module: Any, node: Any) -> None:
    """Have the int8 weights that ``node`` dequantizes quantized before it: ``convert_pt2e`` folds
    that away by default, and the converter knows no other form."""
    import torch

    stored, *rest = torch.fx.node.map_arg(node.args, lambda n: _attribute(module, n.target))
    if stored.dtype is not torch.int8:
        return
    name = f"_real_{node.name}"
    module.register_buffer(name, node.target(stored, *rest, **node.kwargs))
    packet, overload = str(node.target).removeprefix(f"{_NAMESPACE}de").split(".")
    quantize = getattr(getattr(torch.ops.quantized_decomposed, packet), overload)
    with module.graph.inserting_before(node):
        again = module.graph.call_function(
            quantize, (module.graph.get_attr(name), *node.args[1:]), node.kwargs
        )
    node.args = (again, *node.args[1:])


def _attribute(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part)
    return module


def _part(module: Any, node: Any) -> None:
    """Part the quantization ``node`` from another with other numbers that is right before it, by
    views that change nothing: behind pooling the converter loses the second of two."""
    import torch

    before = node.args[0]
    if (
        not str(before.target).startswith(f"{_NAMESPACE}dequantize_per_tensor")
        or before.args[1:3] == node.args[1:3]
    ):
        return
    graph = module.graph
    with graph.inserting_before(node):
        node.args = (
            graph.call_function(torch.ops.aten.unsqueeze.default, (before, 0)), *node.args[1:],
        )  # fmt: skip
    for user in list(node.users):
        with graph.inserting_after(user):
            back = graph.call_function(torch.ops.aten.squeeze.dims, (user, [0]))
        user.replace_all_uses_with(back)
        back.args = (user, [0])
