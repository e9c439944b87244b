"""The control process: API, screens, durable jobs and the drainer, behind a local socket."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from loopwright import __version__
from loopwright.access.routes import build_router as access_routes
from loopwright.apps.gatekeeper import Gatekeeper, problem
from loopwright.apps.house import House
from loopwright.apps.inner import build_router as inner_routes
from loopwright.apps.local import control_socket, operator_token
from loopwright.apps.overview import build_router as overview_routes
from loopwright.apps.process import die_with_parent
from loopwright.catalog.routes import build_router as catalog_routes
from loopwright.datasets.routes import build_router as dataset_routes
from loopwright.foundation.errors import Invalid, LoopwrightError, NotFound, TooLarge
from loopwright.foundation.jobs.routes import build_router as job_routes
from loopwright.foundation.settings import MEBIBYTE, Settings, load_settings
from loopwright.foundation.telemetry import configure_logs
from loopwright.retrieval.routes import build_router as knowledge_routes
from loopwright.traces.routes import build_router as trace_routes

STATIC = Path(__file__).parent / "static"
_BUILT_NAME = re.compile(r"(?=.{1,200}$)[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def build_control(house: House) -> FastAPI:
    """The application over a wired house. Raises RuntimeError when a route declares no action."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # The job engine refuses to be started from within an event loop.
        await asyncio.to_thread(house.start)
        yield
        await asyncio.to_thread(house.stop)

    app = FastAPI(
        title="Loopwright",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        max_body_size=house.settings.max_upload_mb * MEBIBYTE,
    )
    for router in (
        access_routes(house.access),
        catalog_routes(house.catalog, house.specs),
        trace_routes(house.traces),
        dataset_routes(house.datasets),
        knowledge_routes(house.knowledge),
        job_routes(house.jobs),
        overview_routes(house, app),
        inner_routes(house),
    ):
        app.include_router(router)
    app.add_exception_handler(LoopwrightError, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    _serve_screens(app)
    app.add_middleware(Gatekeeper, app=app, access=house.access, operator_token=house.operator_token)
    return app


def _serve_screens(app: FastAPI) -> None:
    """Files of the built screens; every other path outside /api is a page of the single-page application."""

    async def screen(request: Request) -> Response:
        name = request.path_params["path"]
        if name.startswith(("/", "api/", "internal/", "v1/")) or request.method not in ("GET", "HEAD"):
            raise NotFound(f"there is no {request.method} /{name[:200]}", hint="see docs/gateway.md for the API")
        # Only a name such as our build makes becomes a path; any other is a page of the application.
        if _BUILT_NAME.fullmatch(name) and (STATIC / name).is_file():
            forever = {"cache-control": "public, max-age=31536000, immutable"} if name.startswith("assets/") else {}
            return FileResponse(STATIC / name, headers=forever)
        if name.startswith("assets/"):
            raise NotFound(f"there is no file /{name[:200]}", hint="reload the page: it is of another release")
        if not (STATIC / "index.html").is_file():
            raise NotFound("the screens are not built", hint="build them with: make setup")
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    app.add_route("/{path:path}", screen, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])


async def _problem(_request: Request, error: Exception) -> Response:
    return problem(error)


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'body'}: {fault['msg']}" for fault in error.errors()
    ]
    first = error.errors()[0]["loc"]
    return problem(Invalid("; ".join(faults), param=".".join(str(part) for part in first[1:])))


async def _http(request: Request, error: Exception) -> Response:
    """Errors of the framework, said in our own words."""
    assert isinstance(error, HTTPException)
    said = str(error.detail).rstrip(".")
    if error.status_code == 413:
        limit = "raise LOOPWRIGHT_MAX_UPLOAD_MB, or upload in smaller parts"
        return problem(TooLarge(f"the upload is larger than this server takes: {said}", hint=limit))
    if error.status_code in (404, 405):
        return problem(NotFound(f"there is no {request.method} {request.url.path}", hint="see docs/gateway.md"))
    return problem(Invalid(f"the request cannot be read: {said}", hint="see docs/gateway.md for what it must hold"))


def main() -> None:
    """Runs until SIGTERM; when ready it writes a JSON line to `--announce FD`, with the first key if it made one."""
    parser = argparse.ArgumentParser(prog="loopwright-control")
    parser.add_argument("--announce", type=int)
    arguments = parser.parse_args()
    die_with_parent()
    os.umask(0o077)
    settings = load_settings()
    configure_logs("control", settings.log_dir, settings.log_level)
    announcement: dict[str, object] = {}
    try:
        house = House(settings, operator_token(settings))
        first = house.prepare()
        announcement = {"first_key": first.key if first else "", "ready": True}
        _serve(settings, build_control(house), announcement, arguments.announce)
    except LoopwrightError as error:
        _announce(arguments.announce, {"ready": False, "error": error.message, "hint": error.hint})
        raise SystemExit(1) from error
    except Exception as error:
        _announce(arguments.announce, {"ready": False, "error": f"control did not start: {error!r}"})
        raise


def _serve(settings: Settings, app: FastAPI, announcement: dict[str, object], announce: int | None) -> None:
    path = control_socket(settings)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o600)
    listening.listen(512)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _announce(announce, announcement)

    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # Longer than the gateway keeps an idle connection, so that it never sends into one that closes.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        proxy_headers=False,
    )
    Server(config).run(sockets=[listening])


def _announce(descriptor: int | None, line: dict[str, object]) -> None:
    if descriptor is not None:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)


if __name__ == "__main__":
    main()
