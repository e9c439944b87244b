from __future__ import annotations

import aiohttp
import pytest

from loopwright.foundation.errors import Denied, UpstreamFailed, UpstreamTimeout
from loopwright.gateway import AddressGuard
from loopwright.gateway.upstream import explain

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "192.169.0.1",
    "169.253.255.255",
    "169.255.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82f::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
PRIVATE = [
    # This host, and loopback.
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.1.2.3",
    "127.255.255.255",
    "::",
    "::1",
    # Private networks.
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "fc00::1",
    "fd12:3456:789a::1",
    "fec0::1",
    # Link-local, with the metadata services of the clouds.
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fd00:ec2::254",
    # Shared by carriers.
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    # Documentation, benchmarks, protocol assignments, reserved.
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "255.255.255.255",
    "2001:db8::1",
    "100::1",
    "4000::1",
    "8000::1",
    # Multicast.
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "ff0e::1",
    # IPv4 inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo.
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:100.64.0.1",
    "::ffff:224.0.0.1",
    "::ffff:0.0.0.0",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::100.64.0.1",
    "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:a9fe:a9fe::1",
    "2002:e000:1::1",
    "2001::1",
    "2001:0:7f00:1::",
]
# What the C library takes for an address though it is not written as one.
NEITHER = [
    "2130706433",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0",
    "010.0.0.1",
    "1.2.3.4.5",
    "256.1.1.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "127%2e0%2e0%2e1",
    "%31%32%37.0.0.1",
    "bücher.test",
    "a b",
    "",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    AddressGuard([]).check("provider.test", address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_by_name_and_in_a_url(address: str) -> None:
    guard = AddressGuard(["127.0.0.2", "elsewhere"])
    with pytest.raises(Denied, match=r"'provider\.test' leads to the private address"):
        guard.check("provider.test", address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Denied, match="leads to the private address"):
        guard.check_url(f"http://{host}:8080/v1")


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len({*PUBLIC, *PRIVATE, *NEITHER}) == len(PUBLIC) + len(PRIVATE) + len(NEITHER) >= 60


@pytest.mark.parametrize("host", NEITHER)
def test_what_is_neither_name_nor_address_is_refused_even_where_loopback_is_allowed(host: str) -> None:
    with pytest.raises(Denied, match="neither a name nor an address"):
        AddressGuard(["127.0.0.1", "localhost"]).check_url(f"http://{host}/v1")


@pytest.mark.parametrize(
    "host", ["api.openai.com", "localhost", "ollama", "0x7f.1", "a_b-c.test", "1.test", "xn--bcher-kva"]
)
def test_names_are_left_to_the_resolver(host: str) -> None:
    AddressGuard([]).check_url(f"https://{host}:443/v1")


def test_a_host_is_allowed_by_its_name_or_its_address() -> None:
    guard = AddressGuard([" Ollama ", "10.0.0.7", "", "::1"])
    guard.check("ollama", "192.168.1.5")
    guard.check("OLLAMA", "10.9.9.9")
    guard.check("anything", "10.0.0.7")
    guard.check_url("http://10.0.0.7/v1")
    guard.check_url("http://[::1]:11434/v1")
    for host, address in [("ollama.evil.test", "192.168.1.5"), ("anything", "10.0.0.8"), ("", "192.168.0.1")]:
        with pytest.raises(Denied):
            guard.check(host, address)


def test_a_refusal_names_the_setting() -> None:
    with pytest.raises(Denied) as caught:
        AddressGuard([]).check("ollama", "127.0.0.1")
    assert "LOOPWRIGHT_ALLOW_PRIVATE_UPSTREAMS" in caught.value.hint


def test_a_failure_names_the_host_and_its_cause_and_no_path() -> None:
    failed = explain("https://api.test:444/v1/chat?key=secret", aiohttp.ServerDisconnectedError())
    assert type(failed) is UpstreamFailed
    assert "api.test:444 failed: ServerDisconnectedError" in failed.message
    assert "secret" not in failed.message
    assert type(explain("https://api.test", TimeoutError())) is UpstreamTimeout
    assert type(explain("https://api.test", aiohttp.SocketTimeoutError())) is UpstreamTimeout
