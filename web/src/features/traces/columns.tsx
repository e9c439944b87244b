/** The columns of a list of traces. */
import type { Trace } from "../../api/types";
import type { Column } from "../../kit/DataTable";
import { count, dollars, millis } from "../../kit/format";
import { Status, Time } from "../../kit/parts";
import type { Translate } from "../../messages";
import { ScoreValue } from "./Scores";

/** What a trace is known by in a list: the start of what was asked. */
export const traceLabel = (trace: Trace): string => trace.input_preview || trace.name || trace.trace_id;

function Asked({ trace }: { trace: Trace }) {
  return (
    <span className="asked">
      <Status value={trace.status} compact />
      <span className="ellipsis" dir="auto" title={traceLabel(trace)}>
        {traceLabel(trace)}
      </span>
    </span>
  );
}

function Answered({ trace }: { trace: Trace }) {
  if (trace.error) return <span className="ellipsis bad mono">{trace.error.code}</span>;
  return (
    <span className="ellipsis muted" dir="auto">
      {trace.output_preview}
    </span>
  );
}

function Feedback({ trace }: { trace: Trace }) {
  return (
    <span className="cell-scores">
      {trace.scores.slice(0, 2).map((score) => (
        <ScoreValue key={score.id} score={score} />
      ))}
    </span>
  );
}

/** `times` is the width of the last column: an absolute time needs more than a relative one. */
export function traceColumns(text: Translate, times: string): Column<Trace>[] {
  return [
    { id: "input", header: text("trace.input"), width: "minmax(120px, 5fr)", cell: (trace) => <Asked trace={trace} /> },
    { id: "output", header: text("trace.output"), width: "minmax(120px, 4fr)", from: "wide", cell: (trace) => <Answered trace={trace} /> },
    { id: "model", header: text("trace.model"), width: "128px", from: "medium", cell: (trace) => <span className="ellipsis mono" title={trace.model}>{trace.endpoint || trace.model}</span> },
    { id: "feedback", header: text("trace.feedback"), width: "72px", from: "medium", cell: (trace) => <Feedback trace={trace} /> },
    { id: "tokens", header: text("trace.tokens"), width: "56px", align: "end", from: "wide", cell: (trace) => count(trace.input_tokens + trace.output_tokens) },
    { id: "cost", header: text("trace.cost.unit"), width: "72px", align: "end", from: "medium", cell: (trace) => dollars(trace.cost_usd) },
    { id: "duration", header: text("trace.duration.unit"), width: "88px", align: "end", cell: (trace) => millis(trace.duration_ms) },
    { id: "time", header: text("trace.time"), width: times, align: "end", cell: (trace) => <Time iso={trace.start_time} /> },
  ];
}
