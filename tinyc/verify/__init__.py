"""Verify: the stages of a model's way, from floats to the board, each held against the one before
it; and where two of them part, the first layer that computes something else."""
