import { describe, expect, it } from "vitest";
import { ago, bytes, cost, count, dollars, duration, millis, shortId } from "./format";

describe("numbers", () => {
  it("groups thousands with a narrow space", () => {
    expect(count(0)).toBe("0");
    expect(count(999)).toBe("999");
    expect(count(1234567)).toBe("1\u202f234\u202f567");
    expect(count(-1234)).toBe("-1\u202f234");
  });

  it("shows durations in the unit that keeps three digits", () => {
    expect([0, 0.25, 4.2, 812.4, 1500, 42_000, 61_000, 3_700_000].map(duration)).toEqual(["0", "0.25 ms", "4.2 ms", "812 ms", "1.50 s", "42.0 s", "1 min 1 s", "1 h 1 min"]);
    expect(duration(null)).toBe("–");
    expect(millis(9.94)).toBe("9.9");
    expect(millis(9940)).toBe("9\u202f940");
  });

  it("never rounds a small cost to nothing", () => {
    expect([null, 0, 0.0000004, 0.00123, 0.5, 12.5, 1234.567].map(cost)).toEqual(["–", "$0", "<$0.000001", "$0.001230", "$0.5000", "$12.50", "$1\u202f234.57"]);
    expect(cost(1.999)).toBe("$2.00");
    expect(dollars(0.00123)).toBe("0.001230");
  });

  it("shows sizes in powers of ten", () => {
    expect([0, 999, 1500, 40_000, 2_500_000, 3_000_000_000].map(bytes)).toEqual(["0 B", "999 B", "1.5 kB", "40 kB", "2.5 MB", "3.0 GB"]);
  });
});

it("shortens ids in the middle, and only long ones", () => {
  expect(shortId("abc")).toBe("abc");
  expect(shortId("0123456789abcdef")).toBe("0123…cdef");
});

it("counts back in the largest whole unit, and never into the future", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  expect(ago("2026-01-01T23:59:30Z", now)).toEqual({ unit: "second", value: 30 });
  expect(ago("2026-01-01T22:00:00Z", now)).toEqual({ unit: "hour", value: 2 });
  expect(ago("2025-01-01T00:00:00Z", now)).toEqual({ unit: "year", value: 1 });
  expect(ago("2026-01-03T00:00:00Z", now)).toEqual({ unit: "second", value: 0 });
});
