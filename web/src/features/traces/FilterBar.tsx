/** The filter bar: each choice is written to the address at once, text after a short rest. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { facetsQuery } from "../../api/queries";
import type { Facet } from "../../api/types";
import { Select, type Option } from "../../kit/choices";
import { count } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { Button, Field } from "../../kit/parts";
import { useNamed, useText, type MessageKey } from "../../messages";
import { RANGES, type TraceFilter } from "./filter";

interface Props {
  filter: TraceFilter;
  onChange: (change: Partial<TraceFilter>) => void;
}

const TYPING_MS = 300;
const STATUSES = ["ok", "error", "cancelled", "interrupted"];
const KINDS = ["model", "retrieval", "tool", "guard", "cache", "other"];
const FEEDBACK = ["any", "up", "down", "none"];
const CHIPS = ["provider", "session_id", "user_id", "since", "until"] as const;

function SearchBox({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const text = useText();
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  useEffect(() => {
    if (draft === value) return undefined;
    const timer = setTimeout(() => onChange(draft), TYPING_MS);
    return () => clearTimeout(timer);
    // Only the draft restarts the wait: the callback is new on every render.
  }, [draft]);
  return (
    <label className="search-box" data-search="">
      <Icon name="search" />
      <span className="sr-only">{text("traces.search")}</span>
      <input type="search" dir="auto" placeholder={text("traces.search")} value={draft} onChange={(event) => setDraft(event.target.value)} onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()} />
      <kbd>/</kbd>
    </label>
  );
}

function useOptions() {
  const text = useText();
  const named = useNamed();
  const all: Option = { id: "", label: text("filter.all") };
  return {
    fixed: (values: readonly string[], prefix: string): Option[] => [all, ...values.map((id) => ({ id, label: named(prefix, id) }))],
    facets: (facets: readonly Facet[] | undefined, current: string | undefined): Option[] => {
      const known = (facets ?? []).filter((facet) => facet.value !== "").map((facet) => ({ id: facet.value, label: facet.value, detail: count(facet.count) }));
      if (current && !known.some((option) => option.id === current)) known.push({ id: current, label: current, detail: "" });
      return [all, ...known];
    },
  };
}

function NumberField({ label, value, onChange, step }: { label: string; value: number | undefined; onChange: (value: number | undefined) => void; step: string }) {
  return <Field label={label} type="number" min="0" step={step} inputMode="decimal" value={value ?? ""} onChange={(event) => onChange(event.target.value === "" ? undefined : Number(event.target.value))} />;
}

/** Between the address (ISO, UTC) and a datetime-local input (local wall time without a zone). */
const toLocal = (iso: string | undefined): string => {
  if (!iso) return "";
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? "" : new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};
const fromLocal = (local: string): string | undefined => (local ? new Date(local).toISOString() : undefined);

function MoreFilters({ filter, onChange }: Pick<Props, "filter" | "onChange">) {
  const text = useText();
  return (
    <div className="filter-more">
      <NumberField label={text("filter.min_duration")} step="1" value={filter.min_duration_ms} onChange={(min_duration_ms) => onChange({ min_duration_ms })} />
      <NumberField label={text("filter.max_duration")} step="1" value={filter.max_duration_ms} onChange={(max_duration_ms) => onChange({ max_duration_ms })} />
      <NumberField label={text("filter.min_cost")} step="0.0001" value={filter.min_cost_usd} onChange={(min_cost_usd) => onChange({ min_cost_usd })} />
      <Field label={text("filter.since")} type="datetime-local" value={toLocal(filter.since)} onChange={(event) => onChange({ since: fromLocal(event.target.value), range: undefined })} />
      <Field label={text("filter.until")} type="datetime-local" value={toLocal(filter.until)} onChange={(event) => onChange({ until: fromLocal(event.target.value), range: undefined })} />
      <Field label={text("filter.session_id")} value={filter.session_id ?? ""} onChange={(event) => onChange({ session_id: event.target.value || undefined })} />
      <Field label={text("filter.user_id")} value={filter.user_id ?? ""} onChange={(event) => onChange({ user_id: event.target.value || undefined })} />
    </div>
  );
}

export function FilterBar({ filter, onChange }: Props) {
  const text = useText();
  const options = useOptions();
  const facets = useQuery(facetsQuery).data;
  const hidden = filter.min_duration_ms ?? filter.max_duration_ms ?? filter.min_cost_usd ?? filter.since ?? filter.until;
  const [more, setMore] = useState(hidden !== undefined);
  const select = (key: "status" | "model" | "endpoint" | "kind" | "feedback" | "range", list: Option[]) => (
    <Select key={key} inline label={text(`filter.${key}` as MessageKey)} options={list} value={filter[key] ?? ""} onChange={(value) => onChange({ [key]: value || undefined, ...(key === "range" ? { since: undefined, until: undefined } : {}) })} />
  );
  return (
    <div className="filter-bar" role="search" aria-label={text("filter.label")}>
      <div className="filter-main">
        <SearchBox value={filter.q ?? ""} onChange={(q) => onChange({ q: q || undefined })} />
        {select("range", options.fixed(Object.keys(RANGES), "range"))}
        {select("status", options.fixed(STATUSES, "status"))}
        {select("model", options.facets(facets?.models, filter.model))}
        {select("endpoint", options.facets(facets?.endpoints, filter.endpoint))}
        {select("feedback", options.fixed(FEEDBACK, "feedbackfilter"))}
        {select("kind", options.fixed(KINDS, "kind"))}
        <Button variant="quiet" icon="filter" aria-expanded={more} onClick={() => setMore(!more)}>
          {text("filter.more")}
        </Button>
      </div>
      {more && <MoreFilters filter={filter} onChange={onChange} />}
      {!more && <FilterChips filter={filter} onChange={onChange} />}
    </div>
  );
}

/** What is set but not on show in the bar, each with a way to take it off. */
function FilterChips({ filter, onChange }: Pick<Props, "filter" | "onChange">) {
  const text = useText();
  const set = CHIPS.filter((key) => filter[key] !== undefined);
  if (set.length === 0) return null;
  return (
    <ul className="chips">
      {set.map((key) => (
        <li key={key}>
          <button type="button" className="chip" title={text("filter.remove")} onClick={() => onChange({ [key]: undefined })}>
            <span className="muted">{text(`filter.${key}`)}</span> <span className="mono">{filter[key]}</span>
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}
