/** One chat request: sends it, and folds the events of its answer into what is known so far. */
import { send } from "../../api/client";
import { parseProblem } from "../../api/errors";
import { readEvents } from "../../api/sse";
import type { Citation } from "../../api/types";

export interface ChatBody {
  model: string;
  messages: { role: string; content: unknown }[];
  [parameter: string]: unknown;
}

export interface Answer {
  text: string;
  traceId: string;
  citations: Citation[];
  finish: string;
  inputTokens: number | null;
  outputTokens: number | null;
}

export const NO_ANSWER: Answer = { text: "", traceId: "", citations: [], finish: "", inputTokens: null, outputTokens: null };

interface Chunk {
  choices?: { delta?: { content?: unknown; annotations?: unknown }; message?: { content?: unknown; annotations?: unknown }; finish_reason?: string | null }[];
  citations?: Citation[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: unknown;
}

const isCitation = (value: unknown): value is Citation => typeof value === "object" && value !== null && "passage_id" in value && "document_id" in value;

/** Citations come at the top of a chunk, or as annotations of its delta; without an index they count from one. */
function citationsOf(chunk: Chunk): Citation[] {
  const part = chunk.choices?.[0]?.delta ?? chunk.choices?.[0]?.message;
  const annotations = Array.isArray(part?.annotations) ? (part.annotations as unknown[]) : [];
  const found = (chunk.citations ?? annotations).filter(isCitation);
  return found.map((citation, position) => ({ ...citation, index: citation.index ?? position + 1 }));
}

export function foldChunk(answer: Answer, chunk: Chunk): Answer {
  const choice = chunk.choices?.[0];
  const part = choice?.delta ?? choice?.message;
  const citations = citationsOf(chunk);
  return {
    ...answer,
    text: answer.text + (typeof part?.content === "string" ? part.content : ""),
    citations: citations.length > 0 ? citations : answer.citations,
    finish: choice?.finish_reason ?? answer.finish,
    inputTokens: chunk.usage?.prompt_tokens ?? answer.inputTokens,
    outputTokens: chunk.usage?.completion_tokens ?? answer.outputTokens,
  };
}

/** The turns of one conversation share a session. Calls back with the whole answer so far; throws ApiError for a refusal, also for one in the middle of the stream. */
export async function streamChat(body: ChatBody, sessionId: string, signal: AbortSignal, onAnswer: (answer: Answer) => void): Promise<void> {
  const response = await send("POST", "/v1/chat/completions", { body: { ...body, stream: true, stream_options: { include_usage: true } }, headers: { "x-session-id": sessionId }, signal });
  const requestId = response.headers.get("x-request-id") ?? "";
  let answer: Answer = { ...NO_ANSWER, traceId: response.headers.get("x-loopwright-trace-id") ?? "" };
  onAnswer(answer);
  if (!(response.headers.get("content-type") ?? "").includes("event-stream") || !response.body) {
    onAnswer(foldChunk(answer, (await response.json()) as Chunk));
    return;
  }
  for await (const event of readEvents(response.body)) {
    if (event.data === "[DONE]") continue;
    const chunk = JSON.parse(event.data) as Chunk;
    if (chunk.error) throw parseProblem(response.status, chunk, requestId);
    answer = foldChunk(answer, chunk);
    onAnswer(answer);
  }
}
