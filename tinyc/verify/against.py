"""Two models on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import CompileError
from ..ir.ports import input_ports
from ..run.data import Samples, given_samples
from .stages import Chain, Stage

if TYPE_CHECKING:
    from ..project import Project


@dataclass
class Pair:
    """Two chains of one stage each: the graph that a model's firmware computes to the bit, and the
    same of another model, on the samples of the first."""

    project: Project
    other: Project
    samples: Samples
    given: Samples = field(init=False)

    def __post_init__(self) -> None:
        """Raises CompileError E21x where the other model does not take the inputs."""
        self.given = self._given()

    def __iter__(self) -> Iterator[Stage]:
        yield Chain(self.project, self.samples).interpreted(
            self.project.name, "rewrite", self.project.compiled.graph
        )
        name = self.other.name
        if name == self.project.name:
            name = f"{name} (the other)"
        graph = self.other.compiled.graph
        yield Chain(self.other, self.given).interpreted(name, "other", graph)

    def _given(self) -> Samples:
        """The samples as the other model takes them: as they are where the types are the same,
        else the real numbers that they stand for."""
        ours, graph = self.project.compiled.graph, self.other.compiled.graph
        ports = input_ports(graph)
        if len(ports) != len(ours.inputs):
            what = f"takes {len(ports)} inputs, '{self.project.name}' {len(ours.inputs)}"
            raise CompileError("E211", self.other.name, what, "compare models of the same inputs")
        arrays = {}
        for i, (mine, theirs) in enumerate(zip(ours.inputs, graph.inputs, strict=True)):
            key = "x" if len(ports) == 1 else f"x_{i}"
            same = mine.type == theirs.type
            arrays[key] = self.samples.inputs[i] if same else self.samples.reals(i, mine.type)
        found = given_samples(arrays, graph, f"{self.other.name}: inputs of {self.project.name}")
        return Samples(found.inputs, given=found.given, starts=self.samples.starts)
