"""What a board's file may say of how fast it is, and what it draws, beyond its core and clock."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """A table that says nothing else than its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Cache(Strict):
    """A cache before the flash: what of it is held is not waited for.

    bytes: of all lines; ways: lines of a set, of which the one that was longest unused gives way,
    as many as there are lines where any line may lie anywhere; code: whether instructions go
    through it too, and not data alone.
    """

    bytes: int = Field(gt=0)
    ways: int = Field(gt=0)
    code: bool = False


class Waits(Strict):
    """What the core waits for in this board's flash at the rated clock, in cycles on top of
    `Core.timing`: terms that were fitted on silicon.

    states: the flash's wait states; line: bytes that it gives at once, and a line of the cache;
    taken: for a branch that is taken; straddle: for each executed 32-bit opcode that lies across
    two lines; read: for each read of data from flash; miss: for each line that the cache does not
    hold; error: the largest error against silicon, in percent.
    """

    states: int = Field(ge=0)
    line: int = Field(16, ge=4, le=256)
    cache: Cache | None = None
    taken: float = Field(0.0, ge=0)
    straddle: float = Field(0.0, ge=0)
    read: float = Field(0.0, ge=0)
    miss: float = Field(0.0, ge=0)
    error: float = Field(gt=0, le=100)

    @model_validator(mode="after")
    def _check(self) -> Waits:
        if self.line & (self.line - 1):
            raise ValueError(f"line: {self.line} is no power of two")
        if self.miss and self.cache is None:
            raise ValueError("miss: there is no cache")
        if self.cache is not None:
            sets, rest = divmod(self.cache.bytes, self.line * self.cache.ways)
            if rest or sets & (sets - 1):
                raise ValueError("cache: its sets are no power of two")
        return self


class Power(Strict):
    """What the chip draws as it infers at the rated clock: milliwatts at a supply of volts; error:
    by how many percent what was measured lies about that."""

    milliwatts: float = Field(gt=0)
    volts: float = Field(gt=0)
    error: float = Field(gt=0, le=100)
