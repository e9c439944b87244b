/** The documents of a knowledge base. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { documentsQuery } from "../../api/queries";
import type { Document } from "../../api/types";
import { DataTable, type Column } from "../../kit/DataTable";
import { ErrorNote } from "../../kit/ErrorNote";
import { bytes, count } from "../../kit/format";
import { Empty, Loading, Status } from "../../kit/parts";
import { useText, type Translate } from "../../messages";
import { useListKeys } from "../../shell/hotkeys";

interface Props {
  name: string;
  sort?: string;
  onSort: (sort: string) => void;
  openId?: string;
  onOpen: (id: string) => void;
}

const NONE: readonly Document[] = [];

function columnsOf(text: Translate): Column<Document>[] {
  return [
    { id: "source", header: text("doc.source"), width: "minmax(140px, 3fr)", sortBy: (row) => row.source, cell: (row) => <span className="mono ellipsis" title={row.source}>{row.source}</span> },
    { id: "title", header: text("doc.title"), width: "minmax(120px, 2fr)", from: "wide", sortBy: (row) => row.title, cell: (row) => <span className="ellipsis" dir="auto">{row.title}</span> },
    { id: "status", header: text("kb.status"), width: "96px", sortBy: (row) => row.status, cell: (row) => <Status value={row.status} /> },
    { id: "reason", header: text("doc.reason"), width: "minmax(80px, 2fr)", from: "wide", cell: (row) => <span className="ellipsis bad" title={row.reason ?? ""}>{row.reason}</span> },
    { id: "pages", header: text("doc.pages"), width: "72px", align: "end", from: "medium", sortBy: (row) => row.page_count ?? 0, cell: (row) => row.page_count ?? "–" },
    { id: "passages", header: text("kb.passages"), width: "88px", align: "end", from: "medium", sortBy: (row) => row.passage_count, cell: (row) => count(row.passage_count) },
    { id: "bytes", header: text("doc.size"), width: "80px", align: "end", sortBy: (row) => row.bytes, cell: (row) => bytes(row.bytes) },
  ];
}

export function Documents({ name, sort, onSort, openId, onOpen }: Props) {
  const text = useText();
  const list = useQuery(documentsQuery(name));
  const rows = list.data?.items ?? NONE;
  const columns = useMemo(() => columnsOf(text), [text]);
  useListKeys(
    rows.map((row) => row.id),
    openId,
    onOpen,
    onOpen,
  );
  if (list.isPending) return <Loading />;
  if (list.error) return <ErrorNote error={list.error} what={text("kb.documents.failed")} onRetry={() => void list.refetch()} />;
  if (rows.length === 0) return <Empty title={text("kb.documents.none")} />;
  return <DataTable label={text("kb.documents")} rows={rows} columns={columns} rowId={(row) => row.id} href={(row) => `/knowledge/${encodeURIComponent(name)}?tab=documents&document=${encodeURIComponent(row.id)}`} onOpen={(row) => onOpen(row.id)} activeId={openId} sort={sort} onSort={onSort} />;
}
