/** Reads messages out of what a span took and gave, whichever of the usual shapes it has. */
import type { Message, Span } from "../../api/types";

type Body = Record<string, unknown>;

const isBody = (value: unknown): value is Body => typeof value === "object" && value !== null && !Array.isArray(value);
const isMessage = (value: unknown): value is Message => isBody(value) && typeof value.role === "string";

/** Text of a message's content: a string, or the text parts of a list, with other parts named in brackets. */
export function contentText(content: unknown): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return JSON.stringify(content, null, 2);
  return content
    .map((part: unknown) => {
      if (typeof part === "string") return part;
      if (isBody(part) && typeof part.text === "string") return part.text;
      return isBody(part) ? `[${String(part.type ?? "part")}]` : "";
    })
    .filter(Boolean)
    .join("\n");
}

export function inputMessages(input: unknown): Message[] {
  if (typeof input === "string") return input ? [{ role: "user", content: input }] : [];
  const list = isBody(input) ? (input.messages ?? input.input) : input;
  if (typeof list === "string") return [{ role: "user", content: list }];
  return Array.isArray(list) ? list.filter(isMessage) : [];
}

export function outputMessages(output: unknown): Message[] {
  if (typeof output === "string") return output ? [{ role: "assistant", content: output }] : [];
  if (Array.isArray(output)) return output.filter(isMessage);
  if (!isBody(output)) return [];
  if (Array.isArray(output.choices)) return output.choices.map((choice: unknown) => (isBody(choice) ? (choice.message ?? choice.delta) : undefined)).filter(isMessage);
  if (isMessage(output)) return [output];
  if (isMessage(output.message)) return [output.message];
  return typeof output.content === "string" ? [{ role: "assistant", content: output.content }] : [];
}

export interface Replay {
  model: string;
  system: string;
  messages: Message[];
  parameters: Record<string, number>;
}

const PARAMETERS = ["temperature", "top_p", "max_tokens", "max_completion_tokens", "seed"];

/** What the playground needs to send a recorded request again. */
export function replayOf(spans: readonly Span[], requestedModel: string): Replay {
  const root = spans.find((span) => span.parent_span_id === null || span.parent_span_id === "") ?? spans[0];
  const all = inputMessages(root?.input);
  const body = isBody(root?.input) ? root.input : {};
  const parameters: Record<string, number> = {};
  for (const key of PARAMETERS) {
    const value = body[key];
    if (typeof value === "number") parameters[key === "max_completion_tokens" ? "max_tokens" : key] = value;
  }
  return {
    model: typeof body.model === "string" ? body.model : requestedModel,
    system: all.filter((message) => message.role === "system").map((message) => contentText(message.content)).join("\n\n"),
    messages: all.filter((message) => message.role !== "system"),
    parameters,
  };
}
