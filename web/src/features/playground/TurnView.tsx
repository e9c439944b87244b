/** One turn: who speaks, the text with its sources, what it took, feedback, or what went wrong. */
import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { Citation } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { count } from "../../kit/format";
import { citedIn } from "../../kit/markdown";
import { RichText } from "../../kit/RichText";
import { Button, CopyButton } from "../../kit/parts";
import { useNamed, useText } from "../../messages";
import { contentText } from "../traces/conversation";
import { LongText } from "../../kit/code";
import { FeedbackBar } from "../traces/Scores";
import type { Turn } from "./useChat";

interface Props {
  turn: Turn;
  busy: boolean;
  last: boolean;
  onCite: (citation: Citation) => void;
  onAgain: () => void;
}

export const TurnView = memo(function TurnView({ turn, busy, last, onCite, onAgain }: Props) {
  const text = useText();
  const named = useNamed();
  const source = contentText(turn.content);
  const citations = turn.answer?.citations ?? [];
  const cite = (index: number) => {
    const citation = citations.find((each) => each.index === index);
    if (citation) onCite(citation);
  };
  return (
    <article className="turn" data-role={turn.role}>
      <h2 className="message-role">{named("role", turn.role)}</h2>
      {turn.role === "user" ? <LongText value={source} /> : <RichText source={source} cites={citations.map((citation) => citation.index)} onCite={cite} />}
      {busy && <span className="caret" role="status" aria-label={text("chat.answering")} />}
      {citations.length > 0 && <Sources source={source} citations={citations} onCite={onCite} />}
      {turn.error != null && <ErrorNote error={turn.error} what={text("chat.failed")} onRetry={last ? onAgain : undefined} />}
      {turn.stopped && <p className="muted">{text("chat.stopped")}</p>}
      {turn.answer && !busy && <TurnFoot turn={turn} source={source} last={last} onAgain={onAgain} />}
    </article>
  );
});

/** The passages the answer points at; what else was found and read is one click away. */
function Sources({ source, citations, onCite }: { source: string; citations: readonly Citation[]; onCite: (citation: Citation) => void }) {
  const text = useText();
  const used = citedIn(source, citations.map((citation) => citation.index));
  const pointed = citations.filter((citation) => used.has(citation.index));
  const rest = citations.filter((citation) => !used.has(citation.index));
  return (
    <>
      {pointed.length > 0 && <SourceList label={text("cite.sources")} citations={pointed} onCite={onCite} />}
      {rest.length > 0 && (
        <details className="more-sources">
          <summary>{text("cite.more", { n: rest.length })}</summary>
          <SourceList label={text("cite.more", { n: rest.length })} citations={rest} onCite={onCite} />
        </details>
      )}
    </>
  );
}

function SourceList({ label, citations, onCite }: { label: string; citations: readonly Citation[]; onCite: (citation: Citation) => void }) {
  const text = useText();
  return (
    <ol className="sources" aria-label={label}>
      {citations.map((citation) => (
        <li key={`${citation.index} ${citation.passage_id}`}>
          <button type="button" className="source" onClick={() => onCite(citation)} title={citation.text}>
            <span className="cite" aria-hidden="true">
              {citation.index}
            </span>
            <span className="ellipsis" dir="auto">
              {citation.title || citation.source}
            </span>
            <span className="muted ellipsis">{[citation.heading, citation.page ? text("cite.page", { n: citation.page }) : ""].filter(Boolean).join(" · ")}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function TurnFoot({ turn, source, last, onAgain }: { turn: Turn; source: string; last: boolean; onAgain: () => void }) {
  const text = useText();
  const answer = turn.answer;
  if (!answer) return null;
  return (
    <div className="turn-foot">
      {answer.traceId && !turn.error && <FeedbackBar traceId={answer.traceId} />}
      <span className="turn-links">
        {answer.outputTokens !== null && <span className="num muted">{text("chat.tokens", { input: count(answer.inputTokens ?? 0), output: count(answer.outputTokens) })}</span>}
        {answer.finish === "length" && <span className="warn">{text("chat.cut")}</span>}
        {source && <CopyButton value={source} />}
        {last && !turn.error && (
          <Button variant="quiet" icon="refresh" onClick={onAgain}>
            {text("chat.again")}
          </Button>
        )}
        {answer.traceId && (
          <Link to="/traces/$traceId" params={{ traceId: answer.traceId }} className="btn" data-variant="quiet">
            {text("chat.trace")}
          </Link>
        )}
      </span>
    </div>
  );
}
