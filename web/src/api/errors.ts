/** What went wrong in a request, in the three parts every error of ours has. */

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly param: string;
  readonly requestId: string;

  constructor(parts: { status: number; code: string; message: string; hint?: string; param?: string; requestId?: string }) {
    super(parts.message);
    this.name = "ApiError";
    this.status = parts.status;
    this.code = parts.code;
    this.hint = parts.hint ?? "";
    this.param = parts.param ?? "";
    this.requestId = parts.requestId ?? "";
  }
}

type Body = Record<string, unknown>;

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** Reads problem+json, OpenAI's `{error}` and anything else a proxy may answer. */
export function parseProblem(status: number, body: unknown, requestId = ""): ApiError {
  const outer: Body = typeof body === "object" && body !== null ? (body as Body) : {};
  const inner: Body = typeof outer.error === "object" && outer.error !== null ? (outer.error as Body) : outer;
  return new ApiError({
    status,
    code: text(inner.code) || text(inner.type) || (status ? `http_${status}` : "failed"),
    message: text(inner.detail) || text(inner.message) || text(inner.title) || text(body) || `HTTP ${status}`,
    hint: text(inner.hint),
    param: text(inner.param),
    requestId: text(inner.request_id) || requestId,
  });
}

/** Any thrown value as an ApiError, so that one component can show them all. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError({ status: 0, code: "client", message });
}
