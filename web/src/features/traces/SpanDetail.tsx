/** One span: its messages, input, output, attributes and raw JSON. */
import type { Span } from "../../api/types";
import { Tabs, type TabItem } from "../../kit/choices";
import { JsonView } from "../../kit/code";
import { cost, count, duration } from "../../kit/format";
import { Fact, Status } from "../../kit/parts";
import { useNamed, useText } from "../../messages";
import { Conversation } from "./Conversation";
import { inputMessages, outputMessages } from "./conversation";

function SpanFacts({ span }: { span: Span }) {
  const text = useText();
  const usage = span.usage ?? {};
  const input = Number(usage.input_tokens ?? 0);
  const output = Number(usage.output_tokens ?? 0);
  return (
    <div className="facts">
      <Status value={span.status} />
      <Fact label={text("trace.duration")}>
        <span className="num">{duration(span.duration_ms)}</span>
      </Fact>
      {span.ttft_ms !== null && (
        <Fact label={text("trace.ttft")}>
          <span className="num">{duration(span.ttft_ms)}</span>
        </Fact>
      )}
      {span.model && (
        <Fact label={text("trace.model")}>
          <span className="mono">{span.model}</span>
        </Fact>
      )}
      {input + output > 0 && (
        <Fact label={text("trace.tokens")}>
          <span className="num">
            {count(input)} → {count(output)}
          </span>
        </Fact>
      )}
      {span.cost_usd !== null && (
        <Fact label={text("trace.cost")}>
          <span className="num">{cost(span.cost_usd)}</span>
        </Fact>
      )}
    </div>
  );
}

const isFilled = (value: unknown): boolean => value !== null && value !== undefined && value !== "" && !(typeof value === "object" && Object.keys(value).length === 0);

export function SpanDetail({ span, tab, onTab }: { span: Span; tab: string; onTab: (tab: string) => void }) {
  const text = useText();
  const named = useNamed();
  const messages = [...inputMessages(span.input), ...outputMessages(span.output)];
  const json = (id: string, label: string, value: unknown): TabItem => ({
    id,
    label,
    content: isFilled(value) ? <JsonView value={value} label={label} /> : <p className="muted">{text("span.nothing")}</p>,
  });
  const items: TabItem[] = [
    ...(messages.length > 0 ? [{ id: "messages", label: text("span.messages"), content: <Conversation key={span.span_id} messages={messages} /> }] : []),
    json("input", text("span.input"), span.input),
    json("output", text("span.output"), span.output),
    json("attributes", text("span.attributes"), span.attributes),
    json("raw", text("span.raw"), span),
  ];
  return (
    <section className="span-detail" aria-label={span.name}>
      <h2 className="span-title" data-kind={span.kind}>
        <span className="kind-mark" />
        <span className="muted">{named("kind", span.kind)}</span>
        <span className="ellipsis" title={span.name}>
          {span.name}
        </span>
      </h2>
      <SpanFacts span={span} />
      {span.error && span.parent_span_id && (
        <p className="span-error" dir="auto">
          <code>{span.error.code}</code> {span.error.message}
        </p>
      )}
      <Tabs label={text("span.tabs")} items={items} selected={tab} onSelect={onTab} />
    </section>
  );
}
