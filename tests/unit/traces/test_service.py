"""What the service answers, over a real lake in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loopwright.foundation.clock import FixedClock, iso
from loopwright.foundation.errors import Invalid, LoopwrightError, NotFound
from loopwright.foundation.lake import Lake
from loopwright.traces import TraceFilter
from loopwright.traces import service as service_module
from loopwright.traces import store as store_module
from tests.unit.traces.records import START_US, begin, score, span, trace_id
from tests.unit.traces.rig import Rig, rig

TEAM = "team_a"


@pytest.fixture
def traces(home: Path, lake: Lake, clock: FixedClock) -> Iterator[Rig]:
    clock.advance(3600)
    with rig(home / "spool", lake, clock) as made:
        yield made


def ids(made: Rig, limit: int = 50, team: str = TEAM, **given: Any) -> list[int]:
    page = made.service.list_traces(team, TraceFilter(**given), limit)
    return [int(trace.trace_id, 16) for trace in page.items]


def test_nothing_is_there_before_the_first_trace(traces: Rig) -> None:
    assert ids(traces) == []
    assert traces.service.count(TEAM) == 0
    assert traces.service.facets(TEAM).models == []
    assert traces.service.stats(TEAM, 0).traces == 0
    assert traces.service.tail(TEAM).poll() == []


def test_the_newest_come_first_with_everything_a_list_shows(traces: Rig) -> None:
    traces.keep(
        span(1),
        span(
            2, status="error", error_code="upstream_failed", error_message="HTTP 500", cost_nanousd=None, ttft_us=1_500
        ),
        span(3),
    )
    page = traces.service.list_traces(TEAM, TraceFilter())
    assert [trace.trace_id for trace in page.items] == [trace_id(3), trace_id(2), trace_id(1)]
    failed, fine = page.items[1], page.items[2]
    assert failed.error is not None
    assert (failed.error.code, failed.error.message, failed.cost_usd, failed.ttft_ms) == (
        "upstream_failed",
        "HTTP 500",
        None,
        1.5,
    )
    assert msgspec.to_builtins(fine) == {
        "trace_id": trace_id(1),
        "name": "chat",
        "start_time": iso(START_US + 1_000_000),
        "duration_ms": 1500.0,
        "status": "ok",
        "error": None,
        "model": "m1",
        "requested_model": "",
        "provider": "p1",
        "endpoint": "support",
        "stream": False,
        "session_id": "",
        "user_id": "",
        "input_preview": "question 1",
        "output_preview": "answer 1",
        "input_tokens": 7,
        "output_tokens": 3,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "usage_estimated": False,
        "cost_usd": 0.000002,
        "ttft_ms": None,
        "span_count": 1,
        "scores": [],
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"status": "error"}, {"status": "error"}),
        ({"model": "m2"}, {"model": "m2"}),
        ({"provider": "p2"}, {"provider": "p2"}),
        ({"endpoint": "sales"}, {"endpoint": "sales"}),
        ({"kind": "tool"}, {"kind": "tool"}),
        ({"session_id": "s'1"}, {"session_id": "s'1"}),
        ({"user_id": "u1"}, {"user_id": "u1"}),
        ({"min_duration_ms": 2000}, {"duration_us": 2_000_000}),
        ({"max_duration_ms": 100}, {"duration_us": 100_000}),
        ({"min_cost_usd": 0.01}, {"cost_nanousd": 10_000_000}),
        ({"since": iso(START_US + 60_000_000)}, {"start_us": START_US + 60_000_000}),
        ({"until": iso(START_US)}, {"start_us": START_US - 1}),
        ({"q": "REFUND please"}, {"asked": "please, a refund!"}),
        ({"q": "größe"}, {"answered": "Die GRÖSSE? Die Größe ist 40."}),
    ],
)
def test_a_filter_keeps_exactly_what_it_says(traces: Rig, given: dict[str, Any], kept: dict[str, Any]) -> None:
    traces.keep(span(1), span(2, **kept), span(3))
    assert ids(traces, **given) == [2]


def test_bounds_of_time_are_inclusive_below_and_exclusive_above(traces: Rig) -> None:
    traces.keep(span(1), span(2), span(3))
    assert ids(traces, since=iso(START_US + 2_000_000)) == [3, 2]
    assert ids(traces, until=iso(START_US + 2_000_000)) == [1]


@pytest.mark.parametrize(("feedback", "kept"), [("any", [5, 4, 3, 2]), ("none", [6, 1]), ("up", [4, 2]), ("down", [3])])
def test_feedback_selects_through_scores(traces: Rig, feedback: str, kept: list[int]) -> None:
    traces.keep(*(span(number) for number in range(1, 7)))
    traces.keep(
        score(2, number=1.0),
        score(3, number=-1.0),
        score(4, kind="stars", number=5.0),
        score(5, kind="comment", number=None, text="hm"),
        score(6, number=1.0),
        score(6, deleted=True),
        score(1, team_id="team_b", id="foreign"),
    )
    assert ids(traces, feedback=feedback) == kept
    many = [score(1000 + number) for number in range(store_module.PUSHED_IDS + 1)]
    traces.spool.append(many)
    traces.drainer.drain_now()
    assert ids(traces, feedback=feedback) == kept


def test_filters_are_joined_by_and(traces: Rig) -> None:
    traces.keep(span(1, model="m2"), span(2, status="error"), span(3, model="m2", status="error"))
    assert ids(traces, model="m2", status="error") == [3]


@pytest.mark.parametrize("limit", [0, 201, -1])
def test_a_limit_out_of_bounds_is_refused(traces: Rig, limit: int) -> None:
    with pytest.raises(Invalid) as refused:
        traces.service.list_traces(TEAM, TraceFilter(), limit)
    assert refused.value.param == "limit"


@pytest.mark.parametrize("windows", [False, True])
def test_pages_cover_everything_once_even_with_equal_times(
    traces: Rig, monkeypatch: pytest.MonkeyPatch, windows: bool
) -> None:
    monkeypatch.setattr(store_module._Search, "_pays_windows", lambda _: windows)
    far_apart = [START_US - number * 86_400_000_000 for number in range(10)]
    traces.spool.append([span(number, start_us=START_US) for number in range(40)])
    traces.spool.append([span(100 + number, start_us=start) for number, start in enumerate(far_apart)])
    traces.drainer.drain_now()
    seen: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = traces.service.list_traces(TEAM, TraceFilter(), 7, cursor)
        assert 1 <= len(page.items) <= 7
        seen += [(trace.start_time, trace.trace_id) for trace in page.items]
        cursor = page.next_cursor
    assert len(seen) == 50
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_widening_windows_find_what_one_scan_finds(traces: Rig, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    hours = [0, 1, 2, 30, 31, 500, 9_000, 90_000]
    traces.keep(*(span(n, start_us=START_US - hour * 3_600_000_000, model=f"m{n % 2}") for n, hour in enumerate(hours)))
    traces.keep(span(50, start_us=START_US + 10**12, model="m1"))
    plain = [ids(traces, limit, **given) for given in ({}, {"model": "m1"}, {"q": "question"})]
    monkeypatch.setattr(store_module._Search, "_pays_windows", lambda _: True)
    assert [ids(traces, limit, **given) for given in ({}, {"model": "m1"}, {"q": "question"})] == plain
    assert plain[0][0] == 50


def test_a_trace_shows_its_spans_as_they_were_written(traces: Rig) -> None:
    child = span(
        1,
        span_id="c" * 16,
        parent_span_id=f"{1:016x}",
        kind="retrieval",
        start_us=START_US + 1_000_001,
        input=b'{"query":"q"}',
        output=b'[{"text":"p","score":0.5}]',
        attributes=b'{"top_k":5}',
        cost_nanousd=None,
    )
    traces.spool.append((child, span(1)))
    detail = traces.service.get_trace(TEAM, trace_id(1))
    assert detail.trace.span_count == 2
    root, leaf = detail.spans
    assert (root.parent_span_id, leaf.parent_span_id) == (None, f"{1:016x}")
    assert (leaf.kind, leaf.input, leaf.output) == ("retrieval", {"query": "q"}, [{"text": "p", "score": 0.5}])
    assert (leaf.attributes, leaf.cost_usd, root.attributes) == ({"top_k": 5}, None, {})
    assert (root.usage.input_tokens, root.usage.output_tokens) == (7, 3)
    assert root.output == {"role": "assistant", "content": "answer 1"}


@pytest.mark.parametrize("unknown", [trace_id(9), "..", "x' OR '1'='1", "A" * 32, ""])
def test_an_unknown_trace_is_not_found_in_the_same_words(traces: Rig, unknown: str) -> None:
    traces.keep(span(1), span(9, team_id="team_b"))
    for attempt in (
        lambda: traces.service.get_trace(TEAM, unknown),
        lambda: traces.service.add_score(TEAM, unknown, kind="thumbs", value=1, author="ann"),
    ):
        with pytest.raises(NotFound, match="no trace") as refused:
            attempt()
        assert "traces ls" in refused.value.hint


def test_a_score_is_readable_when_its_call_returns(traces: Rig) -> None:
    traces.spool.append((span(1),))
    added = traces.service.add_score(TEAM, trace_id(1), kind="thumbs", value=-1, author="ann", comment="too long")
    assert traces.service.get_trace(TEAM, trace_id(1)).scores == [added]
    assert traces.service.list_traces(TEAM, TraceFilter()).items[0].scores == [added]
    assert (added.value, added.author, added.source, added.comment) == (-1, "ann", "human", "too long")
    traces.service.delete_score(TEAM, trace_id(1), added.id)
    assert traces.service.get_trace(TEAM, trace_id(1)).scores == []
    with pytest.raises(NotFound, match="has no score"):
        traces.service.delete_score(TEAM, trace_id(1), added.id)


def test_a_score_may_judge_one_span_that_is_there(traces: Rig) -> None:
    traces.keep(span(1))
    added = traces.service.add_score(
        TEAM, trace_id(1), kind="number", value=0.5, author="ann", name="faithful", span_id=f"{1:016x}", source="judge"
    )
    assert (added.span_id, added.name, added.value, added.source) == (f"{1:016x}", "faithful", 0.5, "judge")
    with pytest.raises(NotFound, match="no span"):
        traces.service.add_score(TEAM, trace_id(1), kind="thumbs", value=1, author="ann", span_id="f" * 16)


@pytest.mark.parametrize(
    "wrong",
    [{"value": 2}, {"kind": "x"}, {"name": ""}, {"name": "a\nb"}, {"comment": "c" * 10_001}, {"source": "crowd"}],
)
def test_a_faulty_score_is_refused_by_its_field_and_not_kept(traces: Rig, wrong: dict[str, Any]) -> None:
    traces.keep(span(1))
    with pytest.raises(Invalid) as refused:
        traces.service.add_score(TEAM, trace_id(1), **{"kind": "thumbs", "value": 1, "author": "ann", **wrong})
    assert refused.value.param == next(iter(wrong))
    assert traces.service.get_trace(TEAM, trace_id(1)).scores == []


def test_a_score_is_kept_while_the_lake_is_away(traces: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(rows: object) -> None:
        raise LoopwrightError("the lake is away")

    traces.keep(span(1))
    monkeypatch.setattr(traces.store, "append_scores", away)
    added = traces.service.add_score(TEAM, trace_id(1), kind="thumbs", value=1, author="ann")
    assert traces.service.get_trace(TEAM, trace_id(1)).scores == []
    assert not traces.drainer.health.ok
    monkeypatch.undo()
    traces.drainer.drain_now()
    assert traces.service.get_trace(TEAM, trace_id(1)).scores == [added]


def test_facets_and_stats_count_recent_traces(traces: Rig) -> None:
    traces.keep(
        span(1, model="m2"),
        span(2, cost_nanousd=None, duration_us=9_000_000),
        span(3, status="error", endpoint=""),
        span(4, team_id="team_b", model="secret"),
    )
    facets = traces.service.facets(TEAM)
    assert [(value.value, value.count) for value in facets.models] == [("m1", 2), ("m2", 1)]
    assert [(value.value, value.count) for value in facets.endpoints] == [("support", 2)]
    assert [(value.value, value.count) for value in facets.statuses] == [("ok", 2), ("error", 1)]
    stats = traces.service.stats(TEAM, START_US + 2_000_000)
    assert (stats.traces, stats.errors, stats.input_tokens, stats.cost_usd) == (2, 1, 14, 0.000002)
    assert (stats.p50_duration_ms, stats.p95_duration_ms) == (9000.0, 9000.0)


def test_no_answer_of_one_team_holds_a_canary_of_another(traces: Rig) -> None:
    canary = "canary-7f3a"
    foreign = span(
        7,
        team_id="team_b",
        asked=canary,
        answered=canary,
        model=canary,
        endpoint=canary,
        session_id=canary,
        name=canary,
    )
    traces.keep(span(1), foreign, score(7, team_id="team_b", kind="comment", number=None, text=canary))
    traces.keep(score(1, team_id="team_b", id="planted", kind="comment", number=None, text=canary))
    tail = traces.service.tail(TEAM)
    traces.keep(span(8, team_id="team_b", asked=canary), span(2))
    service, everything = traces.service, TraceFilter()
    answers: list[Any] = [
        service.list_traces(TEAM, everything),
        service.list_traces(TEAM, TraceFilter(q=canary)),
        service.list_traces(TEAM, TraceFilter(model=canary)),
        service.list_traces(TEAM, TraceFilter(feedback="any")),
        service.get_trace(TEAM, trace_id(1)),
        service.facets(TEAM),
        list(service.select_traces(TEAM, everything, 100)),
        tail.poll(),
    ]
    assert canary not in msgspec.json.encode(answers).decode()
    assert (service.count(TEAM), service.stats(TEAM, 0).traces) == (2, 2)
    assert canary in msgspec.json.encode(service.list_traces("team_b", everything)).decode()
    with pytest.raises(NotFound):
        service.delete_score(TEAM, trace_id(7), "score_7")


def test_a_tail_gives_each_arrival_once_and_goes_on_behind_its_cursor(traces: Rig, clock: FixedClock) -> None:
    traces.keep(span(1))
    tail = traces.service.tail(TEAM)
    assert tail.poll() == []
    for number in (2, 3, 4):
        clock.advance(0.2)
        traces.keep(span(number, start_us=START_US - number))
    arrived = tail.poll()
    assert [int(trace.trace_id, 16) for _, trace in arrived] == [2, 3, 4]
    assert tail.poll() == []
    resumed = traces.service.tail(TEAM, arrived[0][0])
    assert [int(trace.trace_id, 16) for _, trace in resumed.poll()] == [3, 4]
    assert resumed.poll() == []


def test_a_tail_takes_long_arrivals_page_by_page(traces: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "TAIL_PAGE", 10)
    tail = traces.service.tail(TEAM)
    traces.spool.append([span(number) for number in range(35)])
    traces.drainer.drain_now()
    seen = [trace.trace_id for _ in range(5) for _, trace in tail.poll()]
    assert seen == [trace_id(number) for number in range(35)]


def test_a_tail_shows_what_another_machine_committed_late(traces: Rig, clock: FixedClock) -> None:
    tail = traces.service.tail(TEAM)
    clock.advance(2)
    traces.keep(span(1))
    assert len(tail.poll()) == 1
    late = clock.now_us() - 1_000_000
    fields = {
        name: getattr(span(2), name)
        for name in span(2).__struct_fields__
        if name not in ("input", "output", "attributes")
    }
    traces.store.append_spans(
        [{**fields, "stored_us": late, "spool_segment": "elsewhere-000001.seg", "spool_offset": 1}]
    )
    assert [trace.trace_id for _, trace in tail.poll()] == [trace_id(2)]


def test_an_interrupted_trace_is_listed_as_such(home: Path, traces: Rig) -> None:
    traces.spool.begin(begin(1))
    traces.spool.close()
    traces.drainer.drain_now()
    assert ids(traces, status="interrupted") == [1]


def test_selected_traces_come_with_root_input_and_scores(traces: Rig) -> None:
    traces.spool.append((span(1, span_id="c" * 16, parent_span_id=f"{1:016x}"), span(1)))
    traces.keep(span(2), span(3), score(2))
    details = list(traces.service.select_traces(TEAM, TraceFilter(), 2))
    assert [detail.trace.trace_id for detail in details] == [trace_id(3), trace_id(2)]
    assert [len(detail.scores) for detail in details] == [0, 1]
    assert details[0].spans[0].input == {"messages": [{"role": "user", "content": "question 3"}]}
    assert [len(detail.spans) for detail in details] == [1, 1]
