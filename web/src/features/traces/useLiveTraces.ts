/** New traces of the filter on screen wait behind a count until asked for: what is being read never moves. */
import { useQueryClient, type InfiniteData } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { watchTraces } from "../../api/live";
import type { Page, Trace } from "../../api/types";
import { matches, type TraceFilter } from "./filter";

/** `isEmpty`: an empty list shows its first trace by itself, as there is nothing to keep still. */
export function useLiveTraces(filter: TraceFilter, isKnown: (traceId: string) => boolean, isEmpty: boolean): { waiting: number; show: () => void } {
  const client = useQueryClient();
  const [waiting, setWaiting] = useState<ReadonlySet<string>>(new Set());
  const latest = useRef({ filter, isKnown, isEmpty });
  latest.current = { filter, isKnown, isEmpty };
  const key = JSON.stringify(filter);
  useEffect(() => setWaiting(new Set()), [key]);
  const show = useCallback(() => {
    setWaiting(new Set());
    // Only the first page is read again: the pages below it hold older traces, which do not change.
    client.setQueriesData<InfiniteData<Page<Trace>>>({ queryKey: ["traces", "list"] }, (old) => old && { pages: old.pages.slice(0, 1), pageParams: old.pageParams.slice(0, 1) });
    void client.invalidateQueries({ queryKey: ["traces"] });
  }, [client]);
  useEffect(
    () =>
      watchTraces((trace) => {
        const now = latest.current;
        if (now.isKnown(trace.trace_id) || !matches(trace, now.filter)) return;
        if (now.isEmpty) show();
        else setWaiting((before) => new Set(before).add(trace.trace_id));
      }),
    [show],
  );
  return { waiting: waiting.size, show };
}
