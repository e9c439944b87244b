/** The list of knowledge bases. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { knowledgeBasesQuery } from "../../api/queries";
import type { KnowledgeBase } from "../../api/types";
import { Snippet } from "../../kit/code";
import { DataTable, type Column } from "../../kit/DataTable";
import { ErrorNote } from "../../kit/ErrorNote";
import { count } from "../../kit/format";
import { Button, Empty, Loading, PageHeader, Status, Time, useTitle } from "../../kit/parts";
import { useText, type Translate } from "../../messages";
import { useListKeys } from "../../shell/hotkeys";
import { AddDocuments } from "./AddDocuments";

const route = getRouteApi("/knowledge");
const NONE: readonly KnowledgeBase[] = [];
const BUILDING_POLL_MS = 3000;

function columnsOf(text: Translate): Column<KnowledgeBase>[] {
  return [
    { id: "name", header: text("kb.name"), width: "minmax(120px, 2fr)", sortBy: (row) => row.name, cell: (row) => <span className="mono ellipsis" title={row.name}>{row.name}</span> },
    { id: "description", header: text("kb.description"), width: "minmax(120px, 3fr)", from: "wide", cell: (row) => <span className="ellipsis muted" dir="auto">{row.description}</span> },
    { id: "status", header: text("kb.status"), width: "96px", sortBy: (row) => row.status, cell: (row) => <Status value={row.status} /> },
    { id: "documents", header: text("kb.documents"), width: "104px", align: "end", sortBy: (row) => row.document_count, cell: (row) => count(row.document_count) },
    { id: "passages", header: text("kb.passages"), width: "96px", align: "end", from: "medium", sortBy: (row) => row.passage_count, cell: (row) => count(row.passage_count) },
    { id: "failed", header: text("kb.failed"), width: "80px", align: "end", from: "medium", sortBy: (row) => row.failed_count, cell: (row) => <span className={row.failed_count > 0 ? "bad" : "muted"}>{count(row.failed_count)}</span> },
    { id: "updated", header: text("dataset.updated"), width: "112px", align: "end", from: "medium", sortBy: (row) => row.updated_at, cell: (row) => <Time iso={row.updated_at} /> },
  ];
}

export function KnowledgeBases() {
  const text = useText();
  const navigate = useNavigate();
  const { sort, create } = route.useSearch();
  const list = useQuery({ ...knowledgeBasesQuery, refetchInterval: (query) => (query.state.data?.items.some((base) => base.status === "building") ? BUILDING_POLL_MS : false) });
  const rows = list.data?.items ?? NONE;
  const columns = useMemo(() => columnsOf(text), [text]);
  const [cursor, setCursor] = useState<string | undefined>();
  const open = (name: string) => void navigate({ to: "/knowledge/$name", params: { name } });
  const setCreating = (on: boolean) => void navigate({ to: "/knowledge", search: { sort, ...(on ? { create: true } : {}) }, replace: true });
  useTitle(text("nav.knowledge"));
  useListKeys(
    rows.map((row) => row.name),
    cursor,
    setCursor,
    open,
  );
  return (
    <div className="page page-list">
      <PageHeader
        title={text("nav.knowledge")}
        facts={list.isSuccess && <span>{text("kb.count", { n: count(rows.length) })}</span>}
        actions={
          <Button variant="main" icon="plus" onClick={() => setCreating(true)}>
            {text("kb.create")}
          </Button>
        }
      />
      {list.error && <ErrorNote error={list.error} what={text("kb.list.failed")} onRetry={() => void list.refetch()} />}
      {list.isPending && <Loading />}
      {rows.length > 0 && <DataTable label={text("nav.knowledge")} rows={rows} columns={columns} rowId={(row) => row.name} href={(row) => `/knowledge/${encodeURIComponent(row.name)}`} onOpen={(row) => open(row.name)} activeId={cursor} sort={sort} onSort={(next) => void navigate({ to: "/knowledge", search: { sort: next }, replace: true })} />}
      {list.isSuccess && rows.length === 0 && (
        <Empty title={text("kb.none")}>
          <p>{text("kb.none.why")}</p>
          <Button icon="upload" onClick={() => setCreating(true)}>
            {text("kb.none.step")}
          </Button>
          <p className="muted">{text("empty.shell")}</p>
          <Snippet label={text("empty.shell")} code="loopwright kb create handbook ./docs" />
        </Empty>
      )}
      {create && <AddDocuments onClose={() => setCreating(false)} />}
    </div>
  );
}
