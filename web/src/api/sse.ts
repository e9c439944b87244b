/** Server-sent events over fetch: EventSource cannot POST, and chat answers stream from a POST. */

export interface ServerEvent {
  event: string;
  data: string;
  id: string;
}

/** Feed it text in any pieces; it gives back the events that are complete. */
export function createSseParser(): (chunk: string) => ServerEvent[] {
  let buffer = "";
  let event = "";
  let id = "";
  let data: string[] = [];

  function field(line: string): void {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const raw = colon === -1 ? "" : line.slice(colon + 1);
    const value = raw.startsWith(" ") ? raw.slice(1) : raw;
    if (name === "data") data.push(value);
    else if (name === "event") event = value;
    else if (name === "id") id = value;
  }

  return (chunk) => {
    buffer += chunk;
    const done: ServerEvent[] = [];
    // A lone CR at the end may be the first half of CRLF: keep it for the next piece.
    const lines = buffer.split(/\r\n|\n|\r(?!$)/);
    buffer = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") {
        field(line);
        continue;
      }
      if (data.length > 0) done.push({ event: event || "message", data: data.join("\n"), id });
      event = "";
      data = [];
    }
    return done;
  };
}

export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const parse = createSseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      yield* parse(decoder.decode(value, { stream: true }));
    }
    yield* parse("\n\n");
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
