import { describe, expect, it } from "vitest";
import type { Span } from "../../api/types";
import { contentText, inputMessages, outputMessages, replayOf } from "./conversation";

describe("messages of a span", () => {
  it("reads chat requests, plain text and lists", () => {
    expect(inputMessages({ messages: [{ role: "user", content: "hi" }, "odd"] })).toEqual([{ role: "user", content: "hi" }]);
    expect(inputMessages("hi")).toEqual([{ role: "user", content: "hi" }]);
    expect(inputMessages({ input: "embed me" })).toEqual([{ role: "user", content: "embed me" }]);
    expect(inputMessages({ query: "x" })).toEqual([]);
    expect(inputMessages(null)).toEqual([]);
  });

  it("reads completions, messages and plain text", () => {
    expect(outputMessages({ choices: [{ message: { role: "assistant", content: "yes" } }] })).toEqual([{ role: "assistant", content: "yes" }]);
    expect(outputMessages({ role: "assistant", content: "yes" })).toEqual([{ role: "assistant", content: "yes" }]);
    expect(outputMessages({ content: "yes" })).toEqual([{ role: "assistant", content: "yes" }]);
    expect(outputMessages("yes")).toEqual([{ role: "assistant", content: "yes" }]);
    expect(outputMessages({ choices: [{}] })).toEqual([]);
  });

  it("shows the text of parts and names the others", () => {
    expect(contentText([{ type: "text", text: "look" }, { type: "image_url", image_url: {} }])).toBe("look\n[image_url]");
    expect(contentText(null)).toBe("");
  });
});

it("fills the playground from the root span", () => {
  const root = { parent_span_id: null, input: { model: "m", temperature: 0, max_completion_tokens: 9, messages: [{ role: "system", content: "be kind" }, { role: "user", content: "hi" }] } } as unknown as Span;
  const child = { parent_span_id: "x", input: { messages: [] } } as unknown as Span;
  expect(replayOf([child, root], "other")).toEqual({ model: "m", system: "be kind", messages: [{ role: "user", content: "hi" }], parameters: { temperature: 0, max_tokens: 9 } });
  expect(replayOf([], "other")).toMatchObject({ model: "other", messages: [] });
});
