"""The HTTP client of the gateway: one pool, separate limits, addresses checked, never a redirect."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from loopwright.foundation.errors import Denied, UpstreamFailed, UpstreamTimeout

MAX_CONNECTIONS = 2000


_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HOST_NAME = re.compile(r"(?=[0-9._-]*[a-z])[a-z0-9._-]+", re.IGNORECASE | re.ASCII)


class AddressGuard:
    """Decides which hosts a provider URL may lead to: public ones, and private ones the operator listed."""

    def __init__(self, allowed_private: Iterable[str]) -> None:
        self._allowed = {host.strip().lower() for host in allowed_private if host.strip()}

    def check(self, host: str, address: str) -> None:
        """Raises Denied when `host` leads to a private `address` that nobody allowed."""
        if host.lower() in self._allowed or address in self._allowed:
            return
        if not _is_public(ipaddress.ip_address(address)):
            raise Denied(
                f"the provider's host {host!r} leads to the private address {address}",
                hint="list the host in LOOPWRIGHT_ALLOW_PRIVATE_UPSTREAMS if it is yours",
            )

    def check_url(self, url: str) -> None:
        """Checks a URL whose host is an address already; names are checked when they resolve. Raises Denied."""
        host = urlsplit(url).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            # The connector takes digits, dots and colons for an address and asks no resolver of ours: to it
            # 127.1, 2130706433 and full-width digits are all loopback. What we let pass as a name must look like one.
            if not _HOST_NAME.fullmatch(host):
                raise Denied(
                    f"the provider's host {host!r} is neither a name nor an address",
                    hint="write a name in ASCII (xn--… for others), or an address in full, such as 192.0.2.7",
                ) from None
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
        self._head_limit_s = connect_timeout_s + read_timeout_s
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
            # The limits of a socket start anew with each byte: headers that drip would come for ever.
            async with asyncio.timeout(self._head_limit_s):
                return await self._session.post(url, data=body, headers=headers, allow_redirects=False)
        except (TimeoutError, aiohttp.ClientError, UnicodeError) as error:
            raise explain(url, error) from error

    async def close(self) -> None:
        """Closes every connection."""
        await self._session.close()


def explain(url: str, error: BaseException) -> UpstreamFailed:
    """The typed error of a failed call; names the host and never the key."""
    host = urlsplit(url).netloc
    if isinstance(error, TimeoutError):
        return UpstreamTimeout(
            f"the provider at {host} stayed silent for too long",
            hint="try again, or start with a higher LOOPWRIGHT_UPSTREAM_READ_TIMEOUT_S",
        )
    detail = " ".join(str(error.__cause__ or error).split())[:500]
    return UpstreamFailed(f"the provider at {host} failed: {type(error).__name__}: {detail}", hint="try again")


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the internet routes it. IPv6 that carries an IPv4 address is as public as what it carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    if address.ipv4_mapped is not None:
        return _is_public(address.ipv4_mapped)
    if address in _NAT64:
        return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour is not None and not _is_public(address.sixtofour):
        return False
    return address in _GLOBAL_UNICAST and address.is_global
