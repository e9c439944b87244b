/** One trace in the right sheet: what was asked and answered, what it took, and feedback. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { traceQuery } from "../../api/queries";
import type { TraceDetail } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { Sheet } from "../../kit/overlays";
import { CopyId, Loading } from "../../kit/parts";
import { useText } from "../../messages";
import { Conversation } from "./Conversation";
import { inputMessages, outputMessages } from "./conversation";
import { FeedbackBar, ScoreList } from "./Scores";
import { TraceFacts } from "./TraceFacts";
import { Waterfall } from "./Waterfall";

export function PeekTrace({ traceId, onClose }: { traceId: string; onClose: () => void }) {
  const text = useText();
  const detail = useQuery(traceQuery(traceId));
  const head = (
    <>
      <Link to="/traces/$traceId" params={{ traceId }} className="btn" data-variant="plain">
        {text("peek.open")} <kbd>↵</kbd>
      </Link>
      <Link to="/playground" search={{ trace: traceId }} className="btn" data-variant="quiet">
        {text("trace.playground")}
      </Link>
      <span className="peek-hint muted">
        <kbd>J</kbd> <kbd>K</kbd>
      </span>
      <CopyId id={traceId} />
    </>
  );
  return (
    <Sheet label={text("peek.label")} head={head} onClose={onClose} itemKey={traceId}>
      {detail.isPending && <Loading />}
      {detail.error && <ErrorNote error={detail.error} what={text("trace.failed")} onRetry={() => void detail.refetch()} />}
      {detail.data && <PeekBody key={traceId} detail={detail.data} />}
    </Sheet>
  );
}

function PeekBody({ detail }: { detail: TraceDetail }) {
  const text = useText();
  const { trace, spans, scores } = detail;
  const root = spans.find((span) => !span.parent_span_id) ?? spans[0];
  const messages = [...inputMessages(root?.input), ...outputMessages(root?.output)];
  return (
    <div className="stack">
      <div className="facts">
        <TraceFacts trace={trace} />
      </div>
      {trace.error && (
        <div className="error-note">
          <div>
            <p className="error-what mono">{trace.error.code}</p>
            <p dir="auto">{trace.error.message}</p>
          </div>
        </div>
      )}
      {messages.length > 0 ? <Conversation messages={messages} /> : <p dir="auto">{trace.input_preview}</p>}
      <section aria-label={text("feedback.label")} className="stack-small">
        <FeedbackBar traceId={trace.trace_id} given={scores} />
        <ScoreList scores={scores} traceId={trace.trace_id} />
      </section>
      {spans.length > 1 && <Waterfall spans={spans} selected={root?.span_id ?? ""} hrefOf={(span) => `/traces/${trace.trace_id}?span=${span.span_id}`} />}
    </div>
  );
}
