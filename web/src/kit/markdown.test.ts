import { describe, expect, it } from "vitest";
import { citedIn, splitBlocks, splitInline } from "./markdown";

const known = new Set([1, 2, 3]);

describe("splitInline", () => {
  it("turns known markers into citations and leaves unknown ones as text", () => {
    expect(splitInline("a [1] b [9].", known)).toEqual([
      { kind: "text", text: "a " },
      { kind: "cite", index: 1 },
      { kind: "text", text: " b [9]." },
    ]);
  });

  it("splits a group of markers, and keeps a group with one unknown as text", () => {
    expect(splitInline("x[1, 3]", known)).toEqual([
      { kind: "text", text: "x" },
      { kind: "cite", index: 1 },
      { kind: "cite", index: 3 },
    ]);
    expect(splitInline("x[1, 7]", known)).toEqual([{ kind: "text", text: "x[1, 7]" }]);
  });

  it("finds nothing inside code", () => {
    expect(splitInline("`list[1]` **[2]**", known)).toEqual([
      { kind: "code", text: "list[1]" },
      { kind: "text", text: " " },
      { kind: "strong", text: "[2]" },
    ]);
  });

  it("links to http only", () => {
    expect(splitInline("[a](https://x.org/y)", known)).toEqual([{ kind: "link", text: "a", href: "https://x.org/y" }]);
    expect(splitInline("[a](javascript:alert(1))", known)).toEqual([{ kind: "text", text: "[a](javascript:alert(1))" }]);
  });

  it("never loses a character", () => {
    const source = "a [1]`c`**d** [x](https://y.z) [99] <b>&amp;";
    const back = splitInline(source, known).map((part) => ({ text: "text" in part ? part.text : "", cite: part.kind === "cite" ? `[${part.index}]` : "" }));
    expect(back.map((part) => part.cite || part.text).join("")).toBe("a [1]cd x [99] <b>&amp;");
  });
});

it("tells which passages an answer points at", () => {
  expect([...citedIn("# a [3]\n\nb [1]\n\n- c [1, 2]\n\n```\n[4]\n```\n`[4]` [9]", [1, 2, 3, 4])].sort()).toEqual([1, 2, 3]);
});

describe("splitBlocks", () => {
  it("reads paragraphs, headings, lists and code", () => {
    const blocks = splitBlocks("# T\n\none\ntwo\n\n- a\n- b\n\n3. c\n4. d\n\n```py\nx = [1]\n\ny\n```\nend", known);
    expect(blocks.map((block) => block.kind)).toEqual(["heading", "paragraph", "list", "list", "code", "paragraph"]);
    expect(blocks[1]).toMatchObject({ lines: [[{ text: "one" }], [{ text: "two" }]] });
    expect(blocks[3]).toMatchObject({ ordered: true, start: 3 });
    expect(blocks[4]).toEqual({ kind: "code", language: "py", text: "x = [1]\n\ny" });
  });

  it("shows code that is still streaming, before its closing fence", () => {
    expect(splitBlocks("```\nhalf")).toEqual([{ kind: "code", language: "", text: "half" }]);
  });

  it("keeps markup as text", () => {
    expect(splitBlocks("<script>alert(1)</script>")).toEqual([{ kind: "paragraph", lines: [[{ kind: "text", text: "<script>alert(1)</script>" }]] }]);
  });
});
