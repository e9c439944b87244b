/** One trace in full: tree and waterfall on one side, the chosen span on the other, feedback below. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { traceQuery } from "../../api/queries";
import type { Span, TraceDetail } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { shortId } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { Button, CopyId, Loading, PageHeader, useTitle } from "../../kit/parts";
import { useText } from "../../messages";
import { useHotkeys } from "../../shell/hotkeys";
import { copyLink } from "../../shell/notice";
import { MakeDataset } from "../datasets/MakeDataset";
import { traceLabel } from "./columns";
import { momentFilter } from "./filter";
import { FeedbackBar, ScoreList } from "./Scores";
import { SpanDetail } from "./SpanDetail";
import { TraceFacts } from "./TraceFacts";
import { Waterfall } from "./Waterfall";

const route = getRouteApi("/traces/$traceId");

export function TracePage() {
  const text = useText();
  const { traceId } = route.useParams();
  const detail = useQuery(traceQuery(traceId));
  useTitle(text("trace.title", { id: shortId(traceId) }));
  if (detail.isPending) return <Loading rows={10} />;
  if (detail.error)
    return (
      <div className="page">
        <ErrorNote error={detail.error} what={text("trace.failed")} onRetry={() => void detail.refetch()} />
      </div>
    );
  return <TraceBody detail={detail.data} />;
}

function TraceBody({ detail }: { detail: TraceDetail }) {
  const text = useText();
  const navigate = useNavigate();
  const router = useRouter();
  const { span: wanted, tab } = route.useSearch();
  const { trace, spans, scores } = detail;
  const traceId = trace.trace_id;
  const [adding, setAdding] = useState(false);
  const chosen = spans.find((span) => span.span_id === wanted) ?? spans.find((span) => !span.parent_span_id) ?? spans[0];
  const choose = (span: Span) => void navigate({ to: "/traces/$traceId", params: { traceId }, search: { span: span.span_id, tab }, replace: true });
  const step = (by: number) => {
    const next = chosen && spans[spans.indexOf(chosen) + by];
    if (next) choose(next);
  };
  useHotkeys({
    j: () => step(1),
    k: () => step(-1),
    l: () => copyLink(text("copy.link.done")),
    Escape: () => (router.history.canGoBack() ? router.history.back() : void navigate({ to: "/traces" })),
  });
  return (
    <div className="page page-trace">
      <PageHeader
        crumbs={
          <>
            <Link to="/traces">{text("nav.traces")}</Link>
            <Icon name="chevron" />
            <CopyId id={traceId} keep={6} />
          </>
        }
        title={<span dir="auto" className="trace-title" title={traceLabel(trace)}>{traceLabel(trace)}</span>}
        facts={<TraceFacts trace={trace} />}
        actions={
          <>
            <Button icon="datasets" onClick={() => setAdding(true)}>
              {text("trace.add")}
            </Button>
            <Link to="/playground" search={{ trace: traceId }} className="btn" data-variant="main">
              <Icon name="playground" />
              {text("trace.playground")}
            </Link>
          </>
        }
      />
      {trace.error && <TraceFailure code={trace.error.code} message={trace.error.message} />}
      <div className="trace-columns">
        <div className="trace-tree">
          <Waterfall spans={spans} selected={chosen?.span_id ?? ""} hrefOf={(span) => `/traces/${traceId}?span=${span.span_id}`} onSelect={choose} />
          <section className="trace-feedback" aria-label={text("feedback.label")}>
            <h2>{text("feedback.label")}</h2>
            <FeedbackBar traceId={traceId} given={scores} />
            <ScoreList scores={scores} traceId={traceId} />
          </section>
        </div>
        {chosen && <SpanDetail span={chosen} tab={tab ?? "messages"} onTab={(next) => void navigate({ to: "/traces/$traceId", params: { traceId }, search: { span: wanted, tab: next }, replace: true })} />}
      </div>
      {adding && <MakeDataset filter={{ ...momentFilter(trace) }} onClose={() => setAdding(false)} />}
    </div>
  );
}

function TraceFailure({ code, message }: { code: string; message: string }) {
  return (
    <div className="error-note">
      <Icon name="warn" />
      <div>
        <p className="error-what mono">{code}</p>
        <p dir="auto">{message}</p>
      </div>
    </div>
  );
}
