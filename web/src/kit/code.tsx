/** Code to copy, and JSON to read: always text nodes, never markup made from data. */
import { useState, type ReactNode } from "react";
import { useText } from "../messages";
import { Tabs } from "./choices";
import { bytes, pretty } from "./format";
import { Button, CopyButton } from "./parts";

const FOLD_AT = 4000;

export interface SnippetTab {
  id: string;
  label: string;
  code: string;
}

/** `code` is what gets copied; `children` below it can hold what the snippet still lacks. */
export function Snippet({ code, label }: { code: string; label: string }) {
  return (
    <figure className="snippet" aria-label={label}>
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
      <CopyButton value={code} />
    </figure>
  );
}

export function Snippets({ label, tabs, children }: { label: string; tabs: readonly SnippetTab[]; children?: ReactNode }) {
  const [selected, select] = useState(tabs[0]?.id ?? "");
  return (
    <div className="snippets">
      <Tabs label={label} selected={selected} onSelect={select} items={tabs.map((tab) => ({ id: tab.id, label: tab.label, content: <Snippet code={tab.code} label={tab.label} /> }))} />
      {children}
    </div>
  );
}

/** Long text, folded to its first characters until asked for. */
export function LongText({ value, mono = false }: { value: string; mono?: boolean }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  const folded = value.length > FOLD_AT && !open;
  return (
    <>
      <div className={mono ? "long-text mono" : "long-text"} dir="auto">
        {folded ? `${value.slice(0, FOLD_AT)}…` : value}
      </div>
      {value.length > FOLD_AT && (
        <Button variant="quiet" onClick={() => setOpen(!open)} aria-expanded={open}>
          {folded ? text("show.all", { size: bytes(value.length) }) : text("show.less")}
        </Button>
      )}
    </>
  );
}

export function JsonView({ value, label }: { value: unknown; label: string }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  const code = pretty(value);
  const folded = code.length > FOLD_AT * 2 && !open;
  return (
    <figure className="snippet json" aria-label={label}>
      <pre tabIndex={0}>
        <code>{folded ? `${code.slice(0, FOLD_AT * 2)}…` : code}</code>
      </pre>
      <CopyButton value={code} />
      {folded && (
        <Button variant="quiet" onClick={() => setOpen(true)}>
          {text("show.all", { size: bytes(code.length) })}
        </Button>
      )}
    </figure>
  );
}
