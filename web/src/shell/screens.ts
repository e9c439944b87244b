/** The screens there are, in the order of the loop: the rail, the palette and the g-keys all read this list. */
import type { IconName } from "../kit/Icon";
import type { MessageKey } from "../messages";

export interface Screen {
  to: "/" | "/playground" | "/datasets" | "/knowledge" | "/traces" | "/settings";
  label: MessageKey;
  icon: IconName;
  key: string;
  /** Starts a new group of the rail. */
  group?: boolean;
}

export const SCREENS: readonly Screen[] = [
  { to: "/", label: "nav.home", icon: "home", key: "h" },
  { to: "/playground", label: "nav.playground", icon: "playground", key: "p" },
  { to: "/datasets", label: "nav.datasets", icon: "datasets", key: "d", group: true },
  { to: "/knowledge", label: "nav.knowledge", icon: "knowledge", key: "k" },
  { to: "/traces", label: "nav.traces", icon: "traces", key: "t", group: true },
  { to: "/settings", label: "nav.settings", icon: "settings", key: "s" },
];
