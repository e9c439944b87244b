"""The HTTP client of the gateway: one pool, separate limits, addresses checked, never a redirect."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from loopwright.foundation.errors import Denied, UpstreamFailed, UpstreamTimeout

MAX_CONNECTIONS = 2000


class AddressGuard:
    """Decides which hosts a provider URL may lead to: public ones, and private ones the operator listed."""

    def __init__(self, allowed_private: Iterable[str]) -> None:
        self._allowed = {host.strip().lower() for host in allowed_private if host.strip()}

    def check(self, host: str, address: str) -> None:
        """Raises Denied when `host` leads to a private `address` that nobody allowed."""
        if host.lower() in self._allowed or address in self._allowed:
            return
        found = ipaddress.ip_address(address)
        mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
        if not found.is_global or (mapped is not None and not mapped.is_global) or found.is_multicast:
            raise Denied(
                f"the provider's host {host!r} leads to the private address {address}",
                hint="list the host in LOOPWRIGHT_ALLOW_PRIVATE_UPSTREAMS if it is yours",
            )

    def check_url(self, url: str) -> None:
        """Checks a URL whose host is an address already; names are checked when they resolve."""
        host = urlsplit(url).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        self.check(host, str(address))


class _GuardedResolver(AbstractResolver):
    """Resolves once, checks, and hands the checked address to the connection: no second look-up to rebind."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for result in found:
            self._guard.check(host, result["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


class UpstreamClient:
    """Calls providers. Made inside a running event loop."""

    def __init__(self, guard: AddressGuard, *, connect_timeout_s: float, read_timeout_s: float) -> None:
        self._guard = guard
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s, sock_read=read_timeout_s)
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, resolver=_GuardedResolver(guard), ttl_dns_cache=60)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",),
        )

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """The response with its headers read. Raises UpstreamTimeout, UpstreamFailed, Denied."""
        self._guard.check_url(url)
        try:
            return await self._session.post(url, data=body, headers=headers, allow_redirects=False)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise explain(url, error) from error

    async def close(self) -> None:
        """Closes every connection."""
        await self._session.close()


def explain(url: str, error: BaseException) -> UpstreamFailed:
    """The typed error of a failed call; names the host and never the key."""
    host = urlsplit(url).netloc
    if isinstance(error, TimeoutError):
        return UpstreamTimeout(
            f"the provider at {host} stayed silent for too long", hint="try again, or raise the limit"
        )
    detail: Any = error.__cause__ or error
    return UpstreamFailed(f"the provider at {host} failed: {type(error).__name__}: {detail}", hint="try again")
