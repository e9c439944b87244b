/** New traces as they land: server-sent events first, polling when the stream cannot be held open. */
import { get } from "./client";
import type { Page, Trace } from "./types";

const POLL_MS = 4000;
const CATCH_UP = 100;

const traceMs = (trace: Trace): number => Date.parse(trace.start_time);

/** What began after an instant, oldest first, so that the newest is told last as in a stream. */
async function since(ms: number): Promise<Trace[]> {
  const page = await get<Page<Trace>>("/api/traces", { limit: CATCH_UP, since: new Date(ms).toISOString() });
  return page.items.filter((trace) => traceMs(trace) > ms).reverse();
}

/**
 * Calls back for each trace that lands from now on; gives back how to stop. A trace may be told twice.
 * A hidden tab lets go of its stream, as browsers hold only six connections to one server over all tabs.
 */
export function watchTraces(onTrace: (trace: Trace) => void): () => void {
  let stopped = false;
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let latest = Date.now();

  function tell(trace: Trace): void {
    latest = Math.max(latest, traceMs(trace));
    if (!stopped) onTrace(trace);
  }

  async function catchUp(): Promise<void> {
    try {
      for (const trace of await since(latest)) tell(trace);
    } catch {
      // The next round asks again; the list itself shows the error.
    }
  }

  function poll(): void {
    clearTimeout(timer);
    timer = setTimeout(() => void catchUp().then(() => !stopped && !document.hidden && poll()), POLL_MS);
  }

  function open(): void {
    source = new EventSource("/api/traces/stream");
    source.addEventListener("trace", (event) => tell(JSON.parse((event as MessageEvent<string>).data) as Trace));
    source.onerror = () => {
      // CLOSED means the browser gave up (an answer that is no event stream); otherwise it reconnects by itself.
      if (source?.readyState === EventSource.CLOSED && !stopped) poll();
    };
  }

  function close(): void {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  }

  function onVisibility(): void {
    if (document.hidden) close();
    else if (!source) {
      open();
      void catchUp();
    }
  }

  document.addEventListener("visibilitychange", onVisibility);
  if (!document.hidden) open();
  return () => {
    stopped = true;
    document.removeEventListener("visibilitychange", onVisibility);
    close();
  };
}
