/** Messages one under the other: who speaks, what was said, which tools were asked for. */
import type { Message } from "../../api/types";
import { JsonView, LongText } from "../../kit/code";
import { useNamed, useText } from "../../messages";
import { contentText } from "./conversation";

export function MessageView({ message }: { message: Message }) {
  const named = useNamed();
  const text = useText();
  const content = contentText(message.content);
  const tools = Array.isArray(message.tool_calls) ? (message.tool_calls as unknown[]) : [];
  return (
    <article className="message" data-role={message.role}>
      <h3 className="message-role">{named("role", message.role)}</h3>
      {content ? <LongText value={content} /> : tools.length === 0 && <p className="muted">{text("message.empty")}</p>}
      {tools.length > 0 && <JsonView value={tools} label={text("message.tools")} />}
    </article>
  );
}

export function Conversation({ messages }: { messages: readonly Message[] }) {
  return (
    <div className="conversation">
      {messages.map((message, index) => (
        <MessageView key={index} message={message} />
      ))}
    </div>
  );
}
