"""Servers that tests start for themselves: PostgreSQL from its installed binaries, and moto's S3."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

_START_S = 30.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_binaries() -> Path | None:
    """The folder of the newest installed `initdb` and `postgres`, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """A throw-away PostgreSQL that may lose data when the machine dies, and so is fast."""

    def __init__(self) -> None:
        binaries = postgres_binaries()
        assert binaries is not None
        self._binaries = binaries
        # Not pytest's folder: that one only root may enter, and the server refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="lw-pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self) -> None:
        """Returns when the server answers."""
        data = self._folder / "data"
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            user = _server_user()
            for path in (self._folder, data):
                os.chown(path, user.pw_uid, user.pw_gid)
        initdb = [str(self._binaries / "initdb"), "-D", str(data), "-U", "loopwright", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*_unprivileged(), *initdb, "--locale=C", "--no-sync"], check=True, capture_output=True, cwd=self._folder
        )
        self._port = free_port()
        options = ["-F", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB"]
        command = [str(self._binaries / "postgres"), "-D", str(data), "-k", str(self._folder), "-h", "127.0.0.1"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_unprivileged(), *command, "-p", str(self._port), *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )
        self._await_answer()

    def stop(self) -> None:
        """Ends the server and removes its data."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """What users would write for the database `name`."""
        return f"postgresql://loopwright@127.0.0.1:{self._port}/{name}"

    def create(self, name: str) -> None:
        """A new, empty database."""
        self._run(f'CREATE DATABASE "{name}"')

    def drop(self, name: str) -> None:
        """Removes a database, whoever is still connected."""
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        import psycopg  # lazy: unit tests run without a driver

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _await_answer(self) -> None:
        import psycopg

        deadline = time.monotonic() + _START_S
        while True:
            try:
                self._run("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    log = (self._folder / "log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"PostgreSQL did not start: {log}") from error
                time.sleep(0.05)


class S3Server:
    """moto's S3 over HTTP, in a thread of this process."""

    def __init__(self) -> None:
        self._server: Any = None
        self._endpoint = ""

    def start(self) -> None:
        """Returns when the server listens."""
        from moto.server import ThreadedMotoServer  # lazy: it takes a second to import

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self._endpoint = f"http://{host}:{port}"

    def stop(self) -> None:
        """Ends the server; its buckets are gone."""
        self._server.stop()

    def environment(self) -> dict[str, str]:
        """The variables by which a client finds this server."""
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_ALLOW_HTTP": "true",
        }

    def create_bucket(self) -> str:
        """The name of a new, empty bucket."""
        import boto3

        name = f"lw-{uuid.uuid4().hex[:20]}"
        client = boto3.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        client.create_bucket(Bucket=name)
        return name


def _server_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")


def _unprivileged() -> list[str]:
    """What to put before a server command: nothing, or as root the switch to another user, which ends with us."""
    if os.geteuid() != 0:
        return []
    user = _server_user()
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=QUIT"]
