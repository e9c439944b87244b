/** One dataset row in the right sheet: messages, output, labels, comments, and the trace it came from. */
import { Link } from "@tanstack/react-router";
import type { DatasetRow } from "../../api/types";
import { JsonView } from "../../kit/code";
import { Sheet } from "../../kit/overlays";
import { CopyId } from "../../kit/parts";
import { useText } from "../../messages";
import { Conversation } from "../traces/Conversation";
import { ScoreValue } from "../traces/Scores";

export function PeekRow({ row, onClose }: { row: DatasetRow; onClose: () => void }) {
  const text = useText();
  const head = (
    <>
      {row.trace_id && (
        <Link to="/traces/$traceId" params={{ traceId: row.trace_id }} className="btn" data-variant="plain">
          {text("row.trace")} <kbd>↵</kbd>
        </Link>
      )}
      <span className="peek-hint muted">
        <kbd>J</kbd> <kbd>K</kbd>
      </span>
      <CopyId id={row.id} />
    </>
  );
  return (
    <Sheet label={text("row.label")} head={head} onClose={onClose} itemKey={row.id}>
      <div className="stack">
        <Conversation messages={row.output ? [...row.messages, row.output] : row.messages} />
        {row.labels.length > 0 && (
          <section>
            <h3>{text("row.labels")}</h3>
            <ul className="score-list">
              {row.labels.map((label, index) => (
                <li key={index}>
                  <ScoreValue score={label} />
                  <span className="score-name">{label.name}</span>
                  <span dir="auto" className="score-comment">
                    {label.comment}
                  </span>
                  <span className="muted">{label.author}</span>
                </li>
              ))}
            </ul>
          </section>
        )}
        {row.comments.length > 0 && (
          <section>
            <h3>{text("row.comments")}</h3>
            {row.comments.map((comment, index) => (
              <blockquote key={index} dir="auto">
                {comment}
              </blockquote>
            ))}
          </section>
        )}
        <section>
          <h3>{text("row.metadata")}</h3>
          <JsonView value={row.metadata} label={text("row.metadata")} />
        </section>
      </div>
    </Sheet>
  );
}
