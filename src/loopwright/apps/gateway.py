"""The gateway process: raw ASGI that answers model calls itself and passes everything else on to control."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import socket
from urllib.parse import urlsplit

import uvicorn

from loopwright.access import AccessStore, MasterSecret, SessionSigner
from loopwright.apps.connections import CarefulProtocol
from loopwright.apps.control_client import ControlClient
from loopwright.apps.local import control_socket, operator_token
from loopwright.apps.process import allow_open_files, die_with_parent
from loopwright.apps.proxy import ControlProxy
from loopwright.apps.snapshots import SnapshotKeeper
from loopwright.apps.wiring import catalog_service, spool_writer, steps_of
from loopwright.catalog import PublicPriceList
from loopwright.foundation.clock import SystemClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Denied, LoopwrightError, NotFound
from loopwright.foundation.settings import MEBIBYTE, Settings, load_settings
from loopwright.foundation.telemetry import configure_logs
from loopwright.gateway import (
    BUILTIN_MODELS,
    AddressGuard,
    Authenticator,
    OpenAIDoor,
    Receive,
    Recorder,
    Scope,
    Send,
    Surroundings,
    UpstreamClient,
    provider_registry,
    send_json,
    send_problem,
)

CATALOGUE_WAIT_S = 60.0
GRACE_S = 20


class GatewayApp:
    """Everything behind the public port. Its parts are made when the event loop runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hosts = _own_hosts(settings)
        self._ready = False
        database = Database(settings.catalogue_url)
        secret = MasterSecret.load(settings.secret_key.get_secret_value(), settings.home)
        self._signer = SessionSigner(secret.derive("session"))
        catalog, access = catalog_service(database, secret, SystemClock()), AccessStore(database)
        prices = PublicPriceList()
        self._warm_prices = prices.warm
        self._keeper = SnapshotKeeper(database, lambda: catalog.snapshot(access, BUILTIN_MODELS, prices))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatches by path; nothing is parsed twice on the way to a model."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif scope["path"].startswith("/v1/"):
            if self._known_host(scope):
                await self._door(scope, receive, send)
            else:
                await _refuse_host(send)
        else:
            await self._elsewhere(scope, receive, send)

    async def _elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path == "/health/live":
            await send_json(send, 200, {"status": "ok"}, [])
        elif path == "/health/ready":
            await send_json(send, 200 if self._ready else 503, {"status": "ok" if self._ready else "starting"}, [])
        elif path.startswith("/internal") or _climbs(path):
            await send_problem(send, NotFound("there is nothing here"))
        elif not self._known_host(scope):
            await _refuse_host(send)
        else:
            await self._proxy(scope, receive, send)

    def _known_host(self, scope: Scope) -> bool:
        """A page of another site may point its own name at us; a request with a key is nobody's trick."""
        hosts = []
        for name, value in scope["headers"]:
            if name in (b"authorization", b"x-api-key", b"api-key"):
                return True
            if name == b"host":
                hosts.append(_host_name(value.decode("latin-1")))
        return "*" in self._hosts or (len(hosts) == 1 and hosts[0] in self._hosts)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
        except LoopwrightError as error:
            await send({"type": "lifespan.startup.failed", "message": f"{error.message} ({error.hint})"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._ready = False
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        settings = self._settings
        await asyncio.to_thread(self._keeper.start, CATALOGUE_WAIT_S)
        self._spool = spool_writer(settings)
        self._control = ControlClient(control_socket(settings), operator_token(settings))
        self._upstream = UpstreamClient(
            AddressGuard(settings.allow_private_upstreams.split(",")),
            connect_timeout_s=settings.upstream_connect_timeout_s,
            read_timeout_s=settings.upstream_read_timeout_s,
        )
        snapshot = self._keeper.current
        registry, around = provider_registry(), Surroundings(self._upstream, self._control.embed)
        self._proxy = ControlProxy(self._control)
        self._door = OpenAIDoor(
            snapshot=snapshot,
            authenticator=Authenticator(snapshot, self._signer),
            recorder=Recorder(
                self._spool,
                snapshot,
                strict=settings.durability == "strict",
                record_content=settings.record_content,
            ),
            providers={dialect: registry.create(dialect, around) for dialect in registry.names()},
            steps_of=steps_of(self._control.search),
            clock=SystemClock(),
            max_body_bytes=settings.max_request_mb * MEBIBYTE,
        )
        self._ready = True
        self._warming = asyncio.get_running_loop().run_in_executor(None, self._warm_prices)

    async def _stop(self) -> None:
        self._keeper.stop()
        await self._upstream.close()
        await self._control.close()
        await asyncio.to_thread(self._spool.close)


async def _refuse_host(send: Send) -> None:
    error = Denied(
        "the Host header names none of this server's names",
        hint="open it by the URL that `loopwright up` prints, or list the name in LOOPWRIGHT_ALLOWED_HOSTS",
    )
    await send_problem(send, error)


def _climbs(path: str) -> bool:
    """Whether the way to control would read another path out of it than stands there."""
    return path[:1] != "/" or not {".", ".."}.isdisjoint(path.split("/"))


def _own_hosts(settings: Settings) -> set[str]:
    hosts = {"127.0.0.1", "localhost", "::1", settings.host}
    hosts |= {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    if settings.public_url:
        hosts.add(urlsplit(settings.public_url).hostname or "")
    return hosts


def _host_name(host: str) -> str:
    """The name in a Host header, without its port; an address keeps no brackets."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""  # brackets that do not close
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def main() -> None:
    """Runs until SIGTERM; requests in flight are answered first."""
    parser = argparse.ArgumentParser(prog="loopwright-gateway")
    parser.add_argument("--fd", type=int, help="inherited listening socket")
    arguments = parser.parse_args()
    die_with_parent()
    allow_open_files()
    settings = load_settings()
    configure_logs("gateway", settings.log_dir, settings.log_level)
    if arguments.fd is None:
        listening = socket.create_server((settings.host, settings.port), backlog=2048)
    else:
        listening = socket.socket(fileno=arguments.fd)
    config = uvicorn.Config(
        GatewayApp(settings),
        loop="uvloop",
        http=CarefulProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=75,
    )
    os.umask(0o077)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
