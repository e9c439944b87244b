/** The one line of facts about a trace. */
import { Link } from "@tanstack/react-router";
import type { Trace } from "../../api/types";
import { cost, count, duration } from "../../kit/format";
import { Fact, Status, Time } from "../../kit/parts";
import { useText } from "../../messages";

export function TraceFacts({ trace }: { trace: Trace }) {
  const text = useText();
  return (
    <>
      <Status value={trace.status} />
      <Fact label={text("trace.model")}>
        <Link to="/traces" search={{ model: trace.model }} className="mono" title={trace.provider}>
          {trace.model || "–"}
        </Link>
      </Fact>
      {trace.endpoint && (
        <Fact label={text("trace.endpoint")}>
          <Link to="/traces" search={{ endpoint: trace.endpoint }} className="mono">
            {trace.endpoint}
          </Link>
        </Fact>
      )}
      <Fact label={text("trace.duration")}>
        <span className="num">{duration(trace.duration_ms)}</span>
      </Fact>
      {trace.ttft_ms !== null && (
        <Fact label={text("trace.ttft")}>
          <span className="num">{duration(trace.ttft_ms)}</span>
        </Fact>
      )}
      <Fact label={text("trace.tokens")}>
        <span className="num" title={trace.usage_estimated ? text("trace.estimated") : undefined}>
          {trace.usage_estimated ? "≈ " : ""}
          {count(trace.input_tokens)} → {count(trace.output_tokens)}
        </span>
      </Fact>
      <Fact label={text("trace.cost")}>
        <span className="num">{cost(trace.cost_usd)}</span>
      </Fact>
      {trace.session_id && (
        <Fact label={text("filter.session_id")}>
          <Link to="/traces" search={{ session_id: trace.session_id }} className="mono ellipsis-inline">
            {trace.session_id}
          </Link>
        </Fact>
      )}
      {trace.user_id && (
        <Fact label={text("filter.user_id")}>
          <Link to="/traces" search={{ user_id: trace.user_id }} className="mono ellipsis-inline">
            {trace.user_id}
          </Link>
        </Fact>
      )}
      <Time iso={trace.start_time} />
    </>
  );
}
