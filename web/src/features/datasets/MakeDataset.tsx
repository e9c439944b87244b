/** From a filter of traces to a dataset version: a name, a look at what it will hold, then the version. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent } from "react";
import { post, segment, type Query } from "../../api/client";
import { datasetsQuery } from "../../api/queries";
import type { DatasetRow, VersionAnswer } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { count } from "../../kit/format";
import { Dialog } from "../../kit/overlays";
import { Button, Field, Loading } from "../../kit/parts";
import { useNamed, useText } from "../../messages";
import { contentText } from "../traces/conversation";

const LIMIT = 10_000;
const SAMPLE = 5;
const PREVIEW_WAIT_MS = 400;
/** The dry run needs a name; a version of this one is never written. */
const PREVIEW_NAME = "preview";

export function rowQuestion(row: DatasetRow): string {
  const asked = [...row.messages].reverse().find((message) => message.role === "user") ?? row.messages[row.messages.length - 1];
  return contentText(asked?.content);
}

function useVersionRequest(filter: Query) {
  return (name: string, options: { limit: number; note?: string; dry_run: boolean }) => post<VersionAnswer>(`/api/datasets/${segment(name)}/versions`, { filter, ...options });
}

function usePreview(filter: Query, name: string, limit: number) {
  const request = useVersionRequest(filter);
  const [settled, setSettled] = useState({ name, limit });
  useEffect(() => {
    const timer = setTimeout(() => setSettled({ name, limit }), PREVIEW_WAIT_MS);
    return () => clearTimeout(timer);
  }, [name, limit]);
  return useQuery({
    queryKey: ["dataset-preview", filter, settled],
    queryFn: () => request(settled.name || PREVIEW_NAME, { limit: settled.limit, dry_run: true }),
    placeholderData: (before) => before,
    retry: false,
  });
}

export function MakeDataset({ filter, onClose }: { filter: Query; onClose: () => void }) {
  const text = useText();
  const client = useQueryClient();
  const request = useVersionRequest(filter);
  const [name, setName] = useState("");
  const [note, setNote] = useState("");
  const [limit, setLimit] = useState(LIMIT);
  const preview = usePreview(filter, name.trim(), limit);
  const create = useMutation({
    mutationFn: () => request(name.trim(), { limit, note: note || undefined, dry_run: false }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["datasets"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() && !create.isPending) create.mutate();
  };
  const rows = preview.data?.version.row_count ?? 0;
  return (
    <Dialog title={text("make.title")} onClose={onClose} size="wide">
      {create.data ? (
        <Made answer={create.data} onClose={onClose} />
      ) : (
        <form className="stack" onSubmit={submit}>
          <FilterWords filter={filter} />
          <div className="form-row">
            <DatasetName value={name} onChange={setName} />
            <Field label={text("make.limit")} type="number" min="1" max="1000000" value={limit} onChange={(event) => setLimit(Math.max(1, Number(event.target.value)))} />
          </div>
          <Field label={text("make.note")} dir="auto" value={note} onChange={(event) => setNote(event.target.value)} />
          {preview.isPending && <Loading rows={4} />}
          {preview.error && <ErrorNote error={preview.error} what={text("make.preview.failed")} />}
          {preview.data && !preview.error && <Preview answer={preview.data} />}
          {create.error && <ErrorNote error={create.error} what={text("make.failed")} />}
          <div className="dialog-actions">
            <Button onClick={onClose}>{text("cancel")}</Button>
            <Button variant="main" type="submit" disabled={!name.trim() || create.isPending || rows === 0}>
              {text("make.action", { n: count(rows) })}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

/** A free name with the datasets there are as suggestions: an old name gets a new version. */
function DatasetName({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const text = useText();
  const datasets = useQuery(datasetsQuery).data?.items ?? [];
  const existing = datasets.find((dataset) => dataset.name === value.trim());
  return (
    <>
      <Field
        label={text("make.name")}
        list="dataset-names"
        required
        autoFocus
        autoComplete="off"
        spellCheck={false}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        hint={existing ? text("make.name.existing", { version: existing.latest_version + 1 }) : text("make.name.hint")}
      />
      <datalist id="dataset-names">
        {datasets.map((dataset) => (
          <option key={dataset.id} value={dataset.name} />
        ))}
      </datalist>
    </>
  );
}

export function FilterWords({ filter }: { filter: Query }) {
  const text = useText();
  const named = useNamed();
  const set = Object.entries(filter).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return (
    <p className="filter-words">
      <span className="muted">{text("make.from")}</span>
      {set.length === 0 && <span>{text("make.from.all")}</span>}
      {set.map(([key, value]) => (
        <span key={key} className="chip" data-still="">
          <span className="muted">{named("filter", key)}</span> <span className="mono">{String(value)}</span>
        </span>
      ))}
    </p>
  );
}

function Preview({ answer }: { answer: VersionAnswer }) {
  const text = useText();
  const { duplicates, skipped } = answer.counts;
  const total = answer.version.row_count;
  return (
    <section className="preview" aria-live="polite">
      <h3>{text("make.preview", { n: count(total) })}</h3>
      <p className="facts muted">
        {duplicates > 0 && <span>{text("make.duplicates", { n: count(duplicates) })}</span>}
        {skipped > 0 && <span>{text("make.skipped", { n: count(skipped) })}</span>}
      </p>
      {total === 0 && <p className="muted">{text("make.preview.none")}</p>}
      <ul className="preview-rows">
        {answer.sample.slice(0, SAMPLE).map((row, index) => (
          <li key={row.id || index}>
            <span className="ellipsis" dir="auto">
              {rowQuestion(row)}
            </span>
            <span className="ellipsis muted" dir="auto">
              {contentText(row.output?.content)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Links ignore autoFocus. */
const focusNow = (element: HTMLElement | null): void => element?.focus();

function Made({ answer, onClose }: { answer: VersionAnswer; onClose: () => void }) {
  const text = useText();
  const { dataset, version } = answer;
  return (
    <div className="stack" role="status">
      <p>{text("make.done", { name: dataset.name, version: version.version, n: count(version.row_count) })}</p>
      <div className="dialog-actions">
        <Button onClick={onClose}>{text("close")}</Button>
        <Link to="/datasets/$name" params={{ name: dataset.name }} search={{ version: version.version }} className="btn" data-variant="main" ref={focusNow}>
          {text("make.open", { name: dataset.name })}
        </Link>
      </div>
    </div>
  );
}
