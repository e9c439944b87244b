/** Tree and waterfall in step: one row holds a span's place in the tree and its bar on the time axis. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import type { Span } from "../../api/types";
import { duration } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { useNamed, useText } from "../../messages";
import { useHotkeys } from "../../shell/hotkeys";
import { treeRows, type TreeRow } from "./tree";

interface Props {
  spans: readonly Span[];
  selected: string;
  hrefOf: (span: Span) => string;
  onSelect?: (span: Span) => void;
}

const ROW = 28;
const TICKS = [0, 0.25, 0.5, 0.75];

function useCollapsed(spans: readonly Span[]) {
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const toggle = (id: string, closed?: boolean) =>
    setCollapsed((before) => {
      const next = new Set(before);
      if (closed ?? !next.has(id)) next.add(id);
      else next.delete(id);
      return next;
    });
  const toggleAll = () => setCollapsed((before) => (before.size > 0 ? new Set() : new Set(spans.map((span) => span.parent_span_id).filter((id): id is string => !!id))));
  return { collapsed, toggle, toggleAll };
}

export function Waterfall({ spans, selected, hrefOf, onSelect }: Props) {
  const text = useText();
  const { collapsed, toggle, toggleAll } = useCollapsed(spans);
  const rows = useMemo(() => treeRows(spans, collapsed), [spans, collapsed]);
  const whole = useMemo(() => rows.reduce((most, row) => Math.max(most, row.width > 0 ? row.span.duration_ms / row.width : 0), 0), [rows]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 10 });
  const at = rows.findIndex((row) => row.span.span_id === selected);
  useEffect(() => {
    if (at >= 0 && rows.length > 20) virtual.scrollToIndex(at, { align: "auto" });
  }, [at, rows.length, virtual]);
  useHotkeys(onSelect ? { e: toggleAll } : {});

  const move = (by: number) => {
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
    if (next) onSelect?.(next.span);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[at];
    const actions: Record<string, () => void> = {
      ArrowDown: () => move(1),
      ArrowUp: () => move(-1),
      ArrowRight: () => row && toggle(row.span.span_id, false),
      ArrowLeft: () => row && toggle(row.span.span_id, true),
    };
    const action = onSelect ? actions[event.key] : undefined;
    if (!action) return;
    event.preventDefault();
    action();
  };
  return (
    <section className="waterfall" aria-label={text("waterfall.label")}>
      <div className="waterfall-axis" aria-hidden="true">
        <span />
        <span className="axis-ticks">
          {TICKS.map((tick) => (
            <span key={tick} style={{ left: `${tick * 100}%` }}>
              {duration(whole * tick)}
            </span>
          ))}
        </span>
        <span className="num">{duration(whole)}</span>
      </div>
      <div className="waterfall-rows" role="tree" aria-label={text("waterfall.label")} ref={scroller} tabIndex={0} onKeyDown={onKeyDown}>
        <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            return row ? <SpanRow key={row.span.span_id} row={row} top={item.start} selected={row.span.span_id === selected} collapsed={collapsed.has(row.span.span_id)} onToggle={() => toggle(row.span.span_id)} href={hrefOf(row.span)} onSelect={onSelect} /> : null;
          })}
        </div>
      </div>
    </section>
  );
}

interface RowProps {
  row: TreeRow;
  top: number;
  selected: boolean;
  collapsed: boolean;
  onToggle: () => void;
  href: string;
  onSelect?: (span: Span) => void;
}

function SpanRow({ row, top, selected, collapsed, onToggle, href, onSelect }: RowProps) {
  const text = useText();
  const named = useNamed();
  const { span, depth, childCount } = row;
  const failed = span.status === "error";
  return (
    <div role="treeitem" className="span-row" data-kind={span.kind} data-selected={selected || undefined} data-failed={failed || undefined} aria-level={depth + 1} aria-selected={selected} aria-expanded={childCount > 0 ? !collapsed : undefined} style={{ transform: `translateY(${top}px)`, height: ROW }}>
      <span className="span-name" style={{ paddingInlineStart: Math.min(depth, 12) * 16 }}>
        {childCount > 0 ? (
          <button type="button" className="twist" data-open={!collapsed || undefined} aria-label={text(collapsed ? "waterfall.expand" : "waterfall.collapse", { name: span.name })} onClick={onToggle}>
            <Icon name="chevron" />
          </button>
        ) : (
          <span className="twist" />
        )}
        <span className="kind-mark" title={named("kind", span.kind)} />
        <a
          className="row-link ellipsis"
          href={href}
          title={`${named("kind", span.kind)} · ${span.name}`}
          onClick={(event) => {
            if (!onSelect || event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            onSelect(span);
          }}
        >
          {span.name}
        </a>
        {failed && (
          <span className="bad">
            <Icon name="warn" />
            <span className="sr-only">{named("status", "error")}</span>
          </span>
        )}
      </span>
      <span className="span-lane">
        <span className="span-bar" style={{ left: `${row.offset * 100}%`, width: `max(2px, ${row.width * 100}%)` }} />
      </span>
      <span className="span-time num">{duration(span.duration_ms)}</span>
    </div>
  );
}
