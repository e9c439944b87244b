/** A document in the right sheet, scrolled to one passage and marked there: where an answer came from. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { remove, segment } from "../../api/client";
import { documentQuery } from "../../api/queries";
import type { Passage } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { bytes } from "../../kit/format";
import { Sheet } from "../../kit/overlays";
import { Button, CopyId, Fact, IconButton, Loading, Status } from "../../kit/parts";
import { useText } from "../../messages";

interface Props {
  name: string;
  documentId: string;
  passageId?: string;
  onClose: () => void;
}

export function DocumentSheet({ name, documentId, passageId, onClose }: Props) {
  const text = useText();
  const client = useQueryClient();
  const document = useQuery(documentQuery(name, documentId));
  const drop = useMutation({
    mutationFn: () => remove(`/api/knowledge-bases/${segment(name)}/documents/${segment(documentId)}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["knowledge-bases", name] });
      onClose();
    },
  });
  const [asking, setAsking] = useState(false);
  const data = document.data;
  const head = (
    <>
      <span className="ellipsis sheet-title" dir="auto" title={data?.source}>
        {data?.title || data?.source || text("doc.label")}
      </span>
      {asking ? (
        <Button variant="danger" disabled={drop.isPending} onClick={() => drop.mutate()}>
          {text("doc.remove.confirm")}
        </Button>
      ) : (
        <IconButton icon="trash" label={text("doc.remove", { name: data?.source ?? "" })} onClick={() => setAsking(true)} />
      )}
    </>
  );
  return (
    <Sheet label={text("doc.label")} head={head} onClose={onClose} itemKey={documentId}>
      {document.isPending && <Loading />}
      {document.error && <ErrorNote error={document.error} what={text("doc.failed")} onRetry={() => void document.refetch()} />}
      {drop.error && <ErrorNote error={drop.error} />}
      {data && (
        <div className="stack">
          <div className="facts">
            <Status value={data.status} />
            <Fact label={text("nav.knowledge")}>
              <Link to="/knowledge/$name" params={{ name }} search={{ tab: "documents" }} className="mono">
                {name}
              </Link>
            </Fact>
            <span className="mono ellipsis">{data.source}</span>
            <span className="num">{bytes(data.bytes)}</span>
            <CopyId id={data.id} />
          </div>
          {data.reason && <p className="span-error">{data.reason}</p>}
          <Passages passages={data.passages} markedId={passageId} />
        </div>
      )}
    </Sheet>
  );
}

function Passages({ passages, markedId }: { passages: readonly Passage[]; markedId?: string }) {
  const text = useText();
  const marked = useRef<HTMLElement>(null);
  useEffect(() => {
    marked.current?.scrollIntoView({ block: "center" });
  }, [markedId, passages]);
  return (
    <div className="passages">
      {passages.map((passage) => {
        const isMarked = passage.id === markedId;
        return (
          <section key={passage.id} className="passage" data-marked={isMarked || undefined} aria-current={isMarked || undefined} ref={isMarked ? marked : undefined}>
            <header className="muted">
              <span className="num">{passage.ordinal}</span>
              {passage.heading && <span dir="auto">{passage.heading}</span>}
              {passage.page !== null && <span>{text("cite.page", { n: passage.page })}</span>}
              {isMarked && <span className="badge">{text("cite.here")}</span>}
            </header>
            <p dir="auto">{passage.text}</p>
          </section>
        );
      })}
    </div>
  );
}
