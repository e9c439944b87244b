/** Talk to a model or an endpoint: streamed answers, their sources, feedback, and the trace behind each. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from "react";
import { modelsQuery, traceQuery } from "../../api/queries";
import type { Citation, TraceDetail } from "../../api/types";
import { Select } from "../../kit/choices";
import { ErrorNote } from "../../kit/ErrorNote";
import { shortId } from "../../kit/format";
import { Button, PageHeader, useTitle } from "../../kit/parts";
import { useText } from "../../messages";
import { useHotkeys } from "../../shell/hotkeys";
import { replayOf } from "../traces/conversation";
import { DocumentSheet } from "../knowledge/DocumentSheet";
import { SettingsPanel } from "./SettingsPanel";
import { TurnView } from "./TurnView";
import { turnOf, useChat, type Settings, type Turn } from "./useChat";

const route = getRouteApi("/playground");

/** What a recorded request becomes: the turns to show, and the last question put back into the box. */
function fromTrace(detail: TraceDetail): { turns: Turn[]; draft: string; settings: Settings } {
  const replay = replayOf(detail.spans, detail.trace.requested_model || detail.trace.endpoint || detail.trace.model);
  const messages = [...replay.messages];
  const last = messages[messages.length - 1];
  const asked = last?.role === "user" && typeof last.content === "string" ? last.content : null;
  if (asked !== null) messages.pop();
  return {
    turns: messages.map((message) => turnOf(message.role, message.content)),
    draft: asked ?? "",
    settings: { model: replay.model, system: replay.system, parameters: replay.parameters },
  };
}

export function Playground() {
  const text = useText();
  const navigate = useNavigate();
  const { trace: traceId, model: wanted } = route.useSearch();
  const models = useQuery(modelsQuery);
  const recorded = useQuery({ ...traceQuery(traceId ?? ""), enabled: traceId !== undefined });
  const { turns, restart, busy, ask, stop } = useChat();
  const [settings, setSettings] = useState<Settings>({ model: "", system: "", parameters: {} });
  const [draft, setDraft] = useState("");
  const [cited, setCited] = useState<Citation | null>(null);
  const [panel, setPanel] = useState(false);
  const filled = useRef("");
  useTitle(text("nav.playground"));

  useEffect(() => {
    if (!recorded.data || filled.current === traceId) return;
    filled.current = traceId ?? "";
    const replay = fromTrace(recorded.data);
    restart(replay.turns);
    setSettings(replay.settings);
    setDraft(replay.draft);
  }, [recorded.data, traceId, restart]);

  const offered = models.data?.data ?? [];
  const model = wanted ?? (settings.model || offered[0]?.id || "");
  const setModel = (id: string) => {
    setSettings({ ...settings, model: id });
    void navigate({ to: "/playground", search: { trace: traceId, model: id }, replace: true });
  };
  const send = () => {
    if (busy || !draft.trim() || !model) return;
    void ask([...turns, turnOf("user", draft)], { ...settings, model });
    setDraft("");
  };
  const again = () => {
    const last = turns.map((turn) => turn.role).lastIndexOf("user");
    if (!busy && last >= 0) void ask(turns.slice(0, last + 1), { ...settings, model });
  };
  const clear = () => {
    restart([]);
    setDraft("");
    filled.current = "";
    setCited(null);
    void navigate({ to: "/playground", search: { model: wanted }, replace: true });
  };
  useHotkeys({ Escape: () => busy && stop() });

  const options = offered.map((each) => ({ id: each.id, label: each.id, detail: each.owned_by }));
  if (model && !options.some((option) => option.id === model)) options.unshift({ id: model, label: model, detail: undefined });
  return (
    <div className="page page-chat" data-peek={cited ? "" : undefined}>
      <PageHeader
        title={text("nav.playground")}
        facts={
          traceId && (
            <span>
              {text("chat.from")}{" "}
              <Link to="/traces/$traceId" params={{ traceId }} className="mono">
                {shortId(traceId)}
              </Link>
            </span>
          )
        }
        actions={
          <>
            <Select inline label={text("chat.model")} options={options} value={model} onChange={setModel} placeholder={text("chat.model.none")} />
            <Button icon="settings" aria-expanded={panel} onClick={() => setPanel(!panel)} className="panel-toggle">
              {text("chat.settings")}
            </Button>
            <Button icon="plus" onClick={clear}>
              {text("chat.new")}
            </Button>
          </>
        }
      />
      {recorded.error && <ErrorNote error={recorded.error} what={text("trace.failed")} />}
      {models.error && <ErrorNote error={models.error} what={text("chat.models.failed")} onRetry={() => void models.refetch()} />}
      <div className="chat-columns">
        <section className="chat" aria-label={text("chat.label")}>
          <Turns turns={turns} busy={busy} onCite={setCited} onAgain={again} />
          <Composer draft={draft} busy={busy} ready={model !== ""} onDraft={setDraft} onSend={send} onStop={stop} />
        </section>
        <SettingsPanel settings={settings} onChange={setSettings} open={panel} />
      </div>
      {cited && <DocumentSheet name={cited.knowledge_base} documentId={cited.document_id} passageId={cited.passage_id} onClose={() => setCited(null)} />}
    </div>
  );
}

function Turns({ turns, busy, onCite, onAgain }: { turns: readonly Turn[]; busy: boolean; onCite: (citation: Citation) => void; onAgain: () => void }) {
  const text = useText();
  const list = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  useEffect(() => {
    // Follow the answer only while the reader is at its end: scrolling up must hold still.
    if (stick.current) list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [turns]);
  return (
    <div
      className="turns"
      ref={list}
      tabIndex={0}
      role="log"
      aria-label={text("chat.label")}
      aria-busy={busy}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        stick.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      {turns.length === 0 && <p className="chat-hint muted">{text("chat.hint")}</p>}
      {turns.map((turn, index) => (
        <TurnView key={turn.id} turn={turn} busy={busy && index === turns.length - 1} last={index === turns.length - 1} onCite={onCite} onAgain={onAgain} />
      ))}
    </div>
  );
}

interface ComposerProps {
  draft: string;
  busy: boolean;
  ready: boolean;
  onDraft: (draft: string) => void;
  onSend: () => void;
  onStop: () => void;
}

function Composer({ draft, busy, ready, onDraft, onSend, onStop }: ComposerProps) {
  const text = useText();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSend();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    onSend();
  };
  return (
    <form className="composer" onSubmit={submit}>
      <label data-search="">
        <span className="sr-only">{text("chat.message")}</span>
        <textarea dir="auto" rows={2} autoFocus placeholder={text("chat.message")} value={draft} onChange={(event) => onDraft(event.target.value)} onKeyDown={onKeyDown} />
      </label>
      {busy ? (
        <Button icon="stop" onClick={onStop}>
          {text("chat.stop")}
        </Button>
      ) : (
        <Button variant="main" type="submit" icon="send" disabled={!draft.trim() || !ready} title={text("chat.send.hint")}>
          {text("chat.send")}
        </Button>
      )}
    </form>
  );
}
