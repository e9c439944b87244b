import { expect, it } from "vitest";
import type { Span } from "../../api/types";
import { treeRows } from "./tree";

const span = (span_id: string, parent_span_id: string | null, startMs: number, duration_ms: number): Span => ({ span_id, parent_span_id, duration_ms, start_time: new Date(startMs).toISOString() }) as Span;

it("orders spans by depth and by when they began, with their place on the axis", () => {
  const rows = treeRows([span("late", "root", 60, 40), span("root", null, 0, 100), span("early", "root", 10, 20), span("leaf", "early", 15, 5)], new Set());
  expect(rows.map((row) => [row.span.span_id, row.depth])).toEqual([
    ["root", 0],
    ["early", 1],
    ["leaf", 2],
    ["late", 1],
  ]);
  expect(rows[3]).toMatchObject({ offset: 0.6, width: 0.4 });
});

it("leaves out what lies under a folded span", () => {
  const spans = [span("root", null, 0, 10), span("a", "root", 1, 1), span("b", "a", 2, 1)];
  expect(treeRows(spans, new Set(["a"])).map((row) => row.span.span_id)).toEqual(["root", "a"]);
});

it("shows spans whose parent never arrived", () => {
  expect(treeRows([span("orphan", "gone", 0, 1), span("self", "self", 1, 1)], new Set())).toHaveLength(2);
});

it("stays quick on five thousand nested spans", () => {
  const spans = Array.from({ length: 5000 }, (_, index) => span(`s${index}`, index === 0 ? null : `s${index - 1}`, index, 1));
  expect(treeRows(spans, new Set())).toHaveLength(5000);
});
