"""Renode: the files of a project that it runs, the program itself, and it as an emulator."""

from __future__ import annotations

from .. import Emulator, register
from .emulator import run
from .terminal import serve

register(
    Emulator(
        "renode", "Renode", "test_mailbox", run, has=lambda board: board.renode is not None,
        serve=serve, receives=lambda board: board.renode is not None and board.renode.receives,
    )
)  # fmt: skip
