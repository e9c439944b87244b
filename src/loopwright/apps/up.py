"""`loopwright up`: binds the port, runs gateway and control behind it, starts them again when they fall."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import typer

from loopwright import __version__
from loopwright.apps.local import control_socket, operator_token, remember_url
from loopwright.foundation.client import Client
from loopwright.foundation.database import sqlite_version
from loopwright.foundation.errors import Conflict, DiskFull, Invalid, LoopwrightError, Unavailable
from loopwright.foundation.settings import Settings, load_settings

app = typer.Typer(add_completion=False, rich_markup_mode=None)
START_LIMIT_S = 90.0
STOP_LIMIT_S = 25.0
_STEADY_S = 3.0
_LONGEST_PAUSE_S = 1.0


@app.command()
def up(
    demo: bool = typer.Option(False, "--demo", help="Also make the assistant 'handbook' over Loopwright's own docs."),
    port: int = typer.Option(None, min=0, max=65535, help="Port, instead of LOOPWRIGHT_PORT; 0 takes a free one."),
    reload: bool = typer.Option(False, "--reload", help="Start both processes again when the code changes."),
) -> None:
    """Starts Loopwright and prints how to reach it. Ctrl-C stops it; what was acknowledged is kept."""
    settings = load_settings()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    Supervisor(settings, demo=demo, reload=reload).run()


class Child:
    """One process that is started again when it ends by itself, with growing pauses while it keeps falling."""

    def __init__(self, name: str, arguments: list[str], pass_fds: tuple[int, ...], log: IO[bytes]) -> None:
        self.name = name
        self._arguments = arguments
        self._pass_fds = pass_fds
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = 0.0

    def start(self, extra: list[str] | None = None, extra_fds: tuple[int, ...] = ()) -> None:
        """Starts the process."""
        command = [sys.executable, "-m", *self._arguments, *(extra or [])]
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            command, pass_fds=(*self._pass_fds, *extra_fds), stderr=self._log, stdin=subprocess.DEVNULL
        )

    def tend(self) -> None:
        """Starts the process again if it has ended."""
        if self.process is None or self.process.poll() is None:
            return
        steady = time.monotonic() - self._started > _STEADY_S
        self._pause = 0.0 if steady else min(_LONGEST_PAUSE_S, self._pause * 2 + 0.1)
        note = f"{self.name} ended with status {self.process.returncode}; starting it again\n"
        self._log.write(note.encode())
        self._log.flush()
        time.sleep(0 if steady else self._pause - 0.1)
        self.start()

    def kill(self) -> None:
        """Ends the process at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Asks the process to end, and ends it after STOP_LIMIT_S."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Code:
    """Notices that a source file changed, for developers."""

    def __init__(self) -> None:
        self._folder = Path(__file__).parents[1]
        self._newest = self._look()

    def changed(self) -> bool:
        """Whether a file is newer than at the last call."""
        newest = self._look()
        news = newest > self._newest
        self._newest = newest
        return news

    def _look(self) -> float:
        return max(path.stat().st_mtime for path in self._folder.rglob("*.py"))


