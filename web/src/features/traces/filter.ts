/** The filter of the trace list: read from the address, written back to it, sent to the API, and asked of one trace. */
import type { Query } from "../../api/client";
import type { Score, Trace } from "../../api/types";

export const RANGES = { "15m": 900, "1h": 3600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 } as const;
export type Range = keyof typeof RANGES;

export interface TraceFilter {
  q?: string;
  status?: string;
  model?: string;
  provider?: string;
  endpoint?: string;
  kind?: string;
  session_id?: string;
  user_id?: string;
  feedback?: string;
  min_duration_ms?: number;
  max_duration_ms?: number;
  min_cost_usd?: number;
  range?: Range;
  since?: string;
  until?: string;
}

export interface TracesSearch extends TraceFilter {
  /** The trace in the peek panel. */
  peek?: string;
}

const TEXTS = ["q", "status", "model", "provider", "endpoint", "kind", "session_id", "user_id", "feedback", "since", "until"] as const;
const NUMBERS = ["min_duration_ms", "max_duration_ms", "min_cost_usd"] as const;

const isRange = (value: unknown): value is Range => typeof value === "string" && value in RANGES;

/** Keeps what is known and well formed; an address typed by hand must never break the page. */
export function parseFilter(search: Record<string, unknown>): TraceFilter {
  const filter: TraceFilter = {};
  for (const key of TEXTS) {
    const value = search[key];
    if (typeof value === "string" && value.trim() !== "") filter[key] = value;
  }
  for (const key of NUMBERS) {
    const value = search[key];
    const number = typeof value === "number" ? value : typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
    if (Number.isFinite(number) && number >= 0) filter[key] = number;
  }
  if (isRange(search.range)) filter.range = search.range;
  return filter;
}

export function parseTracesSearch(search: Record<string, unknown>): TracesSearch {
  const peek = search.peek;
  return { ...parseFilter(search), ...(typeof peek === "string" && peek !== "" ? { peek } : {}) };
}

/** The API's query: a range becomes the instant it began, counted from `nowMs`. */
export function toQuery({ range, ...filter }: TraceFilter, nowMs: number): Query {
  const query: Query = { ...filter };
  if (range && !filter.since) query.since = new Date(nowMs - RANGES[range] * 1000).toISOString();
  return query;
}

export const isFiltered = (filter: TraceFilter): boolean => Object.keys(filter).length > 0;

type Test = (trace: Trace, filter: TraceFilter) => boolean;

/** Thumbs are 1 or -1. */
export const isThumbsUp = (value: unknown): boolean => typeof value === "number" && value > 0;

/** As the server counts it: thumbs, or four stars and more against two and fewer. */
function verdictOf({ kind, value }: Pick<Score, "kind" | "value">): "up" | "down" | "" {
  if (typeof value !== "number") return "";
  if (kind === "thumbs") return value > 0 ? "up" : "down";
  if (kind !== "stars") return "";
  return value >= 4 ? "up" : value <= 2 ? "down" : "";
}

function hasFeedback(trace: Trace, wanted: string): boolean {
  if (wanted === "any") return trace.scores.length > 0;
  if (wanted === "none") return trace.scores.length === 0;
  return trace.scores.some((score) => verdictOf(score) === wanted);
}

const contains = (haystack: string, needle: string) => haystack.toLowerCase().includes(needle.toLowerCase());

const TESTS: Test[] = [
  (trace, { q }) => !q || [trace.name, trace.input_preview, trace.output_preview, trace.trace_id].some((each) => contains(each, q)),
  (trace, { status }) => !status || trace.status === status,
  (trace, { model }) => !model || trace.model === model || trace.requested_model === model,
  (trace, { provider }) => !provider || trace.provider === provider,
  (trace, { endpoint }) => !endpoint || trace.endpoint === endpoint,
  (trace, { session_id }) => !session_id || trace.session_id === session_id,
  (trace, { user_id }) => !user_id || trace.user_id === user_id,
  (trace, { min_duration_ms: least }) => least === undefined || trace.duration_ms >= least,
  (trace, { max_duration_ms: most }) => most === undefined || trace.duration_ms <= most,
  (trace, { min_cost_usd: least }) => least === undefined || (trace.cost_usd ?? 0) >= least,
  (trace, { feedback }) => !feedback || hasFeedback(trace, feedback),
  (trace, { since }) => !since || Date.parse(trace.start_time) >= Date.parse(since),
  (trace, { until }) => !until || Date.parse(trace.start_time) < Date.parse(until),
];

/** Whether a trace that just landed belongs to the list on screen. Kinds of spans are not on a trace, so those pass. */
export function matches(trace: Trace, filter: TraceFilter): boolean {
  return TESTS.every((test) => test(trace, filter));
}

/** The instant one microsecond after `iso`; the API writes times with up to six decimals. */
function microsecondAfter(iso: string): string {
  const [, whole = iso, fraction = ""] = /^(.*?)(?:\.(\d{1,6}))?Z$/.exec(iso) ?? [];
  const next = Number(fraction.padEnd(6, "0")) + 1;
  if (next < 1_000_000) return `${whole}.${String(next).padStart(6, "0")}Z`;
  return new Date(Date.parse(`${whole}Z`) + 1000).toISOString();
}

/** A filter that selects one trace: the API has no filter by id, and a trace's first microsecond is nearly its own. */
export function momentFilter(trace: Trace): TraceFilter {
  const filter: TraceFilter = { since: trace.start_time, until: microsecondAfter(trace.start_time) };
  if (trace.model) filter.model = trace.model;
  if (trace.session_id) filter.session_id = trace.session_id;
  return filter;
}
