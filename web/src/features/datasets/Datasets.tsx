/** The list of datasets. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { datasetsQuery } from "../../api/queries";
import type { Dataset } from "../../api/types";
import { Snippet } from "../../kit/code";
import { DataTable, type Column } from "../../kit/DataTable";
import { ErrorNote } from "../../kit/ErrorNote";
import { count } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { Empty, Loading, PageHeader, Time, useTitle } from "../../kit/parts";
import { useText, type Translate } from "../../messages";
import { useListKeys } from "../../shell/hotkeys";

const route = getRouteApi("/datasets");
const NONE: readonly Dataset[] = [];

function datasetColumns(text: Translate): Column<Dataset>[] {
  return [
    { id: "name", header: text("dataset.name"), width: "minmax(140px, 2fr)", sortBy: (row) => row.name, cell: (row) => <span className="mono ellipsis" title={row.name}>{row.name}</span> },
    { id: "description", header: text("dataset.description"), width: "minmax(120px, 3fr)", from: "wide", cell: (row) => <span className="muted ellipsis" dir="auto">{row.description}</span> },
    { id: "version", header: text("dataset.version"), width: "80px", align: "end", sortBy: (row) => row.latest_version, cell: (row) => `v${row.latest_version}` },
    { id: "rows", header: text("dataset.rows"), width: "88px", align: "end", sortBy: (row) => row.row_count, cell: (row) => count(row.row_count) },
    { id: "updated", header: text("dataset.updated"), width: "112px", align: "end", from: "medium", sortBy: (row) => row.updated_at, cell: (row) => <Time iso={row.updated_at} /> },
  ];
}

export function Datasets() {
  const text = useText();
  const navigate = useNavigate();
  const { sort } = route.useSearch();
  const list = useQuery(datasetsQuery);
  const rows = list.data?.items ?? NONE;
  const columns = useMemo(() => datasetColumns(text), [text]);
  const [cursor, setCursor] = useState<string | undefined>();
  const open = (name: string) => void navigate({ to: "/datasets/$name", params: { name } });
  useTitle(text("nav.datasets"));
  useListKeys(
    rows.map((row) => row.name),
    cursor,
    setCursor,
    open,
  );
  return (
    <div className="page page-list">
      <PageHeader
        title={text("nav.datasets")}
        facts={list.isSuccess && <span>{text("datasets.count", { n: count(rows.length) })}</span>}
        actions={
          <Link to="/traces" className="btn" data-variant="main">
            <Icon name="plus" />
            {text("datasets.make")}
          </Link>
        }
      />
      {list.error && <ErrorNote error={list.error} what={text("datasets.failed")} onRetry={() => void list.refetch()} />}
      {list.isPending && <Loading />}
      {rows.length > 0 && <DataTable label={text("nav.datasets")} rows={rows} columns={columns} rowId={(row) => row.name} href={(row) => `/datasets/${encodeURIComponent(row.name)}`} onOpen={(row) => open(row.name)} activeId={cursor} sort={sort} onSort={(next) => void navigate({ to: "/datasets", search: { sort: next }, replace: true })} />}
      {list.isSuccess && rows.length === 0 && (
        <Empty title={text("datasets.none")}>
          <p>{text("datasets.none.why")}</p>
          <Link to="/traces" search={{ feedback: "up" }} className="btn" data-variant="plain">
            {text("datasets.none.step")}
          </Link>
          <p className="muted">{text("empty.shell")}</p>
          <Snippet label={text("empty.shell")} code="loopwright dataset from-traces good-answers --feedback up" />
        </Empty>
      )}
    </div>
  );
}
