/** Theme, density, language and how times are shown: kept in this browser, applied to the root element. */
import { useSyncExternalStore } from "react";
import type { Language } from "../messages";

export interface Appearance {
  theme: "system" | "light" | "dark";
  density: "comfortable" | "compact";
  language: Language;
  times: "relative" | "absolute";
}

const KEY = "loopwright.appearance";
const listeners = new Set<() => void>();

function read(): Appearance {
  const language: Language = document.documentElement.lang === "es" ? "es" : "en";
  const fallback: Appearance = { theme: "system", density: "comfortable", language, times: "relative" };
  try {
    return { ...fallback, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Appearance>) };
  } catch {
    return fallback;
  }
}

let current = read();

export function currentAppearance(): Appearance {
  return current;
}

export function setAppearance(change: Partial<Appearance>): void {
  current = { ...current, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // Storage may be refused (private windows); the choice then lasts until reload.
  }
  const root = document.documentElement;
  root.dataset.theme = current.theme;
  root.dataset.density = current.density;
  root.lang = current.language;
  for (const listener of listeners) listener();
}

export function useAppearance(): Appearance {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}
