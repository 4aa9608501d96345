"""tinyc: compile a trained neural network into firmware for a Cortex-M microcontroller."""

__version__ = "0.1.0"
