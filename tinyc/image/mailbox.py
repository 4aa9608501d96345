"""Two regions of an emulated machine beside its board's memories: samples in, outputs out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..ir import Array
from ..target.boards import Memory

# Armv7-M ARM B3.1 has 0x60000000 to 0x9fffffff for external RAM: normal memory, on every core.
INBOX = 0x9000_0000
OUTBOX = 0x9800_0000
MOST_BYTES = OUTBOX - INBOX
HEADER_BYTES, WORD_BYTES = 8, 4
NO_LABEL = 0xFFFF_FFFF


@dataclass(frozen=True)
class Batch:
    """Samples, and what is known of them.

    inputs: uint8 [n, bytes of all inputs]; expected: uint8 [n, bytes of all outputs], None where
    outputs are not compared; labels: class indices [n], -1 where there is none, or None.
    """

    inputs: Array
    expected: Array | None = None
    labels: Array | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def first(self, bytes: int) -> Batch:
        """As many of the first samples as fit into so many bytes, packed."""
        known = 0 if self.expected is None else self.expected.shape[1]
        count = max(0, bytes - HEADER_BYTES) // (WORD_BYTES + self.inputs.shape[1] + known)
        expected, labels = (None if a is None else a[:count] for a in (self.expected, self.labels))
        return Batch(self.inputs[:count], expected, labels)

    def pack(self) -> bytes:
        """The inbox: the number of samples and of those to be compared (0 or all), a label for
        each (`NO_LABEL`: none), all little-endian words; the inputs, then the expected outputs."""
        count = len(self)
        compared = 0 if self.expected is None else count
        labels = np.full(count, NO_LABEL) if self.labels is None else self.labels
        words = [np.array([count, compared], "<u4"), labels.astype("<u4")]
        expected = b"" if self.expected is None else self.expected.tobytes()
        return b"".join(w.tobytes() for w in words) + self.inputs.tobytes() + expected


def collides(memories: Iterable[Memory]) -> bool:
    """Whether one of a board's memories lies where the regions do."""
    return any(m.origin < OUTBOX + MOST_BYTES and m.end > INBOX for m in memories)
