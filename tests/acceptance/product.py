"""The running product as a newcomer starts it, and a provider outside it that counts what it served."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

START_LIMIT_S = 60
_URL = re.compile(r"export OPENAI_BASE_URL=(\S+)/v1")
_KEY = re.compile(r"export OPENAI_API_KEY=(lw-\S+)")
_LOGIN = re.compile(r"\?login=(\S+)")


@dataclass
class Product:
    """One `loopwright up` on a data folder of its own."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    module: str = ""
    url: str = ""
    key: str = ""
    login: str = ""
    output: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> Product:
        """Starts it and reads what it prints; the key is kept from the first start."""
        command = [str(Path(sys.executable).with_name("loopwright")), "up", "--port", "0", *self.arguments]
        if self.module:
            command = [sys.executable, "-m", self.module]
        self.process = subprocess.Popen(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        lines: list[str] = []
        deadline = time.monotonic() + START_LIMIT_S
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith(("The key is shown", "Lost the key")) or time.monotonic() > deadline:
                break
        self.output = "".join(lines)
        found = _URL.search(self.output)
        if found is None:
            raise RuntimeError(f"it did not start: {self.output}")
        self.url = found[1]
        self.key = shown[1] if (shown := _KEY.search(self.output)) else self.key
        self.login = shown[1] if (shown := _LOGIN.search(self.output)) else ""
        return self

    @property
    def env(self) -> dict[str, str]:
        """The environment of the product and its commands."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOOPWRIGHT_", "OPENAI_"))}
        return {**kept, "LOOPWRIGHT_HOME": str(self.home), "PYTHONUNBUFFERED": "1", **self.environment}

    def stop(self) -> None:
        """Ends it as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill_all()
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def kill_all(self) -> None:
        """Ends every process of it at once, as a power cut would."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def pid_of(self, name: str) -> int | None:
        """The process id of `gateway` or `control` right now."""
        assert self.process is not None
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", name], capture_output=True, text=True, check=False
        ).stdout.split()
        return int(found[0]) if found else None

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, decoded body and headers of one request with a key, by default the first one; `""` sends none."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        given = dict(headers or {})
        used = self.key if key is None else key
        if used:
            given["authorization"] = f"Bearer {used}"
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if content is not None:
            given.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, content, given)
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        kind = response.headers.get_content_type()
        is_json = raw and kind.endswith("json") and kind != "application/x-ndjson"
        decoded = json.loads(raw) if is_json else raw.decode(errors="replace")
        return response.status, decoded, {name.lower(): value for name, value in response.headers.items()}

    def get(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        status, body, _ = self.request("GET", path)
        assert status == 200, (status, body)
        return body

    def command(
        self, *arguments: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs `loopwright ...` against this data folder."""
        command = [str(Path(sys.executable).with_name("loopwright")), *arguments]
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, input=stdin, timeout=300, check=False
        )
        assert not check or done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done

    def apply(self, text: str) -> None:
        """Applies specs and waits until the gateway knows them."""
        self.command("apply", "-f", "-", stdin=text)
        time.sleep(0.5)

    def wait_for(self, condition: Any, limit_s: float = 10.0, what: str = "it") -> Any:
        """What `condition()` returns once it is truthy."""
        deadline = time.monotonic() + limit_s
        while True:
            if found := condition():
                return found
            assert time.monotonic() < deadline, f"{what} did not come true within {limit_s} s"
            time.sleep(0.05)
