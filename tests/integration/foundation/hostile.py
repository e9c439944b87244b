"""What untrusted input may make a reader do; called in child processes by test_cluster.py."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time

from loopwright.foundation.errors import Invalid

_kept: list[bytes] = []


def upper(payload: bytes) -> bytes:
    return payload.upper()


def echo_and_print(payload: bytes) -> bytes:
    sys.stdout.write("noise that must not mix with the reply\n")
    sys.stdout.flush()
    os.write(1, b"more noise")
    return payload


def environment(_payload: bytes) -> bytes:
    return json.dumps(
        {"pid": os.getpid(), "names": sorted(os.environ), "fds": sorted(os.listdir("/proc/self/fd"))}
    ).encode()


def hoard(payload: bytes) -> bytes:
    for _ in range(int(payload)):
        _kept.append(bytes(1024 * 1024))
    return b"kept"


def spin(_payload: bytes) -> bytes:
    while True:
        pass


def sleep_with_a_child(payload: bytes) -> bytes:
    child = subprocess.Popen(["sleep", "300"])
    with open(payload.decode(), "w") as note:
        note.write(str(child.pid))
    time.sleep(300)
    return b""


def crash(_payload: bytes) -> bytes:
    ctypes.string_at(0)
    return b""


def leave(_payload: bytes) -> bytes:
    os._exit(3)


def refuse(_payload: bytes) -> bytes:
    raise Invalid("page 3 has no text", hint="run OCR first", param="page")


def stumble(_payload: bytes) -> bytes:
    raise ZeroDivisionError("x / 0")
