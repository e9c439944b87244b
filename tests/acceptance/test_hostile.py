"""Strangers, low roles, web pages and clumsy users against the running product: clear refusals, nothing else."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections import Counter
from urllib.parse import urlsplit

import pytest

from tests.acceptance.fuzz import Case, cases
from tests.acceptance.product import Product

FUZZED = 2_000
SLOWEST_S = 5.0
PAGE_HEADERS = {"content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"}


def send(product: Product, case: Case, *, key: str | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One request as it stands; of an endless stream only the head is read."""
    parts = urlsplit(product.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.putrequest(case.method, case.path, skip_accept_encoding=True)
        if key != "":
            connection.putheader("authorization", f"Bearer {key or product.key}")
        for name, value in case.headers:
            connection.putheader(name, value.encode("latin-1"))
        if case.body is not None:
            connection.putheader("content-length", str(len(case.body)))
        connection.endheaders(case.body)
        response = connection.getresponse()
        streamed = "event-stream" in (response.getheader("content-type") or "")
        return response.status, response.headers, b"" if streamed else response.read()
    finally:
        connection.close()


def raw(product: Product, data: bytes, limit_s: float = 10.0) -> bytes:
    """Everything the server says to these bytes until it closes or falls silent."""
    parts = urlsplit(product.url)
    said = b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=limit_s) as connection:
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                said += chunk
        except (TimeoutError, ConnectionError):
            pass
    return said


def head(product: Product, line: str, *headers: str, host: bool = True) -> bytes:
    """A request's head; the connection closes after the answer."""
    own = [f"Host: {urlsplit(product.url).netloc}"] if host else []
    return "\r\n".join([line, *own, *headers, "Connection: close", "", ""]).encode("latin-1")


def status_of(said: bytes) -> int:
    """The status code of the first answer."""
    return int(said.split(b" ", 2)[1])


@pytest.mark.timeout(120)
def test_two_thousand_mutated_requests_meet_no_fault_of_ours(product: Product) -> None:
    description = product.get("/api/openapi.json")
    body = {"model": "builtin/echo", "messages": [{"role": "user", "content": "fuzz"}]}
    trace_id = product.request("POST", "/v1/chat/completions", body)[2]["x-loopwright-trace-id"]
    product.wait_for(lambda: product.request("GET", f"/api/traces/{trace_id}")[0] == 200, 10, "the trace")
    known = {"trace_id": trace_id, "name": "fuzzed", "version": "1"}
    faults, slow = [], []
    seen: Counter[int] = Counter()
    for number, case in enumerate(cases(description, known, seed=20261120, number=FUZZED)):
        if number % 100 == 0:
            # Some cases delete what the others need.
            product.request("POST", "/api/knowledge-bases", {"name": "fuzzed"})
            product.request("POST", "/api/datasets/fuzzed/versions", {"filter": {"model": "echo"}})
        began = time.monotonic()
        status, headers, content = send(product, case)
        seen[status] += 1
        shown = (case.method, case.path[:200], (case.body or b"")[:200], status, content[:300])
        if time.monotonic() - began > SLOWEST_S:
            slow.append(shown)
        if status >= 400:
            problem = headers.get_content_type() == "application/problem+json" and json.loads(content)
            if status >= 500 or not problem or not problem["detail"] or not problem["code"]:
                faults.append(shown)
    assert faults == []
    assert slow == []
    # Cases that nobody refuses or nobody takes would prove little.
    assert seen[200] > FUZZED / 20
    assert seen[400] > FUZZED / 20


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /%00 HTTP/1.1", {200}),
        ("GET /" + "a" * 5_000 + " HTTP/1.1", {200}),
        ("GET /assets/" + "a/" * 9_000 + " HTTP/1.1", {404}),
        ("GET /..%2f..%2f..%2f..%2fetc/passwd HTTP/1.1", {404}),
        ("GET /%2e%2e/internal/embed HTTP/1.1", {404}),
        ("GET //api/keys HTTP/1.1", {404}),
        ("GET //v1/models HTTP/1.1", {404}),
        ("GET /api/%ff HTTP/1.1", {401}),
        ("GET /internal/search HTTP/1.1", {404}),
        ("OPTIONS * HTTP/1.1", {404}),
        ("TRACE / HTTP/1.1", {404, 405}),
        ("GET http://evil.example/api/info HTTP/1.1", {401}),
        ("CONNECT evil.example:443 HTTP/1.1", {400}),
        ("BREW /pot HTTP/1.1", {400}),
    ],
)
def test_odd_paths_of_strangers(product: Product, line: str, expected: set[int]) -> None:
    said = raw(product, head(product, line))
    assert status_of(said) in expected, said[:500]
    assert b"root:" not in said


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1@evil.example", "[::1", "evil.example\r\nHost: 127.0.0.1", ""]
)
def test_a_page_of_another_name_gets_nothing(product: Product, host: str) -> None:
    for path in ("/", "/api/session", "/v1/models"):
        said = raw(product, head(product, f"GET {path} HTTP/1.1", f"Host: {host}", host=False))
        assert status_of(said) in (400, 403), said[:500]


