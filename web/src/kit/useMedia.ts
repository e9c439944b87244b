/** How wide the window is, in the three steps the layout knows. */
import { useSyncExternalStore } from "react";

export type Width = "narrow" | "medium" | "wide";

const medium = window.matchMedia("(min-width: 720px)");
const wide = window.matchMedia("(min-width: 1080px)");

function subscribe(listener: () => void): () => void {
  medium.addEventListener("change", listener);
  wide.addEventListener("change", listener);
  return () => {
    medium.removeEventListener("change", listener);
    wide.removeEventListener("change", listener);
  };
}

export function useWidth(): Width {
  return useSyncExternalStore(subscribe, () => (wide.matches ? "wide" : medium.matches ? "medium" : "narrow"));
}
