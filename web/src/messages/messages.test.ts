import { describe, expect, it } from "vitest";
import { fill } from ".";
import { en } from "./en";
import { es } from "./es";

describe("fill", () => {
  it("puts values in, and picks by number", () => {
    const message = "{n} {n|trace|traces} of {name}";
    expect(fill(message, { n: 1, name: "x" })).toBe("1 trace of x");
    expect(fill(message, { n: "1\u202f000", name: "x" })).toBe("1\u202f000 traces of x");
    expect(fill(message, { n: 0, name: "x" })).toBe("0 traces of x");
  });

  it("leaves a place without a value as it is", () => {
    expect(fill("{n} rows")).toBe("{n} rows");
  });
});

it("has the same places to fill in every language", () => {
  const places = (message: string) => [...new Set([...message.matchAll(/\{(\w+)/g)].map((match) => match[1]))].sort();
  for (const key of Object.keys(en) as (keyof typeof en)[]) expect([key, places(es[key])]).toEqual([key, places(en[key])]);
});

it("leaves no message empty", () => {
  for (const messages of [en, es]) expect(Object.values(messages).filter((message) => message.trim() === "")).toEqual([]);
});
