/** API keys: who may call, made and revoked here. A key is shown once, when it is made. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";
import { remove, segment } from "../../api/client";
import { keysQuery } from "../../api/queries";
import type { ApiKey, Role } from "../../api/types";
import { Segments } from "../../kit/choices";
import { Snippet } from "../../kit/code";
import { DataTable, type Column } from "../../kit/DataTable";
import { ErrorNote } from "../../kit/ErrorNote";
import { Dialog } from "../../kit/overlays";
import { Button, Empty, Field, Loading, Time } from "../../kit/parts";
import { useNamed, useText, type Translate } from "../../messages";
import { RequestSnippets, useCreateKey } from "../session/useSnippets";

const NONE: readonly ApiKey[] = [];

function columnsOf(text: Translate, named: (prefix: string, value: string) => string, onRevoke: (key: ApiKey) => void): Column<ApiKey>[] {
  return [
    { id: "name", header: text("keys.name"), width: "minmax(96px, 2fr)", cell: (row) => <span className="ellipsis" dir="auto">{row.name}</span> },
    { id: "prefix", header: text("keys.prefix"), width: "minmax(96px, 1fr)", from: "medium", cell: (row) => <span className="mono">{row.prefix}…</span> },
    { id: "role", header: text("keys.role"), width: "88px", cell: (row) => named("roles", row.role) },
    { id: "created", header: text("keys.created"), width: "112px", align: "end", from: "medium", cell: (row) => <Time iso={row.created_at} /> },
    { id: "used", header: text("keys.used"), width: "112px", align: "end", from: "medium", cell: (row) => <Time iso={row.last_used_at} /> },
    {
      id: "revoke",
      header: <span className="sr-only">{text("keys.revoke")}</span>,
      width: "112px",
      align: "end",
      cell: (row) =>
        row.revoked_at ? (
          <span className="muted">{text("keys.revoked")}</span>
        ) : (
          <Button variant="quiet" aria-label={text("keys.revoke.action", { name: row.name })} onClick={() => onRevoke(row)}>
            {text("keys.revoke")}
          </Button>
        ),
    },
  ];
}

export function Keys() {
  const text = useText();
  const named = useNamed();
  const keys = useQuery(keysQuery);
  const [over, setOver] = useState<"create" | ApiKey | null>(null);
  const columns = useMemo(() => columnsOf(text, named, setOver), [text, named]);
  const rows = keys.data?.items ?? NONE;
  return (
    <div className="stack">
      <div className="section-head">
        <p className="muted">{text("keys.why")}</p>
        <Button variant="main" icon="plus" onClick={() => setOver("create")}>
          {text("keys.create")}
        </Button>
      </div>
      {keys.isPending && <Loading />}
      {keys.error && <ErrorNote error={keys.error} what={text("keys.failed")} onRetry={() => void keys.refetch()} />}
      {rows.length > 0 && <DataTable fit label={text("settings.keys")} rows={rows} columns={columns} rowId={(row) => row.id} />}
      {keys.isSuccess && rows.length === 0 && <Empty title={text("keys.none")} />}
      <section>
        <h2>{text("home.connect")}</h2>
        <RequestSnippets />
      </section>
      {over === "create" && <CreateKey onClose={() => setOver(null)} />}
      {over !== null && over !== "create" && <RevokeKey apiKey={over} onClose={() => setOver(null)} />}
    </div>
  );
}

function CreateKey({ onClose }: { onClose: () => void }) {
  const text = useText();
  const named = useNamed();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("member");
  const create = useCreateKey();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) create.mutate({ name: name.trim(), role });
  };
  return (
    <Dialog title={text("keys.create")} onClose={onClose}>
      {create.data ? (
        <div className="stack" role="status">
          <p>{text("keys.once")}</p>
          <Snippet code={create.data.key} label={create.data.name} />
          <div className="dialog-actions">
            <Button variant="main" onClick={onClose}>
              {text("keys.kept")}
            </Button>
          </div>
        </div>
      ) : (
        <form className="stack" onSubmit={submit}>
          <Field label={text("keys.name")} hint={text("keys.name.hint")} autoFocus required value={name} onChange={(event) => setName(event.target.value)} />
          <div className="field">
            <span className="field-label">{text("keys.role")}</span>
            <Segments label={text("keys.role")} value={role} onChange={setRole} options={(["admin", "member", "viewer"] as const).map((id) => ({ id, label: named("roles", id) }))} />
            <span className="field-hint">{named("rolehint", role)}</span>
          </div>
          {create.error && <ErrorNote error={create.error} what={text("keys.create.failed")} />}
          <div className="dialog-actions">
            <Button onClick={onClose}>{text("cancel")}</Button>
            <Button variant="main" type="submit" disabled={!name.trim() || create.isPending}>
              {text("keys.create")}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

function RevokeKey({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const text = useText();
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => remove(`/api/keys/${segment(apiKey.id)}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keysQuery.queryKey });
      onClose();
    },
  });
  return (
    <Dialog title={text("keys.revoke.title", { name: apiKey.name })} onClose={onClose}>
      <p>{text("keys.revoke.why", { prefix: apiKey.prefix })}</p>
      {revoke.error && <ErrorNote error={revoke.error} what={text("keys.revoke.failed")} />}
      <div className="dialog-actions">
        <Button onClick={onClose}>{text("cancel")}</Button>
        <Button variant="danger" disabled={revoke.isPending} onClick={() => revoke.mutate()}>
          {text("keys.revoke.action", { name: apiKey.name })}
        </Button>
      </div>
    </Dialog>
  );
}
