/** The wire types of control's API, one for each shape in the contract. */

export type Role = "admin" | "member" | "viewer";

export interface Session {
  user: string;
  team: { id: string; name: string };
  role: Role;
  csrf: string;
  expires_at: string;
}

/** `real` is false for the built-in stand-in, which compares words and knows no meaning. */
export interface Embedder {
  name: string;
  real: boolean;
  dimensions: number;
}

export interface Info {
  version: string;
  base_url: string;
  openai_base_url: string;
  embedder: Embedder;
  store: string;
  database?: string;
  /** How traces reach the lake: why they do not, and how many bytes wait. */
  drainer?: { fault: string; backlog: number };
  counts: { traces: number; datasets: number; knowledge_bases: number; keys: number };
}

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  role: Role;
  created_at: string;
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface CreatedKey extends ApiKey {
  key: string;
}

export type TraceStatus = "ok" | "error" | "cancelled" | "interrupted";
export type ScoreKind = "thumbs" | "stars" | "emoji" | "comment" | "number" | "label";
export type SpanKind = "model" | "retrieval" | "tool" | "guard" | "cache" | "other";

export interface Score {
  id: string;
  trace_id: string;
  span_id: string | null;
  name: string;
  kind: ScoreKind;
  value: string | number | boolean | null;
  comment: string | null;
  author: string;
  source: "human" | "code" | "judge";
  created_at: string;
}

export interface NewScore {
  name?: string;
  kind: ScoreKind;
  value: string | number | null;
  comment?: string;
  span_id?: string;
}

export interface Failure {
  code: string;
  message: string;
}

export interface Trace {
  trace_id: string;
  name: string;
  start_time: string;
  duration_ms: number;
  status: TraceStatus;
  error: Failure | null;
  model: string;
  requested_model: string;
  provider: string;
  endpoint: string;
  stream: boolean;
  session_id: string;
  user_id: string;
  input_preview: string;
  output_preview: string;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
  usage_estimated: boolean;
  cost_usd: number | null;
  ttft_ms: number | null;
  span_count: number;
  scores: Score[];
}

export interface Span {
  span_id: string;
  parent_span_id: string | null;
  kind: SpanKind;
  name: string;
  start_time: string;
  duration_ms: number;
  status: TraceStatus;
  error: Failure | null;
  model: string;
  provider: string;
  input: unknown;
  output: unknown;
  usage: Record<string, number | boolean | null> | null;
  cost_usd: number | null;
  ttft_ms: number | null;
  attributes: Record<string, unknown>;
}

export interface TraceDetail {
  trace: Trace;
  spans: Span[];
  scores: Score[];
}

export interface Facet {
  value: string;
  count: number;
}

export interface TraceFacets {
  models: Facet[];
  endpoints: Facet[];
  providers: Facet[];
  statuses: Facet[];
}

export interface Dataset {
  id: string;
  name: string;
  description: string;
  latest_version: number;
  version_count: number;
  row_count: number;
  created_at: string;
  updated_at: string;
}

export interface DatasetVersion {
  version: number;
  row_count: number;
  digest: string;
  source: { kind: string; filter?: Record<string, unknown> };
  created_at: string;
  created_by: string;
  note: string | null;
}

export interface Message {
  role: string;
  content: unknown;
  [key: string]: unknown;
}

export interface DatasetRow {
  id: string;
  trace_id: string | null;
  span_id: string | null;
  messages: Message[];
  output: Message | null;
  labels: { name: string; kind: ScoreKind; value: string | number | boolean | null; comment: string | null; author: string }[];
  comments: string[];
  metadata: Record<string, unknown>;
}

export interface VersionAnswer {
  dataset: Dataset;
  version: DatasetVersion;
  /** `selected` = `rows` + `duplicates` + `skipped` (no messages or no answer). */
  counts: { selected: number; rows: number; duplicates: number; skipped: number };
  sample: DatasetRow[];
}

export interface KnowledgeBase {
  id: string;
  name: string;
  description: string;
  status: "empty" | "building" | "ready" | "failed";
  document_count: number;
  passage_count: number;
  failed_count: number;
  embedder: Embedder | null;
  active_version: number | null;
  recipe: Record<string, unknown>;
  job_id: string | null;
  created_at: string;
  updated_at: string;
}

export interface IndexVersion {
  version: number;
  status: "building" | "ready" | "retired" | "failed";
  embedder: Embedder;
  document_count: number;
  passage_count: number;
  failed_count: number;
  created_at: string;
  finished_at: string | null;
}

export interface KnowledgeBaseDetail extends KnowledgeBase {
  versions: IndexVersion[];
  failures: { document_id: string; source: string; reason: string }[];
}

export interface Document {
  id: string;
  source: string;
  media_type: string;
  bytes: number;
  digest: string;
  status: "stored" | "indexed" | "failed";
  reason: string | null;
  title: string;
  page_count: number | null;
  passage_count: number;
}

export interface Passage {
  id: string;
  ordinal: number;
  heading: string | null;
  page: number | null;
  start: number;
  end: number;
  text: string;
}

export interface DocumentDetail extends Document {
  passages: Passage[];
}

export interface Hit {
  rank: number;
  score: number;
  passage_id: string;
  document_id: string;
  title: string;
  source: string;
  heading: string | null;
  page: number | null;
  text: string;
  start: number;
  end: number;
  dense_rank: number | null;
  text_rank: number | null;
  dense_score: number | null;
  text_score: number | null;
}

export interface SearchAnswer {
  items: Hit[];
  embedder: Embedder;
  took_ms: number;
}

export type JobStatus = "queued" | "running" | "succeeded" | "failed" | "cancelled";

export interface Job {
  id: string;
  kind: string;
  subject: string;
  status: JobStatus;
  progress: {
    done: number;
    total: number | null;
    unit: string;
    rate: number | null;
    eta_s: number | null;
    cost_usd: number | null;
    message: string | null;
  } | null;
  result: unknown;
  /** A problem, as the API answers it for a failed request. */
  error: Record<string, unknown> | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface Citation {
  index: number;
  title: string;
  source: string;
  heading: string | null;
  page: number | null;
  knowledge_base: string;
  document_id: string;
  passage_id: string;
  text: string;
}

export interface EndpointSpec {
  model?: string;
  knowledge_base?: string | { name: string } | null;
}

export interface Endpoint {
  name: string;
  description: string;
  releases: { version: number; spec: EndpointSpec }[];
}

export interface Model {
  id: string;
  owned_by?: string;
  kind?: "chat" | "embedding";
}
