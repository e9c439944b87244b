import { expect, it } from "vitest";
import { nameOf } from "./hotkeys";

const press = (key: string, more: Partial<KeyboardEvent> = {}) => ({ key, ctrlKey: false, metaKey: false, ...more }) as KeyboardEvent;

it("names single keys, sequences and Ctrl or Cmd", () => {
  expect(nameOf(press("J"))).toBe("j");
  expect(nameOf(press("?"))).toBe("?");
  expect(nameOf(press("Escape"))).toBe("Escape");
  expect(nameOf(press("t"), "g")).toBe("g t");
  expect(nameOf(press("k", { metaKey: true }))).toBe("mod+k");
  expect(nameOf(press("K", { ctrlKey: true }), "g")).toBe("mod+k");
});
