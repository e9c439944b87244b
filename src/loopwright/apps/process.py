"""Small things a process of ours needs of Linux."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 65_536


def die_with_parent() -> None:
    """Asks the kernel for SIGTERM when the parent ends, so that a killed supervisor leaves no orphans behind."""
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return  # not Linux: the supervisor's own clean stop still ends its children
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def allow_open_files() -> None:
    """Lets this process hold as many connections as it may: the usual soft limit of 1,024 is a busy gateway's end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
