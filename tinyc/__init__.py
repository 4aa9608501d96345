"""tinyc: compile a trained neural network into firmware for a Cortex-M microcontroller.

    import tinyc

    firmware = tinyc.compile("kws.tflite", board="stm32")
    scores = firmware.run(x)

What is here is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .firmware import CompileError, CompileErrors, Firmware, compile, load

__version__ = "0.1.0"
__all__ = ["CompileError", "CompileErrors", "Firmware", "compile", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tinyc' has no attribute {name!r}")
    from . import firmware

    return getattr(firmware, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
