/** The frame around every screen: rail, main landmark, palette, help, and the keys that work everywhere. */
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { Icon } from "../kit/Icon";
import { Loading } from "../kit/parts";
import { useText } from "../messages";
import { useHotkeys, type Hotkeys } from "./hotkeys";
import { Notice } from "./notice";
import { SCREENS } from "./screens";

const loadPalette = async () => ({ default: (await import("./Palette")).Palette });
const Palette = lazy(loadPalette);
const Help = lazy(async () => ({ default: (await import("./Help")).Help }));

const PALETTE_AHEAD_MS = 1500;
const PALETTE_KEY = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘K" : "^K";

function focusSearch(): void {
  document.querySelector<HTMLInputElement>("[data-search] input, input[data-search]")?.focus();
}

export function Shell() {
  const text = useText();
  const navigate = useNavigate();
  const [over, setOver] = useState<"palette" | "help" | null>(null);
  useEffect(() => {
    // Fetched ahead of the first Ctrl+K: letters typed right after it must not be lost.
    const timer = setTimeout(() => void loadPalette(), PALETTE_AHEAD_MS);
    return () => clearTimeout(timer);
  }, []);
  const keys: Hotkeys = {
    "mod+k": () => setOver(over === "palette" ? null : "palette"),
    "?": () => setOver("help"),
    "/": focusSearch,
  };
  for (const screen of SCREENS) keys[`g ${screen.key}`] = () => void navigate({ to: screen.to });
  useHotkeys(keys);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {text("nav.skip")}
      </a>
      <nav className="rail" aria-label={text("nav.label")}>
        <Link to="/" className="brand" aria-label="Loopwright">
          <span className="rail-label">Loopwright</span>
        </Link>
        <ul>
          {SCREENS.map((screen) => (
            <li key={screen.to} data-group={screen.group || undefined}>
              <Link to={screen.to} className="rail-link" activeOptions={{ exact: screen.to === "/", includeSearch: false }} title={`${text(screen.label)} (g ${screen.key})`}>
                <Icon name={screen.icon} />
                <span className="rail-label">{text(screen.label)}</span>
              </Link>
            </li>
          ))}
        </ul>
        <div className="rail-foot">
          <button type="button" className="rail-link" onClick={() => setOver("palette")}>
            <Icon name="search" />
            <span className="rail-label">{text("palette.open")}</span>
            <kbd>{PALETTE_KEY}</kbd>
          </button>
          <button type="button" className="rail-link" onClick={() => setOver("help")}>
            <Icon name="keyboard" />
            <span className="rail-label">{text("help.open")}</span>
            <kbd>?</kbd>
          </button>
        </div>
      </nav>
      <main id="main" className="main" tabIndex={-1}>
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </main>
      <Notice />
      <Suspense fallback={null}>
        {over === "palette" && <Palette onClose={() => setOver(null)} />}
        {over === "help" && <Help onClose={() => setOver(null)} />}
      </Suspense>
    </div>
  );
}
