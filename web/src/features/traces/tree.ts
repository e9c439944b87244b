/** Spans as a tree in the order they began, and their place on the time axis. */
import type { Span } from "../../api/types";

export interface TreeRow {
  span: Span;
  depth: number;
  childCount: number;
  /** Shares of the whole, 0 to 1. */
  offset: number;
  width: number;
}

const startMs = (span: Span): number => Date.parse(span.start_time);

function childrenByParent(spans: readonly Span[]): Map<string, Span[]> {
  const ids = new Set(spans.map((span) => span.span_id));
  const groups = new Map<string, Span[]>();
  for (const span of spans) {
    // A span whose parent never arrived hangs under the root, so that it can be seen at all.
    const parent = span.parent_span_id && ids.has(span.parent_span_id) && span.parent_span_id !== span.span_id ? span.parent_span_id : "";
    const group = groups.get(parent);
    if (group) group.push(span);
    else groups.set(parent, [span]);
  }
  for (const group of groups.values()) group.sort((a, b) => startMs(a) - startMs(b));
  return groups;
}

/** The visible rows, depth first, without what lies under a collapsed span. Iterative: a trace may be very deep. */
export function treeRows(spans: readonly Span[], collapsed: ReadonlySet<string>): TreeRow[] {
  const groups = childrenByParent(spans);
  const begin = spans.reduce((least, span) => Math.min(least, startMs(span)), Number.POSITIVE_INFINITY);
  const end = spans.reduce((most, span) => Math.max(most, startMs(span) + span.duration_ms), 0);
  const whole = Math.max(end - begin, 0.001);
  const rows: TreeRow[] = [];
  const stack = [...(groups.get("") ?? [])].reverse().map((span) => ({ span, depth: 0 }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { span, depth } = next;
    const children = groups.get(span.span_id) ?? [];
    rows.push({ span, depth, childCount: children.length, offset: (startMs(span) - begin) / whole, width: span.duration_ms / whole });
    if (collapsed.has(span.span_id)) continue;
    for (let index = children.length - 1; index >= 0; index -= 1) {
      const child = children[index];
      if (child) stack.push({ span: child, depth: depth + 1 });
    }
  }
  return rows;
}