class Supervisor:
    """The parent of both processes. It holds the listening socket, so no connection is refused while one restarts."""

    GATEWAY = "loopwright.apps.gateway"
    CONTROL = "loopwright.apps.control"

    def __init__(self, settings: Settings, *, demo: bool = False, reload: bool = False) -> None:
        self._settings = settings
        self._demo = demo
        self._code = _Code() if reload else None
        self._stopping = threading.Event()

    def run(self) -> None:
        """Runs until SIGINT or SIGTERM. Raises Conflict, Invalid, DiskFull, Unavailable with the reason it cannot."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._stopping.set())
        # Logs and sockets are nobody else's to read, also those that the children inherit.
        os.umask(0o077)
        prepare_home(self._settings)
        lock = _only_one(self._settings)
        listening = _bind(self._settings)
        url = self._settings.public_url or f"http://{_shown_host(self._settings)}:{listening.getsockname()[1]}"
        operator_token(self._settings)
        remember_url(self._settings, url)
        with open(self._settings.log_dir / "processes.log", "ab") as log:
            control = Child("control", [self.CONTROL], (), log)
            fd = listening.fileno()
            gateway = Child("gateway", [self.GATEWAY, "--fd", str(fd)], (fd,), log)
            try:
                try:
                    first_key = self._start(control, gateway, listening)
                except LoopwrightError:
                    gateway.kill()
                    if not self._stopping.is_set():
                        raise
                    # Who is told to stop while it starts has not failed to start.
                    _tell("stopped before it was ready")
                    return
                self._welcome(url, first_key)
                while not self._stopping.wait(0.05):
                    if self._code is not None and self._code.changed():
                        gateway.stop()
                        control.stop()
                    control.tend()
                    gateway.tend()
            finally:
                gateway.stop()
                control.stop()
                lock.close()
        _tell("stopped; everything acknowledged is kept")

    def _start(self, control: Child, gateway: Child, listening: socket.socket) -> str:
        reading, writing = os.pipe()
        control.start(["--announce", str(writing)], (writing,))
        os.close(writing)
        gateway.start()
        announced = self._announcement(reading, control)
        if not announced.get("ready"):
            raise Unavailable(str(announced.get("error")), hint=str(announced.get("hint", "")))
        self._wait_ready(listening, gateway)
        return str(announced["first_key"])

    def _announcement(self, reading: int, control: Child) -> dict[str, Any]:
        deadline = time.monotonic() + START_LIMIT_S
        with os.fdopen(reading) as pipe:
            while time.monotonic() < deadline and not self._stopping.is_set():
                if select.select([pipe], [], [], 0.1)[0]:
                    line = pipe.readline()
                    if line:
                        found: dict[str, Any] = json.loads(line)
                        return found
                    break
        log = self._settings.log_dir
        return {
            "ready": False,
            "error": "control did not start",
            "hint": f"read {log}/processes.log and {log}/control.log",
        }

    def _wait_ready(self, listening: socket.socket, gateway: Child) -> None:
        """Asks the gateway itself: what stands at the public URL, or a proxy of the environment, may not be there."""
        deadline = time.monotonic() + START_LIMIT_S
        host, port = _shown_host(self._settings).strip("[]"), listening.getsockname()[1]
        while time.monotonic() < deadline and not self._stopping.is_set():
            gateway.tend()
            connection = http.client.HTTPConnection(host, port, timeout=2)
            try:
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.05)
        raise Unavailable("the gateway did not start", hint=f"read {self._settings.log_dir}/processes.log")

    def _welcome(self, url: str, first_key: str) -> None:
        client = Client(url, socket=control_socket(self._settings), token=operator_token(self._settings))
        login = client.post("/api/login-tokens")["login_token"]
        # Only its hash is kept; a line that could be pasted would put a wrong key over the right one.
        key_line = f"export OPENAI_API_KEY={first_key}" if first_key else "# OPENAI_API_KEY is as shown at first start"
        lines = [
            "",
            f"Loopwright {__version__} runs at {url}   (data in {self._settings.home}, SQLite {sqlite_version()})",
            f"Open in a browser, signed in:  {url}/?login={login}",
            "",
            "Paste into another shell:",
            f"export OPENAI_BASE_URL={url}/v1",
            key_line,
            "",
        ]
        if first_key:
            lines.append(
                "The key is shown this once and kept only as a hash; make more with: loopwright keys create NAME"
            )
        else:
            lines.append("Lost the key? Make one with: loopwright keys create NAME")
        _tell("\n".join(lines))
        if self._demo:
            threading.Thread(target=self._seed, args=(client,), daemon=True).start()

    def _seed(self, client: Client) -> None:
        # Seeding reads files and talks to control; it is loaded only when it is asked for.
        from loopwright.apps.demo import seed

        try:
            for line in seed(client):
                _tell(line)
        except LoopwrightError as error:
            _tell(f"the demo could not be made: {error.message} {error.hint}")


def _tell(text: str) -> None:
    """Prints at once, also into a file or a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def prepare_home(settings: Settings) -> None:
    """Makes the data folder and proves that it can be written. Raises Invalid, DiskFull."""
    probe = settings.home / ".probe"
    try:
        for folder in (settings.home, settings.run_dir, settings.log_dir, settings.spool_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"\0" * 65536)
        probe.unlink()
    except OSError as error:
        with suppress(OSError):
            probe.unlink()
        if error.errno in (28, 122):
            raise DiskFull(
                f"the disk that holds {settings.home} is full", hint="free some space and start again; nothing was lost"
            ) from error
        raise Invalid(
            f"the data folder {settings.home} cannot be written: {error.strerror}",
            hint="choose another with: LOOPWRIGHT_HOME=/path loopwright up",
        ) from error


def _only_one(settings: Settings) -> IO[str]:
    path: Path = settings.run_dir / "up.lock"
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        raise Conflict(
            f"Loopwright runs on {settings.home} already, as process {lock.read().strip() or 'unknown'}",
            hint="use that one, stop it, or choose another data folder with: LOOPWRIGHT_HOME=/path loopwright up",
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except socket.gaierror as error:
        raise Invalid(
            f"LOOPWRIGHT_HOST={settings.host!r} names no address of this machine: {error.strerror}",
            hint="set it to 127.0.0.1 for this machine alone, or to 0.0.0.0 for its network",
        ) from error
    except OSError as error:
        another = settings.port + 1 if 0 < settings.port < 65535 else 8700
        raise Conflict(
            f"port {settings.port} on {settings.host} cannot be used: {error.strerror}",
            hint=f"stop what uses it, or take another with: loopwright up --port {another}",
        ) from error
    listening.listen(2048)
    return listening


def _shown_host(settings: Settings) -> str:
    if settings.host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{settings.host}]" if ":" in settings.host else settings.host
