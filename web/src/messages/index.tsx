/** The words of the app in the language chosen; components hold keys, never text. */
import { createContext, useCallback, useContext, type ReactNode } from "react";
import { en } from "./en";

export type MessageKey = keyof typeof en;
export type Messages = Record<MessageKey, string>;
export type Language = "en" | "es";
export type Values = Record<string, string | number>;
export type Translate = (key: MessageKey, values?: Values) => string;

const Context = createContext<Messages>(en);

export async function loadMessages(language: Language): Promise<Messages> {
  return language === "es" ? (await import("./es")).es : en;
}

/** Fills `{name}`, and picks by number in `{name|one|many}`. */
export function fill(message: string, values: Values = {}): string {
  return message.replace(/\{(\w+)(?:\|([^|{}]*)\|([^|{}]*))?\}/g, (whole, name: string, one?: string, many?: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (one === undefined) return String(value);
    // Numbers arrive formatted (thin spaces), so compare as text.
    return String(value) === "1" ? one : (many ?? "");
  });
}

export function MessagesProvider({ messages, children }: { messages: Messages; children: ReactNode }) {
  return <Context value={messages}>{children}</Context>;
}

export function useText(): Translate {
  const messages = useContext(Context);
  return useCallback((key, values) => fill(messages[key], values), [messages]);
}

/** For keys that come from data (a status, a kind): the key's message, or the data itself when there is none. */
export function useNamed(): (prefix: string, value: string) => string {
  const messages = useContext(Context);
  return useCallback((prefix, value) => (messages as Record<string, string>)[`${prefix}.${value}`] ?? value, [messages]);
}
