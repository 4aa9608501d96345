"""How C computes an operator, by family and instruction set."""
