"""Processes that are forked to compute beside each other."""

from __future__ import annotations

import gc
import signal


def begin() -> None:
    """What a forked process starts with.

    The parent's garbage stays as it is: collecting it may wait for locks of threads that were not
    forked, as TensorFlow's functions do. Ctrl-C reaches the parent alone, which ends its children.
    """
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
