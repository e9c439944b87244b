/** One short line at the foot of the window that says what a key just did. */
import { useSyncExternalStore } from "react";

const SHOWN_MS = 1600;
const listeners = new Set<() => void>();
let current = "";
let timer: ReturnType<typeof setTimeout> | undefined;

function show(message: string): void {
  current = message;
  for (const listener of listeners) listener();
}

export function notify(message: string): void {
  clearTimeout(timer);
  show(message);
  timer = setTimeout(() => show(""), SHOWN_MS);
}

export function copyLink(done: string): void {
  void navigator.clipboard.writeText(window.location.href).then(() => notify(done));
}

export function Notice() {
  const message = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
  return (
    <p className="notice-line" role="status" data-shown={message !== "" || undefined}>
      {message}
    </p>
  );
}
