/** New traces as they land: server-sent events first, polling when the stream cannot be held open. */
import { get } from "./client";
import type { Page, Trace } from "./types";

const POLL_MS = 4000;

/** Calls back for each trace that lands from now on; gives back how to stop. */
export function watchTraces(onTrace: (trace: Trace) => void): () => void {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let newest = "";
  const source = new EventSource("/api/traces/stream");
  source.addEventListener("trace", (event) => onTrace(JSON.parse((event as MessageEvent<string>).data) as Trace));
  source.onerror = () => {
    // CLOSED means the browser gave up (an answer that is no event stream); otherwise it reconnects by itself.
    if (source.readyState === EventSource.CLOSED && !stopped && timer === undefined) void poll();
  };

  async function poll(): Promise<void> {
    try {
      const page = await get<Page<Trace>>("/api/traces", { limit: 50 });
      const known = page.items.findIndex((trace) => trace.trace_id === newest);
      if (newest !== "") for (const trace of page.items.slice(0, known === -1 ? undefined : known)) onTrace(trace);
      newest = page.items[0]?.trace_id ?? "none";
    } catch {
      // The next round asks again; the list itself shows the error.
    }
    if (!stopped) timer = setTimeout(() => void poll(), POLL_MS);
  }

  return () => {
    stopped = true;
    clearTimeout(timer);
    source.close();
  };
}
