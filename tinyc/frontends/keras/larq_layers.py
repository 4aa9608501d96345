"""Which layers of larq can become bits, told before the converter meets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import CompileError

SIGNS = ("SteSign", "ApproxSign", "SwishSign", "MagnitudeAwareSign")
"""larq's quantizers to +1 and -1 (larq/quantizers.py); the last one, with a scale for each
output channel, is one of weights only."""

_INSTEAD = {
    "DoReFa": "it has more than one bit: use ste_sign for a binary layer, or no quantizer and "
    "--calibrate for an int8 one",
    "SteTern": "it is ternary: use ste_sign or magnitude_aware_sign",
    "SteHeaviside": "it gives 0 and 1: use ste_sign",
    "NoOp": "it quantizes nothing: leave it out, or use ste_sign",
}
_BINARY_LAYERS = (
    "QuantConv1D", "QuantConv2D", "QuantDense", "QuantDepthwiseConv2D", "QuantSeparableConv2D",
)  # fmt: skip


def problems(network: Any, file: str) -> list[CompileError]:
    """An E310 for each layer of larq in ``network`` that cannot become bits."""
    errors = []
    weighted = 0
    for layer in layers(network):
        kind = type(layer).__name__
        if is_larq(layer):
            origin = f"{file}: layer '{layer.name}' ({kind})"
            errors += _problems(layer, kind, origin, first=weighted == 0)
        weighted += bool(layer.weights) and "Normalization" not in kind
    return errors


def is_larq(layer: Any) -> bool:
    """Whether ``layer`` is one of larq's."""
    return type(layer).__module__.startswith("larq") and type(layer).__name__.startswith("Quant")


def layers(network: Any) -> Iterator[Any]:
    """The layers of a Keras model and of the models in it."""
    for layer in network.layers:
        yield from layers(layer) if hasattr(layer, "layers") else (layer,)


def _problems(layer: Any, kind: str, origin: str, first: bool) -> list[CompileError]:
    """What keeps a layer of larq from being binary; the first layer may take plain pixels."""
    if kind not in _BINARY_LAYERS:
        hint = f"use {', '.join(_BINARY_LAYERS)}"
        return [CompileError("E310", origin, "has no binary form here", hint)]
    names = [n for n in ("input_quantizer", "kernel_quantizer", "depthwise_quantizer",
                         "pointwise_quantizer") if hasattr(layer, n)]  # fmt: skip
    if kind == "QuantDepthwiseConv2D":  # it inherits the other one, which it does not use
        names = [n for n in names if n != "kernel_quantizer"]
    found = {name: getattr(layer, name) for name in names}
    errors = []
    for name, quantizer in found.items():
        if quantizer is None:
            continue
        quantizer_name = _quantizer_name(quantizer)
        allowed = SIGNS if name != "input_quantizer" else SIGNS[:3]
        if quantizer_name not in allowed:
            hint = _INSTEAD.get(quantizer_name, "use ste_sign, approx_sign or swish_sign")
            what = f"its {name} {quantizer_name} is not supported"
            errors.append(CompileError("E310", origin, what, hint))
    if errors:
        return errors
    weights = [name for name in names if name != "input_quantizer"]
    signs = [name for name in weights if found[name] is not None]
    if found["input_quantizer"] is not None and len(signs) < len(weights):
        missing = next(name for name in weights if found[name] is None)
        return [CompileError(
            "E310", origin, f"has binary inputs but no {missing}",
            f'pass {missing}="ste_sign", or take the input_quantizer away',
        )]  # fmt: skip
    if found["input_quantizer"] is None and signs and not first:
        return [CompileError(
            "E310", origin, "has binary weights but no input_quantizer",
            'pass input_quantizer="ste_sign" (only the first layer takes numbers), or take the '
            f"{signs[0]} away",
        )]  # fmt: skip
    return []


def _quantizer_name(quantizer: Any) -> str:
    kind = type(quantizer)
    if kind.__name__ in ("function", "partial", "Functional", "Lambda"):
        return str(getattr(quantizer, "__name__", kind.__name__))
    return kind.__name__
