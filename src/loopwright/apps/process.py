"""Small things a process of ours needs of Linux."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Asks the kernel for SIGTERM when the parent ends, so that a killed supervisor leaves no orphans behind."""
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return  # not Linux: the supervisor's own clean stop still ends its children
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
