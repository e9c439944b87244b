"""Where heavy or dangerous work runs: child processes with limits, spawned and reused; never a fork of ours."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Any, Final, Literal, NoReturn, cast

from loopwright.foundation.errors import LoopwrightError, Unavailable, Unprocessable, error_from

_MEBIBYTE: Final = 1024 * 1024
_MAX_REPLY: Final = 256 * _MEBIBYTE
_CALLS_PER_CHILD: Final = 500
_OPEN_FILES: Final = 64
_WRITTEN_FILE: Final = 256 * _MEBIBYTE
_REQUEST: Final = struct.Struct("!IQ")  # bytes of the header, bytes of the payload
_REPLY: Final = struct.Struct("!cQ")  # kind, bytes of the body
_OK, _ERROR, _FAULT, _MEMORY = b"o", b"e", b"f", b"m"
_BOOT: Final = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {0} import serve; serve(int(sys.argv[2]))"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may use. Memory is address space: an interpreter with a parser loaded takes about 200 MiB of it."""

    memory_mb: int = 1024
    cpu_s: int = 60
    wall_s: float = 120.0


def run_limited(target: str, payload: bytes, *, memory_mb: int, cpu_s: int, wall_s: float) -> bytes:
    """One call of `package.module:function(bytes) -> bytes` in a child of its own, which costs about 0.1 s.

    Raises what the function raised when that is an error of ours, else Unprocessable with its `reason`.
    """
    with contextlib.closing(Executor(Limits(memory_mb=memory_mb, cpu_s=cpu_s, wall_s=wall_s))) as executor:
        return executor.run(target, payload)


