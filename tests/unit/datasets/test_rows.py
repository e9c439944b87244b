"""Traces become rows without losing anything that was said or judged."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from loopwright.datasets.rows import Digest, as_row, encode_all, encode_row, gather
from loopwright.datasets.schemas import Label
from tests.unit.datasets.details import detail, score

TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "be kind"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:x"}}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "[1, 2]"},
    {"role": "user", "content": "and now?", "name": "ann"},
]
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c2", "type": "function", "function": {"name": "find", "arguments": "{}"}}],
}


def test_many_turns_tools_and_parameters_come_through_as_they_were() -> None:
    given = {
        "model": "m",
        "messages": CONVERSATION,
        "tools": TOOLS,
        "temperature": 0.1,
        "response_format": {"type": "json"},
        "stream": True,
    }
    row = as_row(detail(given=given, output=CALL))
    assert row is not None
    assert (row.messages, row.tools, row.output) == (CONVERSATION, TOOLS, CALL)
    assert row.metadata["parameters"] == {"temperature": 0.1, "response_format": {"type": "json"}}
    assert json.loads(encode_row(row))["messages"] == CONVERSATION


def test_whole_responses_bare_lists_and_plain_text_are_understood() -> None:
    message = {"role": "assistant", "content": "yes"}
    whole = as_row(detail(output={"id": "x", "choices": [{"index": 0, "message": message}], "usage": {}}))
    listed = as_row(detail(given=[{"role": "user", "content": "hi"}], output="yes"))
    assert whole is not None
    assert listed is not None
    assert whole.output == listed.output == message
    assert listed.messages == [{"role": "user", "content": "hi"}]


def test_labels_and_comments_travel_with_the_row() -> None:
    row = as_row(
        detail(
            scores=(
                score("thumbs", -1, comment="wrong"),
                score("label", "refund", name="topic"),
                score("comment", "see above"),
            )
        )
    )
    assert row is not None
    assert row.labels == [
        Label(name="feedback", kind="thumbs", value=-1, comment="wrong", author="ann"),
        Label(name="topic", kind="label", value="refund", comment="", author="ann"),
    ]
    assert row.comments == ["see above"]


@pytest.mark.parametrize("given", [{"input": ["a text to embed"]}, "plain", {"messages": []}, 3])
def test_what_is_no_conversation_is_skipped(given: Any) -> None:
    assert as_row(detail(given=given)) is None


def test_a_trace_without_an_answer_is_skipped_and_counted() -> None:
    unanswered = detail(1)
    span = type(unanswered.spans[0])(
        **{
            name: getattr(unanswered.spans[0], name)
            for name in unanswered.spans[0].__struct_fields__
            if name != "output"
        },
        output=None,
    )
    gathered = gather([type(unanswered)(trace=unanswered.trace, spans=[span], scores=[]), detail(2)])
    assert (gathered.selected, len(gathered.rows), gathered.skipped) == (2, 1, 1)


def test_duplicates_are_dropped_counted_and_leave_their_judgements() -> None:
    first = detail(1, scores=(score("thumbs", 1),))
    again = detail(
        2,
        given=first.spans[0].input,
        output=first.spans[0].output,
        scores=(score("thumbs", 1), score("stars", 5), score("comment", "x")),
    )
    other_answer = detail(3, given=first.spans[0].input)
    gathered = gather([first, again, other_answer])
    assert (gathered.selected, gathered.duplicates) == (3, 1)
    assert [row.trace_id for row in gathered.rows] == [first.trace.trace_id, other_answer.trace.trace_id]
    assert [label.kind for label in gathered.rows[0].labels] == ["thumbs", "stars"]
    assert gathered.rows[0].comments == ["x"]


def test_a_rows_id_depends_on_what_was_said_alone() -> None:
    first, same = as_row(detail(1)), as_row(detail(1, model="m2", trace_id="f" * 32))
    other = as_row(detail(2))
    assert first is not None
    assert same is not None
    assert other is not None
    assert first.id == same.id != other.id


def test_the_digest_is_that_of_the_exported_bytes() -> None:
    digest = Digest()
    lines = [line for _, line in encode_all(gather([detail(1), detail(2)]).rows, digest)]
    assert digest.text == "sha256:" + hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()


def test_equal_rows_are_equal_bytes_whatever_the_order_of_keys() -> None:
    one = as_row(detail(1, given={"messages": [{"role": "user", "content": "hi"}], "a": 1, "b": 2}))
    two = as_row(detail(1, given={"b": 2, "a": 1, "messages": [{"content": "hi", "role": "user"}]}))
    assert one is not None
    assert two is not None
    assert encode_row(one) == encode_row(two)


def test_a_line_stays_one_line_for_every_reader() -> None:
    strange = "a\u2028b\u2029c\x85d\ne\x0bf\x1cg"
    row = as_row(detail(1, given={"messages": [{"role": "user", "content": strange}]}))
    assert row is not None
    line = encode_row(row)
    assert len(line.decode().splitlines()) == 1
    assert json.loads(line)["messages"][0]["content"] == strange
