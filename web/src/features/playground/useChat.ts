/** The turns of a conversation, and the one answer that may be streaming into it. */
import { useCallback, useEffect, useRef, useState } from "react";
import { NO_ANSWER, streamChat, type Answer, type ChatBody } from "./stream";

export interface Turn {
  id: number;
  role: string;
  /** What is sent again with the next question. */
  content: unknown;
  answer?: Answer;
  error?: unknown;
  stopped?: boolean;
}

export interface Settings {
  model: string;
  system: string;
  parameters: Record<string, number>;
}

let nextId = 1;

/** Not crypto.randomUUID: browsers refuse it over plain http on another machine. */
const newSession = (): string => `chat-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;

export const turnOf = (role: string, content: unknown): Turn => ({ id: nextId++, role, content });

function bodyOf(settings: Settings, turns: readonly Turn[]): ChatBody {
  const system = settings.system.trim() ? [{ role: "system", content: settings.system }] : [];
  const said = turns.filter((turn) => !turn.error && turn.content !== "").map(({ role, content }) => ({ role, content }));
  return { model: settings.model, messages: [...system, ...said], ...settings.parameters };
}

export function useChat() {
  const [turns, setTurns] = useState<Turn[]>([]);
  const [busy, setBusy] = useState(false);
  const running = useRef<AbortController | null>(null);
  const session = useRef(newSession());
  useEffect(() => () => running.current?.abort(), []);

  const ask = useCallback(async (before: readonly Turn[], settings: Settings) => {
    const reply: Turn = { ...turnOf("assistant", ""), answer: NO_ANSWER };
    const change = (part: Partial<Turn>) => setTurns((all) => all.map((turn) => (turn.id === reply.id ? { ...turn, ...part } : turn)));
    const abort = new AbortController();
    running.current = abort;
    setTurns([...before, reply]);
    setBusy(true);
    // Answers may come faster than the screen is drawn: show the latest once a frame.
    let latest: Answer = NO_ANSWER;
    let frame = 0;
    const show = () => {
      frame = 0;
      change({ answer: latest, content: latest.text });
    };
    try {
      await streamChat(bodyOf(settings, before), session.current, abort.signal, (answer) => {
        latest = answer;
        frame ||= requestAnimationFrame(show);
      });
    } catch (error) {
      if (abort.signal.aborted) change({ stopped: true });
      else change({ error });
    } finally {
      cancelAnimationFrame(frame);
      show();
      running.current = null;
      setBusy(false);
    }
  }, []);

  const stop = useCallback(() => running.current?.abort(), []);
  const restart = useCallback((first: Turn[]) => {
    running.current?.abort();
    session.current = newSession();
    setTurns(first);
  }, []);
  return { turns, restart, busy, ask, stop };
}
