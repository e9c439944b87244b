/** One knowledge base: ask it, see its documents, what failed and why, and its versions. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { post, remove, segment } from "../../api/client";
import { documentsQuery, knowledgeBaseQuery } from "../../api/queries";
import type { Job, KnowledgeBaseDetail } from "../../api/types";
import { Tabs } from "../../kit/choices";
import { JsonView } from "../../kit/code";
import { ErrorNote } from "../../kit/ErrorNote";
import { count } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { Dialog } from "../../kit/overlays";
import { Button, Empty, Fact, Loading, PageHeader, Status, Time, useTitle } from "../../kit/parts";
import { useText } from "../../messages";
import { AddDocuments } from "./AddDocuments";
import { Assistants } from "./Assistants";
import { DocumentSheet } from "./DocumentSheet";
import { Documents } from "./Documents";
import { JobProgress } from "./JobProgress";
import { Search } from "./Search";

const route = getRouteApi("/knowledge/$name");

export function KnowledgeBasePage() {
  const text = useText();
  const { name } = route.useParams();
  const base = useQuery(knowledgeBaseQuery(name));
  useTitle(name);
  if (base.isPending) return <Loading />;
  if (base.error)
    return (
      <div className="page">
        <ErrorNote error={base.error} what={text("kb.one.failed")} onRetry={() => void base.refetch()} />
      </div>
    );
  return <Body base={base.data} />;
}

function Body({ base }: { base: KnowledgeBaseDetail }) {
  const text = useText();
  const navigate = useNavigate();
  const client = useQueryClient();
  const search = route.useSearch();
  const { name } = base;
  const [over, setOver] = useState<"add" | "delete" | null>(null);
  const build = useMutation({
    mutationFn: () => post<Job>(`/api/knowledge-bases/${segment(name)}/build`),
    onSuccess: () => client.invalidateQueries({ queryKey: knowledgeBaseQuery(name).queryKey }),
  });
  const refresh = useCallback(() => void client.invalidateQueries({ queryKey: ["knowledge-bases"] }), [client]);
  const jobId = build.data?.id ?? (base.status === "building" ? base.job_id : null);
  const go = (change: Partial<typeof search>) => void navigate({ to: "/knowledge/$name", params: { name }, search: { ...search, ...change }, replace: true });
  return (
    <div className="page page-list" data-peek={search.document === undefined ? undefined : ""}>
      <PageHeader
        crumbs={
          <>
            <Link to="/knowledge">{text("nav.knowledge")}</Link>
            <Icon name="chevron" />
            <span className="mono">{name}</span>
          </>
        }
        title={name}
        facts={<BaseFacts base={base} />}
        actions={
          <>
            <Button variant="quiet" icon="trash" onClick={() => setOver("delete")}>
              {text("kb.delete")}
            </Button>
            <Button icon="refresh" disabled={build.isPending || base.document_count === 0} onClick={() => build.mutate()}>
              {text("kb.build")}
            </Button>
            <Button variant="main" icon="plus" onClick={() => setOver("add")}>
              {text("kb.add")}
            </Button>
          </>
        }
      />
      {jobId && <JobProgress id={jobId} onEnd={refresh} />}
      {build.error && <ErrorNote error={build.error} what={text("kb.build.failed")} />}
      <Tabs
        label={name}
        selected={search.tab ?? "search"}
        onSelect={(tab) => go({ tab })}
        items={[
          { id: "search", label: text("kb.search"), content: <Search name={name} ready={base.passage_count > 0} question={search.q ?? ""} onQuestion={(q) => go({ q: q || undefined })} onOpen={(document, passage) => go({ document, passage })} /> },
          { id: "documents", label: `${text("kb.documents")} ${count(base.document_count)}`, content: <Documents name={name} sort={search.sort} onSort={(sort) => go({ sort })} openId={search.document} onOpen={(document) => go({ document, passage: undefined })} /> },
          { id: "assistants", label: text("assistant.tab"), content: <Assistants base={name} /> },
          { id: "failures", label: `${text("kb.failures")} ${count(base.failures.length)}`, content: <Failures failures={base.failures} /> },
          { id: "versions", label: text("kb.versions"), content: <Versions base={base} /> },
        ]}
      />
      {search.document && <DocumentSheet name={name} documentId={search.document} passageId={search.passage} onClose={() => go({ document: undefined, passage: undefined })} />}
      {over === "add" && <AddDocuments name={name} onClose={() => setOver(null)} />}
      {over === "delete" && <DeleteBase name={name} onClose={() => setOver(null)} />}
    </div>
  );
}

function BaseFacts({ base }: { base: KnowledgeBaseDetail }) {
  const text = useText();
  return (
    <>
      <Status value={base.status} />
      <Fact label={text("kb.documents")}>
        <span className="num">{count(base.document_count)}</span>
      </Fact>
      <Fact label={text("kb.passages")}>
        <span className="num">{count(base.passage_count)}</span>
      </Fact>
      {base.embedder && (
        <Fact label={text("kb.embedder")}>
          <span className="mono" title={base.embedder.real ? undefined : text("about.embedder.builtin")}>
            {base.embedder.name}
          </span>
        </Fact>
      )}
      <Fact label={text("dataset.updated")}>
        <Time iso={base.updated_at} />
      </Fact>
    </>
  );
}

function Failures({ failures }: { failures: KnowledgeBaseDetail["failures"] }) {
  const text = useText();
  if (failures.length === 0) return <Empty title={text("kb.failures.none")} />;
  return (
    <ul className="failures">
      {failures.map((failure) => (
        <li key={failure.document_id}>
          <span className="mono" title={failure.source}>
            {failure.source}
          </span>
          <span dir="auto">{failure.reason}</span>
        </li>
      ))}
    </ul>
  );
}

function Versions({ base }: { base: KnowledgeBaseDetail }) {
  const text = useText();
  return (
    <div className="stack">
      {base.versions.length === 0 && <p className="muted">{text("kb.versions.none")}</p>}
      <ol className="versions">
        {[...base.versions]
          .sort((a, b) => b.version - a.version)
          .map((version) => (
            <li key={version.version}>
              <div className="version-head">
                <span className="mono">v{version.version}</span>
                {version.version === base.active_version ? <span className="badge">{text("kb.version.active")}</span> : <Status value={version.status} />}
                <span className="num">{text("kb.version.documents", { n: count(version.document_count) })}</span>
                <span className="num">{text("kb.version.passages", { n: count(version.passage_count) })}</span>
                {version.failed_count > 0 && <span className="num bad">{text("kb.version.failed", { n: count(version.failed_count) })}</span>}
                <span className="mono muted">{version.embedder.name}</span>
                <span className="muted">
                  <Time iso={version.created_at} />
                </span>
              </div>
            </li>
          ))}
      </ol>
      {Object.keys(base.recipe).length > 0 && (
        <section>
          <h3>{text("kb.recipe")}</h3>
          <JsonView value={base.recipe} label={text("kb.recipe")} />
        </section>
      )}
    </div>
  );
}

function DeleteBase({ name, onClose }: { name: string; onClose: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const client = useQueryClient();
  const documents = useQuery(documentsQuery(name));
  const drop = useMutation({
    mutationFn: () => remove(`/api/knowledge-bases/${segment(name)}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["knowledge-bases"], exact: true });
      void navigate({ to: "/knowledge" });
    },
  });
  return (
    <Dialog title={text("kb.delete.title", { name })} onClose={onClose}>
      <p>{text("kb.delete.why", { n: documents.data ? count(documents.data.items.length) : "…" })}</p>
      {drop.error && <ErrorNote error={drop.error} />}
      <div className="dialog-actions">
        <Button onClick={onClose}>{text("cancel")}</Button>
        <Button variant="danger" disabled={drop.isPending} onClick={() => drop.mutate()}>
          {text("kb.delete.action", { name })}
        </Button>
      </div>
    </Dialog>
  );
}
