import { expect, it } from "vitest";
import { foldChunk, NO_ANSWER } from "./stream";

const citation = { title: "T", source: "s.md", heading: null, page: null, knowledge_base: "kb", document_id: "d", passage_id: "p", text: "…" };

it("adds up text, then takes citations, usage and the end from the last chunks", () => {
  const chunks = [
    { choices: [{ delta: { content: "See " } }] },
    { choices: [{ delta: { content: "[1]" } }] },
    { choices: [{ delta: { annotations: [{ type: "file_citation", index: 1, ...citation }] }, finish_reason: "stop" }] },
    { choices: [], usage: { prompt_tokens: 5, completion_tokens: 2 } },
  ];
  expect(chunks.reduce(foldChunk, NO_ANSWER)).toMatchObject({ text: "See [1]", finish: "stop", inputTokens: 5, outputTokens: 2, citations: [{ index: 1, passage_id: "p" }] });
});

it("reads an answer that came whole, and counts citations that carry no number", () => {
  const answer = foldChunk(NO_ANSWER, { choices: [{ message: { content: "ok" }, finish_reason: "stop" }], citations: [{ ...citation, index: undefined as unknown as number }] });
  expect(answer).toMatchObject({ text: "ok", citations: [{ index: 1 }] });
});

it("skips annotations that are no passages", () => {
  expect(foldChunk(NO_ANSWER, { choices: [{ delta: { annotations: [{ type: "url_citation" }, null] } }] }).citations).toEqual([]);
});
