/** The one table: rows are links, only the visible ones exist, columns step aside where the window is narrow. */
import { createSortedRowModel, rowSortingFeature, tableFeatures, useTable, type ColumnDef, type SortingState } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, type MouseEvent, type ReactNode } from "react";
import { useAppearance } from "../shell/appearance";
import { Icon } from "./Icon";
import { useWidth, type Width } from "./useMedia";

export interface Column<T> {
  id: string;
  header: ReactNode;
  cell: (row: T) => ReactNode;
  /** A grid track: "120px", "minmax(160px, 1fr)". */
  width: string;
  align?: "end";
  /** The narrowest window that still shows it. */
  from?: Width;
  /** Makes the header a sort button. */
  sortBy?: (row: T) => string | number;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  rowId: (row: T) => string;
  /** Where the row leads as a link; without it rows are plain. */
  href?: (row: T) => string;
  /** What a plain click does instead of following the link. */
  onOpen?: (row: T) => void;
  activeId?: string;
  /** "-cost" sorts by the column `cost`, largest first. */
  sort?: string;
  onSort?: (sort: string) => void;
  onEnd?: () => void;
  /** Grows with its rows instead of filling the page. */
  fit?: boolean;
}

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() });
const RANK: Record<Width, number> = { narrow: 0, medium: 1, wide: 2 };

const plainClick = (event: MouseEvent) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;

function sortingOf(sort: string | undefined): SortingState {
  if (!sort) return [];
  return [{ id: sort.replace(/^-/, ""), desc: sort.startsWith("-") }];
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

function definitionOf<T extends object>({ id, sortBy }: Column<T>): ColumnDef<typeof features, T> {
  if (!sortBy) return { id, enableSorting: false };
  return { id, accessorFn: sortBy, sortFn: (a, b) => compare(sortBy(a.original), sortBy(b.original)) };
}

export function DataTable<T extends object>(props: Props<T>) {
  const { label, rows, columns, rowId, href, onOpen, activeId, sort, onSort, onEnd, fit = false } = props;
  const width = useWidth();
  const { density } = useAppearance();
  const rowHeight = density === "compact" ? 26 : 32;
  const shown = useMemo(() => columns.filter((column) => RANK[column.from ?? "narrow"] <= RANK[width]), [columns, width]);
  const definitions = useMemo(() => shown.map(definitionOf), [shown]);
  const sorting = useMemo(() => sortingOf(sort), [sort]);
  const table = useTable({ features, data: rows as T[], columns: definitions, state: { sorting }, getRowId: (row: T) => rowId(row) });
  const sorted = table.getRowModel().rows;

  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: sorted.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 12 });
  useEffect(() => virtual.measure(), [rowHeight, virtual]);
  const activeIndex = activeId === undefined ? -1 : sorted.findIndex((row) => row.id === activeId);
  useEffect(() => {
    if (activeIndex >= 0) virtual.scrollToIndex(activeIndex, { align: "auto" });
  }, [activeIndex, virtual]);
  const items = virtual.getVirtualItems();
  const last = items[items.length - 1]?.index ?? 0;
  useEffect(() => {
    if (onEnd && sorted.length > 0 && last >= sorted.length - 20) onEnd();
  }, [last, sorted.length, onEnd]);

  const template = shown.map((column) => column.width).join(" ");
  return (
    <div className="table" role="table" aria-label={label} aria-rowcount={sorted.length + 1} data-fit={fit || undefined} ref={scroller} tabIndex={0}>
      <div role="rowgroup" className="table-head">
        <div role="row" className="table-row" style={{ gridTemplateColumns: template }} aria-rowindex={1}>
          {shown.map((column) => (
            <HeaderCell key={column.id} column={column} sort={sort} onSort={onSort} />
          ))}
        </div>
      </div>
      <div role="rowgroup" className="table-body" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = sorted[item.index];
          if (!row) return null;
          const original = row.original;
          return (
            <div role="row" key={row.id} className="table-row" aria-rowindex={item.index + 2} data-active={row.id === activeId || undefined} aria-current={row.id === activeId || undefined} style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)`, height: rowHeight }}>
              {shown.map((column, index) => (
                <div role="cell" key={column.id} className="cell" data-align={column.align}>
                  {index === 0 && href ? (
                    <a
                      className="row-link"
                      href={href(original)}
                      onClick={(event) => {
                        if (!onOpen || !plainClick(event)) return;
                        event.preventDefault();
                        onOpen(original);
                      }}
                    >
                      {column.cell(original)}
                    </a>
                  ) : (
                    column.cell(original)
                  )}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function HeaderCell<T>({ column, sort, onSort }: { column: Column<T>; sort?: string; onSort?: (sort: string) => void }) {
  const current = sort?.replace(/^-/, "") === column.id;
  const descending = current && sort?.startsWith("-");
  const order = !current ? "none" : descending ? "descending" : "ascending";
  if (!onSort || !column.sortBy)
    return (
      <div role="columnheader" className="cell" data-align={column.align}>
        {column.header}
      </div>
    );
  return (
    <div role="columnheader" className="cell" data-align={column.align} aria-sort={order}>
      <button type="button" className="sort" onClick={() => onSort(current && descending ? column.id : `-${column.id}`)}>
        {column.header}
        {current && <Icon name={descending ? "down" : "up"} />}
      </button>
    </div>
  );
}