def test_the_operator_header_of_a_stranger_is_nobodys(product: Product) -> None:
    token = (product.home / "run" / "operator.token").read_text()
    for path in ("/api/keys", "/internal/embed", "/v1/models"):
        status, _, _ = send(product, Case("GET", path, headers=[("x-loopwright-operator", token)]), key="")
        assert status in (401, 404), path


def test_heads_without_end_and_framing_without_body_are_cut_off(product: Product) -> None:
    endless = head(product, "GET / HTTP/1.1")[:-2]
    said = raw(product, endless + b"".join(b"x-%d: %b\r\n" % (number, b"y" * 1_000) for number in range(2_000)))
    assert said == b"" or status_of(said) == 413
    chunked = head(product, "POST /api/session HTTP/1.1", "Transfer-Encoding: chunked")
    trailers = b"0\r\n" + b"".join(b"x-%d: %b\r\n" % (number, b"y" * 1_000) for number in range(2_000))
    assert b" 200 " not in raw(product, chunked + trailers)[:20]
    assert raw(product, b"\x16\x03\x01\x02\0\x01" + b"\0" * 50).startswith(b"HTTP/1.1 400")
    assert product.request("GET", "/api/info")[0] == 200


def test_a_body_without_end_is_refused(product: Product) -> None:
    body = b'{"key":"' + b"x" * (17 * 1024 * 1024) + b'"}'
    status, _, content = send(
        product, Case("POST", "/api/session", body, [("content-type", "application/json")]), key=""
    )
    assert (status, json.loads(content)["code"]) == (413, "too_large")


def test_every_answer_carries_the_headers_that_guard_a_page(product: Product) -> None:
    paths = ("/", "/favicon.svg", "/assets/none.js", "/api/info", "/api/nothing", "/api/traces?limit=0", "/%00")
    for path in paths:
        for key in ("", product.key):
            status, headers, _ = send(product, Case("GET", path), key=key)
            assert {name.lower() for name in headers} >= PAGE_HEADERS | {"x-request-id"}, (path, status)
            assert len(headers.get_all("date") or ()) == 1
    for path in ("/v1/models", "/v1/nothing", "/health/ready", "/internal/x"):
        assert send(product, Case("GET", path))[1]["x-content-type-options"] == "nosniff", path


def test_a_session_is_bound_to_its_cookie_its_key_and_its_csrf_token(product: Product) -> None:
    issued = product.request("POST", "/api/keys", {"name": "session", "role": "admin"})[1]
    product.wait_for(lambda: product.request("GET", "/v1/models", key=issued["key"])[0] == 200, 5, "the new key")
    sign_in = [("content-type", "application/json"), ("cookie", "loopwright_session=fixed.by-a-stranger")]
    made = Case("POST", "/api/session", json.dumps({"key": issued["key"]}).encode(), sign_in)
    status, headers, content = send(product, made, key="")
    cookie = headers["set-cookie"]
    assert status == 200
    assert "fixed.by-a-stranger" not in cookie
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    signed_in = [("cookie", cookie.partition(";")[0]), ("content-type", "application/json")]
    proven = [*signed_in, ("x-loopwright-csrf", json.loads(content)["csrf"])]
    chat = b'{"model":"builtin/echo","messages":[{"role":"user","content":"x"}]}'
    unsafe = [("POST", "/v1/chat/completions", chat), ("POST", "/api/keys", b'{"name":"x"}')]
    for method, path, body in [*unsafe, ("DELETE", "/api/session", b""), ("DELETE", "/api/datasets/none", b"")]:
        assert send(product, Case(method, path, body, signed_in), key="")[0] == 403, path
    for method, path, body in unsafe:
        assert send(product, Case(method, path, body, proven), key="")[0] in (200, 201), path
    # A link made with a key signs in as that key, and so ends with it.
    link = send(product, Case("POST", "/api/login-tokens", b"", proven), key="")[2]
    token = json.loads(link)["login_token"]
    by_link = Case("POST", "/api/session", json.dumps({"login_token": token}).encode(), sign_in)
    status, headers, _ = send(product, by_link, key="")
    assert status == 200
    linked = [("cookie", headers["set-cookie"].partition(";")[0])]
    assert send(product, by_link, key="")[0] == 401
    assert send(product, Case("GET", "/api/info", headers=linked), key="")[0] == 200
    assert product.request("DELETE", f"/api/keys/{issued['id']}")[0] == 204
    time.sleep(1.5)
    for session in (signed_in, linked):
        for path in ("/api/info", "/v1/models"):
            assert send(product, Case("GET", path, headers=session), key="")[0] == 401, path


def test_files_of_the_data_folder_are_the_owners_alone(product: Product) -> None:
    open_to_others = [
        str(path) for path in product.home.rglob("*") if not path.is_symlink() and os.stat(path).st_mode & 0o077
    ]
    assert open_to_others == []
