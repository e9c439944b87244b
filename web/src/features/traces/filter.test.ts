import { describe, expect, it } from "vitest";
import type { Score, Trace } from "../../api/types";
import { matches, momentFilter, parseFilter, parseTracesSearch, toQuery, type TraceFilter } from "./filter";

const trace: Trace = {
  trace_id: "0123456789abcdef0123456789abcdef",
  name: "chat",
  start_time: "2026-01-01T12:00:00.999999Z",
  duration_ms: 800,
  status: "ok",
  error: null,
  model: "gpt",
  requested_model: "support-bot",
  provider: "openai",
  endpoint: "support-bot",
  stream: true,
  session_id: "",
  user_id: "",
  input_preview: "How do I rotate a key?",
  output_preview: "Make a second one.",
  input_tokens: 1,
  output_tokens: 1,
  cached_tokens: 0,
  reasoning_tokens: 0,
  usage_estimated: false,
  cost_usd: 0.01,
  ttft_ms: null,
  span_count: 1,
  scores: [],
};

const scored = (kind: Score["kind"], value: number | string): Trace => ({ ...trace, scores: [{ kind, value } as Score] });

describe("the address", () => {
  it("round-trips a filter through query parameters", () => {
    const filter: TraceFilter = { q: "a&b=ü", status: "error", model: "m/1", min_duration_ms: 10.5, min_cost_usd: 0, range: "24h", user_id: "12345" };
    const params = new URLSearchParams(Object.entries(filter).map(([key, value]) => [key, String(value)]));
    expect(parseFilter(Object.fromEntries(params))).toEqual(filter);
  });

  it("drops what it does not know or cannot read", () => {
    expect(parseFilter({ status: "", min_duration_ms: "fast", max_duration_ms: "-1", range: "1y", toString: "x", other: "1" })).toEqual({});
  });

  it("keeps an all-digit id as text", () => {
    expect(parseTracesSearch({ peek: "00000000000000000000000000000012" })).toEqual({ peek: "00000000000000000000000000000012" });
  });
});

describe("toQuery", () => {
  it("turns a range into the instant it began", () => {
    expect(toQuery({ range: "1h", status: "ok" }, Date.parse("2026-01-01T12:00:00Z"))).toEqual({ status: "ok", since: "2026-01-01T11:00:00.000Z" });
  });

  it("lets a set instant win over a range", () => {
    expect(toQuery({ range: "1h", since: "2025-01-01T00:00:00Z" }, 0).since).toBe("2025-01-01T00:00:00Z");
  });
});

describe("matches", () => {
  it("takes every trace without a filter", () => {
    expect(matches(trace, {})).toBe(true);
  });

  it.each<[TraceFilter, boolean]>([
    [{ q: "ROTATE" }, true],
    [{ q: "refund" }, false],
    [{ status: "error" }, false],
    [{ model: "support-bot" }, true],
    [{ model: "other" }, false],
    [{ min_duration_ms: 800 }, true],
    [{ max_duration_ms: 799 }, false],
    [{ min_cost_usd: 0.02 }, false],
    [{ since: "2026-01-01T13:00:00Z" }, false],
    [{ until: "2026-01-01T13:00:00Z" }, true],
    [{ feedback: "none" }, true],
    [{ feedback: "any" }, false],
  ])("%j -> %s", (filter, expected) => {
    expect(matches(trace, filter)).toBe(expected);
  });

  it("counts feedback as the server does", () => {
    expect(matches(scored("thumbs", 1), { feedback: "up" })).toBe(true);
    expect(matches(scored("thumbs", -1), { feedback: "down" })).toBe(true);
    expect(matches(scored("stars", 4), { feedback: "up" })).toBe(true);
    expect(matches(scored("stars", 3), { feedback: "up" })).toBe(false);
    expect(matches(scored("comment", "nice"), { feedback: "any" })).toBe(true);
  });
});

describe("momentFilter", () => {
  it("spans one microsecond, across the second", () => {
    expect(momentFilter(trace)).toMatchObject({ since: "2026-01-01T12:00:00.999999Z", until: "2026-01-01T12:00:01.000Z" });
    expect(momentFilter({ ...trace, start_time: "2026-01-01T12:00:00.000009Z" }).until).toBe("2026-01-01T12:00:00.000010Z");
    expect(momentFilter({ ...trace, start_time: "2026-01-01T12:00:00Z" }).until).toBe("2026-01-01T12:00:00.000001Z");
  });
});
