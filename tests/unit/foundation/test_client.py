from __future__ import annotations

import io
import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest

from loopwright.foundation import client as module
from loopwright.foundation.client import Client
from loopwright.foundation.errors import (
    Conflict,
    Denied,
    DiskFull,
    Invalid,
    LimitExceeded,
    LoopwrightError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)


class Wire(io.BytesIO):
    """Stands where an HTTP connection stands: keeps the request, answers what it was given."""

    def __init__(self, status: int = 200, content: bytes = b"{}") -> None:
        super().__init__(content)
        self.status = status
        self.asked: tuple[Any, ...] = ()

    def request(self, *asked: Any) -> None:
        self.asked = asked

    def getresponse(self) -> Wire:
        return self


def client_on(wire: Wire, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Client:
    monkeypatch.setattr(Client, "_connection", lambda self: wire)
    return Client("http://loopwright.test", out=io.StringIO(), **options)


def shown(rows: object, columns: tuple[str, ...] = (), *, as_json: bool = False) -> str:
    out = io.StringIO()
    Client("", as_json=as_json, out=out).emit(rows, columns)
    return out.getvalue()


def test_rows_are_an_aligned_table_of_the_columns() -> None:
    rows = [{"name": "a", "size": 1, "more": "x"}, {"name": "longer", "size": None}]
    assert shown(rows, ("name", "size")) == "name    size\na       1\nlonger  -\n"


def test_no_rows_show_nothing_to_a_pipe() -> None:
    assert shown([], ("name",)) == ""


def test_one_mapping_is_a_line_for_each_value() -> None:
    assert shown({"name": "a", "tags": ["é"], "cost": 0.1234567891}) == 'name: a\ntags: ["é"]\ncost: 0.123457\n'
    assert shown({"name": "a", "tags": []}, ("name",)) == "name: a\n"


def test_a_value_stays_in_its_line() -> None:
    assert shown([{"name": "a\n\tb  c"}], ("name",)) == "name\na b c\n"


def test_json_is_whole_and_readable() -> None:
    rows = [{"name": "é", "more": None}]
    text = shown(rows, ("name",), as_json=True)
    assert json.loads(text) == rows
    assert "é" in text


def test_lines_for_people_are_silent_under_json() -> None:
    out = io.StringIO()
    Client("", as_json=True, out=out).say("done")
    assert out.getvalue() == ""
    Client("", out=out).say("done")
    assert out.getvalue() == "done\n"


def test_files_are_sent_as_multipart_that_a_parser_reads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    files = [("docs/a.md", b"# A\r\n--x\r\n"), ('b "1".bin', bytes(range(256))), ("c\r\nX-Evil: 1", b"")]
    client_on(wire, monkeypatch).upload("/api/x", files)
    method, path, body, headers = wire.asked
    assert (method, path) == ("POST", "/api/x")
    head = f"content-type: {headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + body).get_payload()
    assert isinstance(parts, list)
    assert [part.get_param("name", header="content-disposition") for part in parts] == ["files"] * 3
    names = [part.get_filename() for part in parts]
    assert names == ["docs/a.md", "b %221%22.bin", "c%0D%0AX-Evil: 1"]
    assert all(part["x-evil"] is None for part in parts)
    assert [body.count(data) > 0 for _, data in files] == [True] * 3


def test_parameters_that_say_nothing_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    client_on(wire, monkeypatch).get("/api/traces", q="a b&c", limit=0, status=None, model="")
    assert wire.asked[1] == "/api/traces?q=a+b%26c&limit=0"


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({}, {}),
        ({"key": "lw-1"}, {"authorization": "Bearer lw-1"}),
        ({"token": "t"}, {"x-loopwright-operator": "t"}),
    ],
)
def test_a_caller_shows_who_it_is(
    options: dict[str, str], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire()
    client_on(wire, monkeypatch, **options).get("/api/info")
    sent = {k: v for k, v in wire.asked[3].items() if k in ("authorization", "x-loopwright-operator")}
    assert sent == headers


@pytest.mark.parametrize(
    ("status", "family"),
    [
        (400, Invalid),
        (401, Unauthenticated),
        (403, Denied),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (422, Invalid),
        (429, LimitExceeded),
        (500, Unavailable),
        (502, UpstreamFailed),
        (503, Unavailable),
        (504, UpstreamTimeout),
        (507, DiskFull),
    ],
)
def test_a_status_becomes_its_error(
    status: int, family: type[LoopwrightError], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = {"detail": "it is so", "hint": "do this", "param": "name"}
    with pytest.raises(LoopwrightError) as caught:
        client_on(Wire(status, json.dumps(problem).encode()), monkeypatch).get("/api/x")
    error = caught.value
    assert type(error) is family
    assert (error.message, error.hint, error.param) == ("it is so", "do this", "name")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"error": {"message": "no such model", "param": "model"}}', "no such model"),
        (b"<html>Bad Gateway</html>", "HTTP 400: <html>Bad Gateway</html>"),
        (b"[1]", "HTTP 400: [1]"),
        (b"", "HTTP 400: "),
        (b"\xff\xfe", "HTTP 400: \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (b'{"odd": 1}', "{'odd': 1}"),
    ],
)
def test_an_error_without_a_problem_body_says_what_came(
    content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid) as caught:
        client_on(Wire(400, content), monkeypatch).get("/api/x")
    assert caught.value.message == message


def test_an_answer_of_somebody_else_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="something other than JSON: b'<html>"):
        client_on(Wire(200, b"<html>Welcome"), monkeypatch).get("/api/info")


def test_no_content_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client_on(Wire(204, b""), monkeypatch).delete("/api/keys/1") is None


def test_server_sent_events_by_name_with_comments_and_unfinished_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = b': hello\n\nevent: trace\nid: 7\ndata: {"a":\ndata: 1}\n\ndata: [2]\r\n\r\nevent: x\n\ndata: 3\n'
    found = client_on(Wire(200, stream), monkeypatch).stream_sse("/api/traces/stream")
    assert list(found) == [("trace", {"a": 1}), ("message", [2])]


def test_a_dead_socket_names_the_place_and_the_way_out(tmp_path: Any) -> None:
    socket = tmp_path / "gone.sock"
    with pytest.raises(Unavailable) as caught:
        Client("http://local", socket=socket).get("/api/info")
    assert str(socket) in caught.value.message
    assert caught.value.hint == "start it with: loopwright up"


def test_every_family_a_server_answers_with_has_a_status_here() -> None:
    ours = {Unauthenticated, Denied, NotFound, Conflict, TooLarge, LimitExceeded}
    ours |= {UpstreamFailed, UpstreamTimeout, DiskFull}
    assert set(module._BY_STATUS.values()) == ours


@pytest.mark.parametrize("url", ["nonsense", "ftp://host", "http://", "127.0.0.1:8700"])
def test_a_wrong_address_is_refused_before_the_key_leaves(url: str) -> None:
    with pytest.raises(Invalid, match="no address of a Loopwright"):
        Client(url, key="lw-secret").get("/api/info")
