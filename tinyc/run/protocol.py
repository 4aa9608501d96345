"""The host's side of the serial harness: the protocol of MLPerf Tiny's runner.

Commands end with ``%``, the answer is lines of which the last is ``m-ready``
(github.com/mlcommons/tiny, benchmark/api/internally_implemented.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import CompileError
from ..ir import Array
from .hearing import ran

READY = b"m-ready\r\n"
BYTES_PER_COMMAND = 120
"""As many as fit the firmware's line; MLCommons' runner sends 31."""


class Session:
    """One conversation with a firmware.

    send: writes bytes to its UART; receive: blocks for more bytes of it, and returns none when
    there are no more to come; greets: whether the firmware starts now, and says so. Raises
    CompileError E802 for an error that the firmware tells of, a fault above all, and for an end
    before the answer is complete.
    """

    def __init__(
        self,
        send: Callable[[bytes], object],
        receive: Callable[[], bytes],
        origin: str,
        greets: bool = True,
    ) -> None:
        self._send, self._receive, self._origin = send, receive, origin
        self._pending = b""
        self.console = ""
        if greets:
            self._answer()

    def command(self, text: str) -> list[str]:
        """The lines of the answer to ``text``, without ``m-ready``."""
        self._send(f"{text}%".encode())
        return self._answer()

    def _answer(self) -> list[str]:
        while READY not in self._pending:
            if b"fault: " in self._pending and self._pending.endswith(b"\n"):
                break
            piece = self._receive()
            if not piece:
                raise self._failed("ended before it answered")
            self._pending += piece
        answer, _, self._pending = self._pending.partition(READY)
        text = answer.decode("ascii", "replace")
        self.console += text
        lines = text.splitlines()
        for line in lines:
            if line.startswith("fault: ") or line.startswith("e-["):
                raise self._failed(line)
        return lines

    def _failed(self, what: str) -> CompileError:
        return CompileError("E802", self._origin, f"the firmware over its UART: {what}")

    def load(self, data: bytes) -> None:
        """Give it the bytes of its inputs."""
        self.command(f"db load {len(data)}")
        for at in range(0, len(data), BYTES_PER_COMMAND):
            self.command(f"db {data[at : at + BYTES_PER_COMMAND].hex()}")

    def value(self, command: str, name: str) -> str:
        """What stands in the brackets of ``m-name-[...]`` in the answer to a command."""
        for line in self.command(command):
            if match := re.fullmatch(rf"m-{name}-\[(.*)\]", line):
                return match[1]
        raise self._failed(f"answers {command}% without m-{name}-[...]")

    def outputs(self, inputs: Sequence[Array], states: bool = False) -> Array:
        """uint8 [n, bytes of all outputs] of inferences of each of ``inputs``, uint8 [bytes].

        states: the model keeps some, and the first byte tells whether they are reset before.
        """
        rows = []
        for row in inputs:
            if states and row[0]:
                self.command("reset")
            self.load(row[int(states) :].tobytes())
            self.command("infer 1 0")
            rows.append(np.frombuffer(bytes.fromhex(self.value("outputs", "outputs")), np.uint8))
            ran()
        return np.stack(rows)

    def stack_bytes(self) -> int:
        """The deepest use of its stack."""
        return int(self.value("stack", "stack"))
