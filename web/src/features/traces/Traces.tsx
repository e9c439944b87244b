/** The list of traces: filter, live pill, peek with J/K, and the way from a filter to a dataset. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { tracesQuery } from "../../api/queries";
import type { Trace } from "../../api/types";
import { DataTable } from "../../kit/DataTable";
import { ErrorNote } from "../../kit/ErrorNote";
import { count } from "../../kit/format";
import { Button, Empty, Loading, PageHeader, useTitle } from "../../kit/parts";
import { useText } from "../../messages";
import { useAppearance } from "../../shell/appearance";
import { useHotkeys, useListKeys } from "../../shell/hotkeys";
import { copyLink } from "../../shell/notice";
import { MakeDataset } from "../datasets/MakeDataset";
import { RequestSnippets } from "../session/useSnippets";
import { traceColumns } from "./columns";
import { FilterBar } from "./FilterBar";
import { isFiltered, toQuery, type TraceFilter } from "./filter";
import { PeekTrace } from "./PeekTrace";
import { useLiveTraces } from "./useLiveTraces";

const route = getRouteApi("/traces");
const NONE: readonly Trace[] = [];

function useFilteredTraces(filter: TraceFilter) {
  const key = JSON.stringify(filter);
  // A range counts back from when it was chosen: a query that moved with the clock would never be cached.
  const query = useMemo(() => toQuery(JSON.parse(key) as TraceFilter, Date.now()), [key]);
  const list = useInfiniteQuery(tracesQuery(query));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? NONE, [list.data]);
  return { list, rows, query };
}

export function Traces() {
  const text = useText();
  const navigate = useNavigate();
  const { peek, ...filter } = route.useSearch();
  const { list, rows, query } = useFilteredTraces(filter);
  const [cursor, setCursor] = useState<string | undefined>();
  const [making, setMaking] = useState(false);
  const known = useMemo(() => new Set(rows.map((trace) => trace.trace_id)), [rows]);
  const live = useLiveTraces(filter, (id) => known.has(id), list.isSuccess && rows.length === 0);
  const { times } = useAppearance();
  const columns = useMemo(() => traceColumns(text, times === "absolute" ? "136px" : "88px"), [text, times]);
  useTitle(text("nav.traces"));

  const setPeek = (id: string | undefined) => void navigate({ to: "/traces", search: { ...filter, peek: id }, replace: peek !== undefined && id !== undefined });
  const setFilter = (change: Partial<TraceFilter>) => void navigate({ to: "/traces", search: { ...filter, ...change }, replace: true });
  const clear = () => void navigate({ to: "/traces", search: {}, replace: true });
  const openPage = (traceId: string) => void navigate({ to: "/traces/$traceId", params: { traceId } });
  useListKeys(
    useMemo(() => rows.map((trace) => trace.trace_id), [rows]),
    peek ?? cursor,
    (id) => (peek === undefined ? setCursor(id) : setPeek(id)),
    (id) => (peek === undefined ? setPeek(id) : openPage(id)),
  );
  useHotkeys({ l: () => copyLink(text("copy.link.done")) });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const loadMore = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const shown = count(rows.length) + (hasNextPage ? "+" : "");
  return (
    <div className="page page-list" data-peek={peek === undefined ? undefined : ""}>
      <PageHeader
        title={text("nav.traces")}
        facts={
          <>
            <span aria-live="polite">{list.isSuccess ? text("traces.count", { n: shown }) : ""}</span>
            {isFiltered(filter) && (
              <button type="button" className="link" onClick={clear}>
                {text("filter.clear")}
              </button>
            )}
            {live.waiting > 0 && (
              <button type="button" className="pill" onClick={live.show}>
                {text("traces.new", { n: live.waiting })}
              </button>
            )}
          </>
        }
        actions={
          <Button variant="main" icon="datasets" disabled={rows.length === 0} onClick={() => setMaking(true)}>
            {text("traces.make")}
          </Button>
        }
      />
      <FilterBar filter={filter} onChange={setFilter} />
      {list.error && <ErrorNote error={list.error} what={text("traces.failed")} onRetry={() => void list.refetch()} />}
      {list.isPending && <Loading rows={12} />}
      {rows.length > 0 && <DataTable label={text("nav.traces")} rows={rows} columns={columns} rowId={(trace) => trace.trace_id} href={(trace) => `/traces/${trace.trace_id}`} onOpen={(trace) => setPeek(trace.trace_id)} activeId={peek ?? cursor} onEnd={loadMore} />}
      {list.isSuccess && rows.length === 0 && (isFiltered(filter) ? <NoMatch onClear={clear} /> : <NoTraces />)}
      {peek !== undefined && <PeekTrace key="peek" traceId={peek} onClose={() => setPeek(undefined)} />}
      {making && <MakeDataset filter={query} onClose={() => setMaking(false)} />}
    </div>
  );
}

function NoMatch({ onClear }: { onClear: () => void }) {
  const text = useText();
  return (
    <Empty title={text("traces.nomatch")}>
      <p>{text("traces.nomatch.why")}</p>
      <Button icon="close" onClick={onClear}>
        {text("filter.clear")}
      </Button>
    </Empty>
  );
}

function NoTraces() {
  const text = useText();
  return (
    <Empty title={text("traces.none")}>
      <p>{text("traces.none.why")}</p>
      <RequestSnippets />
    </Empty>
  );
}
