/** Single keys, g-then-letter and Ctrl/Cmd+K, from one listener; the newest registration is asked first. */
import { useEffect, useRef } from "react";

export type Hotkeys = Record<string, (event: KeyboardEvent) => void>;

const SEQUENCE_MS = 1200;
const layers: { current: Hotkeys }[] = [];
let pending = "";
let pendingTimer: ReturnType<typeof setTimeout> | undefined;

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement) return !["checkbox", "button", "submit"].includes(target.type);
  return target.matches("textarea, select, [role=listbox], [role=option], [role=menuitem], [role=combobox]");
}

const isPressable = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest("button, a, summary, [role=tab]") !== null;

/** The name of a key press: "mod+k", "Escape", "j", "?", and "g t" for a letter after g. */
export function nameOf(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey">, before = ""): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) return `mod+${key}`;
  return before ? `${before} ${key}` : key;
}

function skip(event: KeyboardEvent, name: string): boolean {
  if (name === "mod+k") return false;
  if (event.defaultPrevented || event.altKey || document.querySelector("[data-modal]")) return true;
  if (isTyping(event.target)) return name !== "Escape" && name !== "mod+Enter";
  return name === "Enter" && isPressable(event.target);
}

function onKeyDown(event: KeyboardEvent): void {
  const name = nameOf(event, pending);
  if (skip(event, name)) return;
  clearTimeout(pendingTimer);
  pending = "";
  if (name === "g") {
    pending = "g";
    pendingTimer = setTimeout(() => (pending = ""), SEQUENCE_MS);
    return;
  }
  for (let index = layers.length - 1; index >= 0; index -= 1) {
    const action = layers[index]?.current[name];
    if (!action) continue;
    event.preventDefault();
    action(event);
    return;
  }
}

export function useHotkeys(keys: Hotkeys): void {
  const layer = useRef(keys);
  layer.current = keys;
  useEffect(() => {
    if (layers.length === 0) window.addEventListener("keydown", onKeyDown);
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      if (layers.length === 0) window.removeEventListener("keydown", onKeyDown);
    };
  }, []);
}

/** J/K and arrows over a list of ids; Enter opens the one that is current. */
export function useListKeys(ids: readonly string[], current: string | undefined, onCurrent: (id: string) => void, onEnter: (id: string) => void): void {
  const step = (by: number) => {
    const at = current === undefined ? -1 : ids.indexOf(current);
    const next = ids[Math.min(ids.length - 1, Math.max(0, at === -1 && by < 0 ? 0 : at + by))];
    if (next !== undefined) onCurrent(next);
  };
  const enter = () => {
    if (current !== undefined) onEnter(current);
  };
  useHotkeys({ j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1), Enter: enter });
}
