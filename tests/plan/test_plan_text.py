"""A plan as text."""

from __future__ import annotations

from conftest import ROOT

from tinyc.frontends.tflite import read
from tinyc.ir.printer import WIDTH
from tinyc.passes import optimize
from tinyc.plan import plan


def test_a_plan_tells_kernels_places_and_the_peak() -> None:
    network = optimize(read(ROOT / "recipes" / "digits-int8.tflite"))
    planned = plan(network, "Cortex-M0+", frozenset(), optimize="speed")
    text = str(planned)
    lines = text.splitlines()
    assert lines[0] == "plan digits_int8 for Cortex-M0+ (no extensions): 6 layers"
    assert max(map(len, lines)) <= WIDTH
    for step in planned.steps:
        assert any(line.startswith(f"  {step.index} {step.kernel.name}: ") for line in lines)
    assert "conv2d_s8_dsp: the core has no dsp" in " ".join(text.split())
    assert f"  arena of {planned.arena_bytes:,} bytes" in lines
    places = [line for line in lines if " bytes  " in line]
    assert len(places) == len(planned.buffers)
    assert sum(line.endswith("scratch") for line in places) == sum(
        step.binding.scratch > 0 for step in planned.steps
    )
    alive = [b.bytes for b in planned.buffers if b.first <= planned.peak[0] <= b.last]
    assert lines[-1].startswith(f"  most at once: {planned.peak[1]:,} bytes in layer ")
    # Its output grows over the rows of its input that it has read.
    common = sum(alive) - planned.peak[1]
    assert common > 0 and f", {common:,} in common" in lines[-1]
