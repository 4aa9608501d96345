"""A board on the desk, by its serial port, with the firmware of ``tinyc build --main serial``.

A board is not started anew, and anything may have been said to it before: what is under way is
ended, and what is left of it thrown away, before the first question.
"""

from __future__ import annotations

import errno
import importlib.util
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..emit.identity import identity
from ..errors import CompileError
from ..ir import Array
from . import Emulator, Target, Trace, register_target, time_limit
from .protocol import READY, Session

if TYPE_CHECKING:
    from ..image.build import Image

BAUD = 115200
"""Of every board's console, see `tinyc.target.schema`."""
ANSWER_S = 5.0
"""Seconds in which a board answers what takes it no inference, a thousandth of that as a rule."""
_QUIET_S = 0.2
"""Silence after which nothing more comes of what was said before."""
_FLASH = "build it with --main serial and write it to the board: `tinyc flash --image`"


def on_desk(place: str) -> Emulator:
    """How images run on the board at ``PORT`` or ``PORT:BAUD``. Raises CompileError E206 (it is
    neither)."""
    port, colon, rate = place.rpartition(":")
    if not colon or not rate.isdecimal():  # a port's own path may have colons
        port, rate = place, str(BAUD)
    if not port or not 0 < int(rate) <= 4_000_000:
        hint = "name it as serial:/dev/ttyACM0, or serial:COM3:115200"
        raise CompileError("E206", f"target 'serial:{place}'", "names no port", hint)
    name = f"serial:{place}"

    def run(image: Image, inputs: Array, layers: Sequence[str] = ()) -> Trace:
        return _run(image, inputs, name, port, int(rate))

    return Emulator(name, f"the board at {port}", "serial", run, real=True)


def _run(image: Image, inputs: Array, name: str, port: str, rate: int) -> Trace:
    """See `tinyc.run.run`; the cycles that the board's counter tells of a warm inference of the
    first sample, caches and all. Raises CompileError E705 (no pyserial), E817 (no such port), E818
    (another program has it), E819 (no answer), E820 (no text: the baud rate), E821 (the firmware of
    another network), and those of `Session`."""
    states = image.c_library.states > 0
    with _opened(port, rate) as line:
        session = _session(line, port, image)
        line.patience = time_limit(1)
        outputs = session.outputs(list(inputs), states)
        if states:
            session.command("reset")
        session.load(inputs[0][int(states) :].tobytes())
        session.command("infer 1 0" if states else "infer 1 1")
        cycles, counter, _ = session.value("cycles", "cycles").split(" ")
        stack = session.stack_bytes()
    return Trace(
        name, outputs, session.console, None, None, f"not counted ({name})", stack,
        measured_cycles=int(cycles), measured_source=f"cycles ({counter})",
    )  # fmt: skip


@contextmanager
def _opened(port: str, rate: int) -> Iterator[_Line]:
    """The port, for this process alone as long as the block lasts."""
    if importlib.util.find_spec("serial") is None:
        hint = "pip install 'tinyc[serial]'"
        raise CompileError("E705", f"serial:{port}", "needs pyserial, which is missing", hint)
    import serial

    try:
        device = serial.Serial(port, rate, timeout=0, write_timeout=ANSWER_S, exclusive=True)
    except (OSError, ValueError) as error:  # serial.SerialException is an OSError
        raise _refused(port, error) from None
    with device:
        yield _Line(device, port)


def _refused(port: str, error: Exception) -> CompileError:
    number = getattr(error, "errno", None)
    said = str(error)
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in said:
        what, hint = "another program has it open", "close the terminal or the test that does"
        return CompileError("E818", port, what, hint)
    if number in (errno.EACCES, errno.EPERM):
        hint = "add yourself to its group (dialout), and log in anew"
        return CompileError("E817", port, "may not be opened by you", hint)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or isinstance(error, FileNotFoundError):
        hint = "plug the board in; `python -m serial.tools.list_ports` lists those that are there"
        return CompileError("E817", port, "is no serial port of this machine", hint)
    return CompileError("E817", port, f"cannot be opened as a serial port: {said}")


