/** The small parts every screen is made of. */
import { useEffect, useId, useState, type ButtonHTMLAttributes, type InputHTMLAttributes, type ReactNode } from "react";
import { useText, useNamed } from "../messages";
import { useAppearance } from "../shell/appearance";
import { absolute, ago, shortId } from "./format";
import { Icon, type IconName } from "./Icon";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  variant?: "main" | "plain" | "quiet" | "danger";
  icon?: IconName;
}

export function Button({ variant = "plain", icon, children, className = "", ...rest }: ButtonProps) {
  return (
    <button type="button" className={`btn ${className}`} data-variant={variant} data-only-icon={children ? undefined : ""} {...rest}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function IconButton({ icon, label, ...rest }: { icon: IconName; label: string } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return <Button variant="quiet" icon={icon} aria-label={label} title={label} {...rest} />;
}

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  hint?: string;
}

export function Field({ label, hint, ...rest }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id} className="field-label">
        {label}
      </label>
      <input id={id} className="input" aria-describedby={hint ? `${id}-hint` : undefined} {...rest} />
      {hint && (
        <span id={`${id}-hint`} className="field-hint">
          {hint}
        </span>
      )}
    </div>
  );
}

const STATUS_TONE: Record<string, string> = {
  ok: "good",
  up: "good",
  succeeded: "good",
  ready: "good",
  indexed: "good",
  error: "bad",
  failed: "bad",
  cancelled: "warn",
  interrupted: "warn",
  building: "info",
  running: "info",
  queued: "info",
};

/** A status as a shape, a colour and a word: the word is left out only where `compact`, and read aloud there. */
export function Status({ value, compact = false }: { value: string; compact?: boolean }) {
  const named = useNamed();
  const tone = STATUS_TONE[value] ?? "none";
  return (
    <span className="status" data-tone={tone} title={compact ? named("status", value) : undefined}>
      <svg viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
        {tone === "bad" ? <path d="M0 0h8v8H0z" /> : tone === "warn" ? <path d="M4 0 8 8H0z" /> : <circle cx="4" cy="4" r="4" />}
      </svg>
      <span className={compact ? "sr-only" : undefined}>{named("status", value)}</span>
    </span>
  );
}

const listeners = new Set<() => void>();
let clockNow = Date.now();
setInterval(() => {
  clockNow = Date.now();
  for (const listener of listeners) listener();
}, 10_000);

function useNow(): number {
  const [now, setNow] = useState(clockNow);
  useEffect(() => {
    const listener = () => setNow(clockNow);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return Math.max(now, clockNow);
}

export function Time({ iso }: { iso: string | null }) {
  const text = useText();
  const now = useNow();
  const { times } = useAppearance();
  if (!iso) return <span className="muted">–</span>;
  const { unit, value } = ago(iso, now);
  const relative = unit === "second" && value < 10 ? text("time.now") : text(`time.${unit}`, { n: value });
  return (
    <time dateTime={iso} title={times === "relative" ? absolute(iso) : relative}>
      {times === "relative" ? relative : absolute(iso)}
    </time>
  );
}

export function useCopy(): [boolean, (value: string) => void] {
  const [copied, setCopied] = useState(false);
  const copy = (value: string) => {
    void navigator.clipboard.writeText(value).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    });
  };
  return [copied, copy];
}

export function CopyId({ id, keep = 4 }: { id: string; keep?: number }) {
  const text = useText();
  const [copied, copy] = useCopy();
  return (
    <button type="button" className="copy-id" title={`${id} – ${text("copy.hint")}`} onClick={() => copy(id)}>
      <span className="mono">{shortId(id.replace(/^sha256:/, ""), keep)}</span>
      <Icon name={copied ? "check" : "copy"} />
      <span className="sr-only" aria-live="polite">
        {copied ? text("copy.done") : text("copy.hint")}
      </span>
    </button>
  );
}

export function CopyButton({ value, label }: { value: string; label?: string }) {
  const text = useText();
  const [copied, copy] = useCopy();
  return (
    <Button variant="quiet" icon={copied ? "check" : "copy"} onClick={() => copy(value)} aria-live="polite">
      {copied ? text("copy.done") : (label ?? text("copy"))}
    </Button>
  );
}

/** Skeleton rows, after 200 ms only: a quick answer must not flash. */
export function Loading({ rows = 6 }: { rows?: number }) {
  const text = useText();
  return (
    <div className="loading" role="status" aria-label={text("loading")}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="skeleton" style={{ width: `${92 - ((index * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <span className="fact">
      <span className="muted">{label}</span> {children}
    </span>
  );
}

interface HeaderProps {
  title: ReactNode;
  crumbs?: ReactNode;
  facts?: ReactNode;
  actions?: ReactNode;
}

export function PageHeader({ title, crumbs, facts, actions }: HeaderProps) {
  return (
    <header className="page-header">
      {crumbs && <nav className="crumbs">{crumbs}</nav>}
      <div className="page-title">
        <h1 tabIndex={-1}>{title}</h1>
        {actions && <div className="page-actions">{actions}</div>}
      </div>
      {facts && <div className="facts">{facts}</div>}
    </header>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Loopwright`;
  }, [title]);
}
