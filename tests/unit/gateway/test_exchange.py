from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.catalog import Provider, Target
from loopwright.foundation.errors import Invalid
from loopwright.foundation.identity import Principal
from loopwright.gateway import Exchange
from loopwright.gateway.errors import UpstreamRefused, openai_error
from loopwright.gateway.exchange import parse_body
from loopwright.gateway.providers.echo import echo


def exchange(raw: bytes) -> Exchange:
    body, model, stream = parse_body(raw)
    target = Target(Provider("builtin", "builtin"), "echo")
    return Exchange("req_1", "0" * 32, Principal("t", "k", "member"), body, model, stream, target, 1_000_000)


def test_a_body_is_read_as_far_as_routing_needs() -> None:
    body, model, stream = parse_body(b'{"model": "a", "stream": true, "new": {"kept":  [1.50, 1e2]}}')
    assert (model, stream) == ("a", True)
    assert bytes(body["new"]) == b'{"kept":  [1.50, 1e2]}'


@pytest.mark.parametrize(("stream", "found"), [("null", False), ("false", False), ("true", True)])
def test_stream_may_be_null(stream: str, found: bool) -> None:
    assert parse_body(f'{{"model": "a", "stream": {stream}}}'.encode())[2] is found


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"", ""),
        (b"null", ""),
        (b'"x"', ""),
        (b"{'model': 'a'}", ""),
        (b'{"model": "a"} {}', ""),
        (b"{}", "model"),
        (b'{"model": null}', "model"),
        (b'{"model": ""}', "model"),
        (b'{"model": ["a"]}', "model"),
        (b'{"model": "\xff"}', "model"),
        (b'{"model": "a", "stream": 1}', "stream"),
        (b'{"model": "a", "stream": "true"}', "stream"),
    ],
)
def test_a_faulty_body_is_invalid_and_names_the_field(raw: bytes, param: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_body(raw)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "messages", [b'[{"content": "\xff"}]', b'[{"content": "\\ud800"}]', b"1e999", b"[" * 50_000 + b"]" * 50_000]
)
def test_a_field_that_was_skipped_is_checked_when_it_is_needed(messages: bytes) -> None:
    with pytest.raises(Invalid):
        exchange(b'{"model": "a", "messages": ' + messages + b"}").messages()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_body_or_invalid(raw: bytes) -> None:
    # Anything but Invalid fails the test.
    with suppress(Invalid):
        parse_body(raw)


@given(st.binary(max_size=40), st.sampled_from([b'"', b"", b"[", b"{"]))
def test_any_bytes_in_a_field_are_a_value_or_invalid(inner: bytes, quote: bytes) -> None:
    raw = b'{"model": "a", "messages": ' + quote + inner + quote + b', "metadata": 1}'
    with suppress(Invalid):
        exchange(raw).value("messages")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "function", "name", "parameters", "properties", "required", "enum", "anyOf", "items", "schema"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = ["tools", "tool_choice", "response_format", "stop", "max_tokens", "max_completion_tokens"]


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values), json_values)
def test_echo_answers_or_refuses_whatever_is_asked(fields: dict[str, Any], schema: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    wanted = {"type": "json_schema", "json_schema": {"schema": schema}}
    for given_fields in (fields, {"tools": tools, **fields}, {"response_format": wanted, **fields}):
        body = {"model": "a", "messages": [{"role": "user", "content": "hi"}], **given_fields}
        try:
            answer = echo(exchange(json.dumps(body).encode()))
        except Invalid:
            continue
        assert answer.finish_reason in ("stop", "length", "tool_calls")


def test_a_field_can_be_replaced_and_is_read_back() -> None:
    made = exchange(b'{"model": "a"}')
    assert made.value("temperature") is None
    made.set("temperature", {"a": [1, "é"]})
    assert made.value("temperature") == {"a": [1, "é"]}


def test_a_child_span_belongs_to_its_exchange() -> None:
    made = exchange(b'{"model": "a"}')
    made.record("retrieval", "look up", made.now_us(), attributes=b"{}")
    span = made.spans[0]
    assert (span.team_id, span.trace_id, span.parent_span_id, span.kind) == ("t", "0" * 32, made.span_id, "retrieval")
    assert span.duration_us >= 0
    assert span.start_us >= 1_000_000


def test_an_error_for_an_openai_client() -> None:
    status, body = openai_error(Invalid("n is 0", hint="send n=1", param="n"), "req_1")
    assert status == 400
    assert body["error"] == {
        "message": "n is 0 (send n=1)",
        "type": "invalid_request_error",
        "param": "n",
        "code": "invalid",
        "hint": "send n=1",
        "request_id": "req_1",
    }


def test_a_refusal_keeps_the_status_of_the_provider() -> None:
    status, body = openai_error(UpstreamRefused("slow down", 429), "req_1")
    assert (status, body["error"]["type"], body["error"]["param"]) == (429, "rate_limit_error", None)
