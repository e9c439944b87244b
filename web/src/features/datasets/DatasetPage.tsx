/** One dataset: the rows of a version, and all its versions with where each came from. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { remove, segment, type Query } from "../../api/client";
import { datasetQuery, rowsQuery } from "../../api/queries";
import type { Dataset, DatasetRow, DatasetVersion } from "../../api/types";
import { Select, Tabs } from "../../kit/choices";
import { DataTable, type Column } from "../../kit/DataTable";
import { ErrorNote } from "../../kit/ErrorNote";
import { count, dollars } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { Dialog } from "../../kit/overlays";
import { Button, CopyId, Empty, Fact, Loading, PageHeader, Time, useTitle } from "../../kit/parts";
import { useText, type Translate } from "../../messages";
import { useListKeys } from "../../shell/hotkeys";
import { contentText } from "../traces/conversation";
import { parseFilter } from "../traces/filter";
import { ScoreValue } from "../traces/Scores";
import { FilterWords, rowQuestion } from "./MakeDataset";
import { PeekRow } from "./PeekRow";

const route = getRouteApi("/datasets/$name");
const NONE: readonly DatasetRow[] = [];

const asNumber = (value: unknown): number | null => (typeof value === "number" ? value : null);

function rowColumns(text: Translate): Column<DatasetRow>[] {
  return [
    { id: "question", header: text("row.question"), width: "minmax(140px, 3fr)", cell: (row) => <span className="ellipsis" dir="auto">{rowQuestion(row)}</span> },
    { id: "output", header: text("row.output"), width: "minmax(120px, 3fr)", from: "medium", cell: (row) => <span className="ellipsis muted" dir="auto">{contentText(row.output?.content)}</span> },
    { id: "labels", header: text("row.labels"), width: "120px", cell: (row) => <span className="cell-scores">{row.labels.slice(0, 3).map((label, index) => <ScoreValue key={index} score={label} />)}</span> },
    { id: "model", header: text("trace.model"), width: "minmax(96px, 160px)", from: "wide", cell: (row) => <span className="mono ellipsis">{String(row.metadata.model ?? "")}</span> },
    { id: "cost", header: text("trace.cost.unit"), width: "72px", align: "end", from: "wide", cell: (row) => dollars(asNumber(row.metadata.cost_usd)) },
  ];
}

export function DatasetPage() {
  const text = useText();
  const navigate = useNavigate();
  const { name } = route.useParams();
  const search = route.useSearch();
  const detail = useQuery(datasetQuery(name));
  const [dropping, setDropping] = useState(false);
  useTitle(name);
  if (detail.isPending) return <Loading />;
  if (detail.error)
    return (
      <div className="page">
        <ErrorNote error={detail.error} what={text("dataset.failed")} onRetry={() => void detail.refetch()} />
      </div>
    );
  const { dataset, versions } = detail.data;
  const number = search.version ?? dataset.latest_version;
  const version = versions.find((each) => each.version === number);
  return (
    <div className="page page-list" data-peek={search.peek === undefined ? undefined : ""}>
      <PageHeader
        crumbs={
          <>
            <Link to="/datasets">{text("nav.datasets")}</Link>
            <Icon name="chevron" />
            <span className="mono">{name}</span>
          </>
        }
        title={name}
        facts={<DatasetFacts dataset={dataset} version={version} />}
        actions={
          <>
            <Button variant="quiet" icon="trash" onClick={() => setDropping(true)}>
              {text("dataset.delete")}
            </Button>
            {versions.length > 0 && (
              <Select inline label={text("dataset.version")} value={String(number)} options={versions.map((each) => ({ id: String(each.version), label: `v${each.version}`, detail: count(each.row_count) }))} onChange={(id) => void navigate({ to: "/datasets/$name", params: { name }, search: { version: Number(id) } })} />
            )}
            <a className="btn" data-variant="main" href={`/api/datasets/${segment(name)}/versions/${number}/export`} download={`${name}-v${number}.jsonl`}>
              {text("dataset.export")}
            </a>
          </>
        }
      />
      <Tabs
        label={name}
        selected={search.tab ?? "rows"}
        onSelect={(tab) => void navigate({ to: "/datasets/$name", params: { name }, search: { version: search.version, tab }, replace: true })}
        items={[
          { id: "rows", label: text("dataset.rows"), content: <Rows key={number} name={name} version={number} /> },
          { id: "versions", label: `${text("dataset.versions")} ${versions.length}`, content: <Versions name={name} versions={versions} /> },
        ]}
      />
      {dropping && <DeleteDataset dataset={dataset} onClose={() => setDropping(false)} />}
    </div>
  );
}

function DatasetFacts({ dataset, version }: { dataset: Dataset; version?: DatasetVersion }) {
  const text = useText();
  return (
    <>
      {dataset.description && <span dir="auto">{dataset.description}</span>}
      {version && (
        <>
          <Fact label={text("dataset.rows")}>
            <span className="num">{count(version.row_count)}</span>
          </Fact>
          <Fact label={text("dataset.digest")}>
            <CopyId id={version.digest} keep={6} />
          </Fact>
          <Fact label={text("dataset.made")}>
            <Time iso={version.created_at} />
          </Fact>
        </>
      )}
    </>
  );
}

function Rows({ name, version }: { name: string; version: number }) {
  const text = useText();
  const navigate = useNavigate();
  const { peek, ...search } = route.useSearch();
  const list = useInfiniteQuery(rowsQuery(name, version));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? NONE, [list.data]);
  const columns = useMemo(() => rowColumns(text), [text]);
  const [cursor, setCursor] = useState<string | undefined>();
  const setPeek = (id: string | undefined) => void navigate({ to: "/datasets/$name", params: { name }, search: { ...search, peek: id }, replace: true });
  useListKeys(
    useMemo(() => rows.map((row) => row.id), [rows]),
    peek ?? cursor,
    (id) => (peek === undefined ? setCursor(id) : setPeek(id)),
    (id) => {
      const traceId = rows.find((row) => row.id === id)?.trace_id;
      if (peek === undefined) setPeek(id);
      else if (traceId) void navigate({ to: "/traces/$traceId", params: { traceId } });
    },
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const loadMore = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const peeked = rows.find((row) => row.id === peek);
  if (list.isPending) return <Loading />;
  if (list.error) return <ErrorNote error={list.error} what={text("rows.failed")} onRetry={() => void list.refetch()} />;
  if (rows.length === 0) return <Empty title={text("rows.none")} />;
  return (
    <>
      <DataTable label={text("dataset.rows")} rows={rows} columns={columns} rowId={(row) => row.id} href={(row) => `/datasets/${segment(name)}?version=${version}&peek=${segment(row.id)}`} onOpen={(row) => setPeek(row.id)} activeId={peek ?? cursor} onEnd={loadMore} />
      {peeked && <PeekRow row={peeked} onClose={() => setPeek(undefined)} />}
    </>
  );
}

function Versions({ name, versions }: { name: string; versions: readonly DatasetVersion[] }) {
  const text = useText();
  return (
    <ol className="versions">
      {[...versions]
        .sort((a, b) => b.version - a.version)
        .map((version) => (
          <li key={version.version}>
            <div className="version-head">
              <Link to="/datasets/$name" params={{ name }} search={{ version: version.version }} className="mono">
                v{version.version}
              </Link>
              <span className="num">{text("rows.count", { n: count(version.row_count) })}</span>
              <CopyId id={version.digest} keep={6} />
              <span className="muted">
                <Time iso={version.created_at} /> · {version.created_by}
              </span>
            </div>
            {version.note && <p dir="auto">{version.note}</p>}
            {version.source.filter && (
              <div className="version-source">
                <FilterWords filter={version.source.filter as Query} />
                <Link to="/traces" search={parseFilter(version.source.filter)}>
                  {text("dataset.source")}
                </Link>
              </div>
            )}
          </li>
        ))}
    </ol>
  );
}

function DeleteDataset({ dataset, onClose }: { dataset: Dataset; onClose: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const client = useQueryClient();
  const drop = useMutation({
    mutationFn: () => remove(`/api/datasets/${segment(dataset.name)}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["datasets"], exact: true });
      void navigate({ to: "/datasets" });
    },
  });
  return (
    <Dialog title={text("dataset.delete.title", { name: dataset.name })} onClose={onClose}>
      <p>{text("dataset.delete.why", { n: dataset.version_count })}</p>
      {drop.error && <ErrorNote error={drop.error} />}
      <div className="dialog-actions">
        <Button onClick={onClose}>{text("cancel")}</Button>
        <Button variant="danger" disabled={drop.isPending} onClick={() => drop.mutate()}>
          {text("dataset.delete.action", { name: dataset.name })}
        </Button>
      </div>
    </Dialog>
  );
}
