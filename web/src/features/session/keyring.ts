/** The API key this browser tab knows: pasted at sign-in or made here. It is kept for the tab only. */
import { useSyncExternalStore } from "react";

const KEY = "loopwright.key";
const listeners = new Set<() => void>();

function read(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

let current = read();

export function rememberKey(key: string): void {
  current = key;
  try {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Refused storage: the key then lasts until reload.
  }
  for (const listener of listeners) listener();
}

export function useKnownKey(): string {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}
