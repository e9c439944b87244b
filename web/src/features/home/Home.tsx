/** Home: is it alive, what runs now, what came last, and what to do next. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useMemo } from "react";
import { watchTraces } from "../../api/live";
import { ApiError } from "../../api/errors";
import { infoQuery, jobsQuery, newestTracesQuery } from "../../api/queries";
import type { Info, Page, Trace } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { cost, count, duration } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { Fact, Loading, PageHeader, Status, Time, useTitle } from "../../kit/parts";
import { useText, type MessageKey } from "../../messages";
import { JobRow } from "../knowledge/JobProgress";
import { RequestSnippets } from "../session/useSnippets";

const SHOWN = 10;

/** Puts each new trace on top of the newest ones, and counts it. */
function useNewestTraces() {
  const client = useQueryClient();
  const newest = useQuery(newestTracesQuery);
  useEffect(
    () =>
      watchTraces((trace) => {
        const known = client.getQueryData(newestTracesQuery.queryKey)?.items.some((item) => item.trace_id === trace.trace_id);
        client.setQueryData<Page<Trace>>(newestTracesQuery.queryKey, (old) => ({ items: [trace, ...(old?.items ?? []).filter((item) => item.trace_id !== trace.trace_id)].slice(0, SHOWN) }));
        if (!known) client.setQueryData<Info>(infoQuery.queryKey, (old) => old && { ...old, counts: { ...old.counts, traces: old.counts.traces + 1 } });
      }),
    [client],
  );
  return newest;
}

export function Home() {
  const text = useText();
  const info = useQuery(infoQuery);
  const newest = useNewestTraces();
  const jobs = useQuery({ ...jobsQuery, refetchInterval: 5000 });
  const running = (jobs.data?.items ?? []).filter((job) => job.status === "running" || job.status === "queued");
  useTitle(text("nav.home"));
  const empty = newest.data?.items.length === 0;
  return (
    <div className="page page-home">
      <PageHeader title={text("nav.home")} facts={info.data && <HomeFacts info={info.data} />} />
      {info.error && <ErrorNote error={info.error} what={text("home.failed")} onRetry={() => void info.refetch()} />}
      {info.data?.drainer?.fault && <ErrorNote error={new ApiError({ status: 0, code: "drainer", message: info.data.drainer.fault, hint: text("home.drainer.hint") })} what={text("home.drainer")} />}
      {info.data && !empty && <Counts info={info.data} />}
      {running.length > 0 && (
        <section aria-labelledby="running">
          <h2 id="running">{text("home.running")}</h2>
          <ul className="plain-list">
            {running.map((job) => (
              <li key={job.id}>
                <JobRow job={job} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {newest.isPending && <Loading />}
      {newest.error && <ErrorNote error={newest.error} what={text("traces.failed")} onRetry={() => void newest.refetch()} />}
      {empty && <FirstRequest />}
      <div className="home-columns">
        {newest.data && !empty && <Newest traces={newest.data.items} />}
        {info.data && <NextSteps info={info.data} />}
      </div>
      {info.data && !empty && (
        <details className="home-connect">
          <summary>{text("home.connect")}</summary>
          <RequestSnippets />
        </details>
      )}
    </div>
  );
}

function HomeFacts({ info }: { info: Info }) {
  const text = useText();
  return (
    <>
      <Status value="up" />
      <Fact label={text("home.address")}>
        <span className="mono">{info.openai_base_url}</span>
      </Fact>
      <Fact label={text("home.version")}>
        <span className="mono">{info.version}</span>
      </Fact>
      <Fact label={text("home.store")}>
        <span className="mono">{info.store}</span>
      </Fact>
    </>
  );
}

const COUNTS: { key: keyof Info["counts"]; label: MessageKey; to: "/traces" | "/datasets" | "/knowledge" | "/settings" }[] = [
  { key: "traces", label: "nav.traces", to: "/traces" },
  { key: "datasets", label: "nav.datasets", to: "/datasets" },
  { key: "knowledge_bases", label: "home.knowledge_bases", to: "/knowledge" },
  { key: "keys", label: "settings.keys", to: "/settings" },
];

function Counts({ info }: { info: Info }) {
  const text = useText();
  return (
    <ul className="counts">
      {COUNTS.map(({ key, label, to }) => (
        <li key={key}>
          <Link to={to}>
            <span className="count num">{count(info.counts[key])}</span>
            <span className="muted">{text(label)}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function FirstRequest() {
  const text = useText();
  return (
    <section className="first-request">
      <h2>{text("home.first")}</h2>
      <p>{text("home.first.why")}</p>
      <RequestSnippets />
      <p className="muted waiting" role="status">
        <span className="pulse" aria-hidden="true" /> {text("home.first.waiting")}
      </p>
    </section>
  );
}

function Newest({ traces }: { traces: readonly Trace[] }) {
  const text = useText();
  return (
    <section aria-labelledby="newest" className="home-newest">
      <div className="section-head">
        <h2 id="newest">{text("home.newest")}</h2>
        <Link to="/traces">{text("home.newest.all")}</Link>
      </div>
      <ul className="trace-lines">
        {traces.map((trace) => (
          <li key={trace.trace_id}>
            <Status value={trace.status} compact />
            <Link to="/traces/$traceId" params={{ traceId: trace.trace_id }} className="row-link ellipsis" dir="auto">
              {trace.input_preview || trace.name || trace.trace_id}
            </Link>
            <span className="mono muted ellipsis trace-line-model">{trace.endpoint || trace.model}</span>
            <span className="num trace-line-cost">{cost(trace.cost_usd)}</span>
            <span className="num">{duration(trace.duration_ms)}</span>
            <span className="num muted">
              <Time iso={trace.start_time} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function useSteps(info: Info) {
  const { counts } = info;
  return useMemo(
    () => [
      { id: "request", label: "step.request", why: "step.request.why", to: "/playground", done: counts.traces > 0 },
      { id: "knowledge", label: "step.knowledge", why: "step.knowledge.why", to: "/knowledge", done: counts.knowledge_bases > 0 },
      { id: "feedback", label: "step.feedback", why: "step.feedback.why", to: "/traces", done: false },
      { id: "dataset", label: "step.dataset", why: "step.dataset.why", to: "/traces", done: counts.datasets > 0 },
    ] as const,
    [counts],
  );
}

function NextSteps({ info }: { info: Info }) {
  const text = useText();
  const steps = useSteps(info).filter((step) => step.id !== "feedback" || info.counts.traces > 0);
  return (
    <section aria-labelledby="steps" className="home-steps">
      <h2 id="steps">{text("home.steps")}</h2>
      <ol className="steps">
        {steps.map((step) => (
          <li key={step.id} data-done={step.done || undefined}>
            <span className="step-mark">{step.done && <Icon name="check" />}</span>
            <div>
              <Link to={step.to}>{text(step.label)}</Link>
              {step.done && <span className="sr-only">{text("step.done")}</span>}
              <p className="muted">{text(step.why)}</p>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