class _Line:
    """An open port. patience: seconds to wait for the next bytes."""

    def __init__(self, device: Any, port: str) -> None:
        self.device, self.port, self.patience = device, port, ANSWER_S
        self.heard = b""

    def send(self, data: bytes) -> None:
        try:
            self.device.write(data)
        except OSError as error:
            raise self._gone(error) from None

    def receive(self) -> bytes:
        """The next bytes. Raises CompileError E817 (the board was unplugged), E819 and E820."""
        found = self.within(self.patience)
        if not found:
            raise self._silent()
        self.heard = (self.heard + found)[-4096:]
        return found

    def within(self, seconds: float) -> bytes:
        """What comes next in so many seconds; nothing if nothing does."""
        end = time.monotonic() + seconds
        try:
            while True:
                if found := bytes(self.device.read(4096)):
                    return found
                if time.monotonic() > end:
                    return b""
                time.sleep(0.001)
        except OSError as error:
            raise self._gone(error) from None

    def _gone(self, error: Exception) -> CompileError:
        return CompileError("E817", self.port, f"went away: {error}", "plug the board in again")

    def _silent(self) -> CompileError:
        if not self.heard:
            hint = f"is it the board's port, and its firmware one for it? {_FLASH}, and reset it"
            what = f"nothing answers within {self.patience:g} s"
            return CompileError("E819", self.port, what, hint)
        if READY not in self.heard and not _is_text(self.heard):
            return unreadable(self.port, self.heard)
        last = self.heard.decode("ascii", "replace").split("\n")
        said = next((line for line in reversed(last) if line.strip()), "").strip()
        what = f"does not end its answer within {self.patience:g} s; it said '{said[-60:]}'"
        return CompileError("E819", self.port, what, f"is it tinyc's firmware? {_FLASH}")


def unreadable(port: str, heard: bytes) -> CompileError:
    """The error for bytes that are no text."""
    what = f"answers with {len(heard):,} bytes that are no text, as at a wrong baud rate"
    hint = f"name that of the firmware, {BAUD} in tinyc's: serial:{port}:{BAUD}"
    return CompileError("E820", port, what, hint)


def _is_text(data: bytes) -> bool:
    """Whether all but a few bytes are those of lines of ASCII: the first ones, of a line that was
    under way, may be damaged."""
    wrong = sum(not (32 <= b < 127 or b in b"\r\n\t") for b in data)
    return wrong * 20 <= len(data)


def _session(line: _Line, port: str, image: Image) -> Session:
    """A conversation with a board that may run for long. Raises CompileError E819 to E821."""
    line.within(_QUIET_S)
    line.send(b"%")  # ends a line that somebody has begun; what it says to that is not heard
    heard, end = b"", time.monotonic() + ANSWER_S
    while piece := line.within(_QUIET_S if heard else ANSWER_S):
        heard += piece
        if time.monotonic() > end:  # a firmware that talks and talks
            break
    line.heard = heard
    if not heard:
        raise line._silent()
    if READY not in heard:
        raise line._silent() if _is_text(heard) else unreadable(port, heard)
    session = Session(line.send, line.receive, port, greets=False)
    ours = identity(image.c_library.files)
    dut = session.value("name", "name-dut")
    said = ""
    if dut == "tinyc":
        build = next((s for s in _answers(session, "build") if s.startswith("m-build-[")), "")
        if build == f"m-build-[{ours}]":
            return session
        said = f", build {build[9:-1]}" if build else ", of an earlier version of tinyc"
    model = next((s for s in _answers(session, "profile") if s.startswith("m-model-[")), "")
    what = (
        f"the board runs other firmware: '{model[9:-1] or '?'}' by {dut}{said}, and not "
        f"'{image.name}', build {ours}"
    )
    raise CompileError("E821", port, what, f"with the same settings {_FLASH}")


def _answers(session: Session, command: str) -> list[str]:
    """The lines of an answer, none where the firmware does not know the command."""
    try:
        return session.command(command)
    except CompileError as error:
        if "Unknown command" not in error.what:
            raise
        return []


register_target(Target("serial", on_desk))