class Executor:
    """Calls functions in up to `children` child processes, each used again until a call fails or hits a limit.

    A child sees no environment, so no secrets; it gets bytes and gives bytes, never pickles. It can still read files
    and use the network: limits bound what a broken file costs, they are no sandbox for code. For all threads.
    """

    def __init__(self, limits: Limits | None = None, *, children: int = 1) -> None:
        self._limits = limits or Limits()
        self._slots = threading.BoundedSemaphore(children)
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, target: str, payload: bytes) -> bytes:
        """What `package.module:function` makes of `payload`; waits for a free child.

        Raises what the function raised when that is an error of ours, Unprocessable (with `reason`: `memory`, `cpu`,
        `time`, `crash`, `error`) for all else, Unavailable when no child can be started.
        """
        with self._slots:
            child = self._take()
            try:
                result = child.call(target, payload, self._limits)
            except LoopwrightError as error:
                if isinstance(error, Unprocessable):
                    child.kill()
                else:
                    self._give_back(child)
                raise
            except BaseException:
                child.kill()
                raise
            self._give_back(child)
            return result

    def close(self) -> None:
        """Ends the idle children; one that works ends after its call."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.kill()

    def _take(self) -> _Child:
        with self._lock:
            child = self._idle.pop() if self._idle else None
        if child is not None and child.alive():
            return child
        if child is not None:
            child.kill()
        return _Child(self._limits)

    def _give_back(self, child: _Child) -> None:
        with self._lock:
            if not self._closed and child.calls < _CALLS_PER_CHILD:
                self._idle.append(child)
                return
        child.kill()


class _Child:
    """One child process, seen from the parent."""

    def __init__(self, limits: Limits) -> None:
        self.calls = 0
        command = [sys.executable, "-I", "-X", "utf8", "-c", _BOOT.format(__name__), json.dumps(sys.path)]
        try:
            self._process = subprocess.Popen(
                [*command, str(limits.memory_mb)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise Unavailable(f"no child process can be started: {error}", hint="free some memory") from error
        self._stdin = cast("IO[bytes]", self._process.stdin)
        self._stdout = cast("IO[bytes]", self._process.stdout)
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)

    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, target: str, payload: bytes, limits: Limits) -> bytes:
        self.calls += 1
        header = json.dumps({"target": target, "cpu_s": limits.cpu_s}).encode()
        deadline = time.monotonic() + limits.wall_s
        kind, body = self._exchange(_REQUEST.pack(len(header), len(payload)) + header, payload, deadline, limits)
        if kind == _OK:
            return body
        if kind == _MEMORY:
            raise _failure("memory", f"more than {limits.memory_mb} MiB of memory were needed")
        reply: dict[str, Any] = json.loads(body)
        if kind == _ERROR:
            raise error_from(reply)
        raise _failure("error", f"the reader stopped with {reply['class']}: {reply['message']}")

    def kill(self) -> int:
        """Ends the child with whatever it started; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pipe in (self._stdin, self._stdout):
            pipe.close()
        return self._process.wait()

    def _exchange(self, header: bytes, payload: bytes, deadline: float, limits: Limits) -> tuple[bytes, bytes]:
        """Writes and reads at once: a child that answers before it read all, or never reads, must not block us."""
        unsent = [memoryview(header), memoryview(payload)]
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE)
            selector.register(self._stdout, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                ready = selector.select(left) if left > 0 else []
                if not ready:
                    raise _failure("time", f"it took longer than {limits.wall_s:g} s")
                for key, _ in ready:
                    if key.fileobj is self._stdin:
                        self._send(unsent, selector)
                    elif not self._receive(received):
                        raise self._death(limits)
                if len(received) >= _REPLY.size:
                    kind, size = _REPLY.unpack_from(received)
                    if size > _MAX_REPLY:
                        raise _failure("memory", f"the answer is larger than {_MAX_REPLY // _MEBIBYTE} MiB")
                    if len(received) == _REPLY.size + size:
                        return kind, bytes(received[_REPLY.size :])

    def _send(self, unsent: list[memoryview], selector: selectors.BaseSelector) -> None:
        while unsent:
            try:
                written = os.write(self._stdin.fileno(), unsent[0][:_MEBIBYTE])
            except BlockingIOError:
                return
            except BrokenPipeError:
                # It died: the reading side says so next, and how.
                break
            unsent[0] = unsent[0][written:]
            if not unsent[0]:
                unsent.pop(0)
        selector.unregister(self._stdin)

    def _receive(self, received: bytearray) -> bool:
        chunk = os.read(self._stdout.fileno(), _MEBIBYTE)
        received += chunk
        return bool(chunk)

    def _death(self, limits: Limits) -> Unprocessable:
        # Its end of the pipe closes a moment before it can be waited for; our own kill must not hide how it died.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        code = self.kill()
        if code == -signal.SIGXCPU:
            return _failure("cpu", f"it took more than {limits.cpu_s} s of processor time")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return _failure("crash", f"the reader crashed ({how})")


def serve(memory_mb: int) -> NoReturn:
    """The child's life: answers calls from standard input until it is closed."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not mix with the replies.
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 0)
    os.dup2(quiet, 1)
    os.close(quiet)
    size = memory_mb * _MEBIBYTE
    for limit, value in (
        (resource.RLIMIT_AS, size),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, _WRITTEN_FILE),
    ):
        resource.setrlimit(limit, (value, value))
    while head := requests.read(_REQUEST.size):
        header_size, payload_size = _REQUEST.unpack(head)
        header = json.loads(requests.read(header_size))
        kind, body = _answer(header, requests, payload_size)
        replies.write(_REPLY.pack(kind, len(body)))
        replies.write(body)
        replies.flush()
        del body
    sys.exit(0)


def _answer(header: dict[str, Any], requests: IO[bytes], payload_size: int) -> tuple[bytes, bytes]:
    try:
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = int(used.ru_utime + used.ru_stime) + 1 + int(header["cpu_s"])
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        payload = requests.read(payload_size)
        module, _, name = str(header["target"]).partition(":")
        function = cast("Callable[[bytes], bytes]", getattr(import_module(module), name))
        return _OK, function(payload)
    except MemoryError:
        return _MEMORY, b""
    except LoopwrightError as error:
        return _ERROR, json.dumps(error.problem()).encode()
    except Exception as error:  # noqa: BLE001 - reported to the parent, which raises it
        return _FAULT, json.dumps({"class": type(error).__name__, "message": str(error)[:300]}).encode()


def _failure(reason: Literal["memory", "cpu", "time", "crash", "error"], what: str) -> Unprocessable:
    return Unprocessable(what, reason=reason)
