import { describe, expect, it } from "vitest";
import { createSseParser, readEvents } from "./sse";

describe("createSseParser", () => {
  it("gives back events only when they are complete", () => {
    const parse = createSseParser();
    expect(parse("data: one\n")).toEqual([]);
    expect(parse("\n")).toEqual([{ event: "message", data: "one", id: "" }]);
  });

  it("joins data lines, keeps the event name for one event and the id for all after it", () => {
    const parse = createSseParser();
    const events = parse("id: 7\nevent: trace\ndata: a\ndata: b\n\ndata: c\n\n");
    expect(events).toEqual([
      { event: "trace", data: "a\nb", id: "7" },
      { event: "message", data: "c", id: "7" },
    ]);
  });

  it("ignores comments and events without data", () => {
    const parse = createSseParser();
    expect(parse(": keep-alive\n\nevent: ping\n\ndata: x\n\n")).toEqual([{ event: "message", data: "x", id: "" }]);
  });

  it("takes one space after the colon, no more", () => {
    expect(createSseParser()("data:  two\n\n")[0]?.data).toBe(" two");
  });

  it("gives the same events wherever the stream is cut", () => {
    const stream = 'event: trace\r\ndata: {"a": "ü"}\r\n\r\n: hi\r\ndata: [DONE]\r\n\r\n';
    const whole = createSseParser()(stream);
    expect(whole.map((event) => event.data)).toEqual(['{"a": "ü"}', "[DONE]"]);
    for (let cut = 1; cut < stream.length; cut += 1) {
      const parse = createSseParser();
      expect([...parse(stream.slice(0, cut)), ...parse(stream.slice(cut))]).toEqual(whole);
    }
  });
});

describe("readEvents", () => {
  it("decodes characters that arrive in halves, and an end without a blank line", async () => {
    const bytes = new TextEncoder().encode("data: ñ\n\ndata: last");
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const seen: string[] = [];
    for await (const event of readEvents(body)) seen.push(event.data);
    expect(seen).toEqual(["ñ", "last"]);
  });
});
