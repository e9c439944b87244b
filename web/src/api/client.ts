/** The one place that talks HTTP: adds the CSRF header, reads problems, and reports a lost session. */
import { ApiError, parseProblem } from "./errors";

export type Query = Record<string, string | number | boolean | undefined | null>;

interface Options {
  body?: unknown;
  query?: Query;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

let csrf = "";
let onSignedOut: () => void = () => undefined;

export function setCsrf(token: string): void {
  csrf = token;
}

export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

export function withQuery(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") params.set(key, String(value));
  }
  const encoded = params.toString();
  return encoded ? `${path}?${encoded}` : path;
}

async function readProblem(response: Response): Promise<ApiError> {
  const raw = await response.text();
  let body: unknown = raw.slice(0, 500);
  try {
    body = JSON.parse(raw);
  } catch {
    // A proxy's HTML page or plain text: its first characters are the best message there is.
  }
  return parseProblem(response.status, body, response.headers.get("x-request-id") ?? "");
}

/** A fetch that throws ApiError for every answer outside 2xx and for no answer at all. */
export async function send(method: string, path: string, options: Options = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  const form = options.body instanceof FormData;
  if (method !== "GET") headers.set("x-loopwright-csrf", csrf);
  if (options.body !== undefined && !form) headers.set("content-type", "application/json");
  let response: Response;
  try {
    response = await fetch(withQuery(path, options.query), {
      method,
      headers,
      body: form ? (options.body as FormData) : options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError({ status: 0, code: "unreachable", message: `${method} ${path}` });
  }
  if (response.ok) return response;
  if (response.status === 401 && path !== "/api/session") onSignedOut();
  throw await readProblem(response);
}

export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return (await (await send("GET", path, { query, signal })).json()) as T;
}

export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  const response = await send("POST", path, { body });
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export async function remove(path: string): Promise<void> {
  await send("DELETE", path);
}

export const segment = (value: string): string => encodeURIComponent(value);
