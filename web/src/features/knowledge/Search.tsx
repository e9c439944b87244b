/** The search box of a knowledge base: hits, their scores, and why each was found. */
import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { post, segment } from "../../api/client";
import type { Hit, SearchAnswer } from "../../api/types";
import { Segments } from "../../kit/choices";
import { ErrorNote } from "../../kit/ErrorNote";
import { duration } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { Button, Empty, Loading } from "../../kit/parts";
import { useText } from "../../messages";

type Mode = "hybrid" | "dense" | "text";

interface Props {
  name: string;
  ready: boolean;
  question: string;
  onQuestion: (question: string) => void;
  onOpen: (documentId: string, passageId: string) => void;
}

const TOP = 10;

export function Search({ name, ready, question, onQuestion, onOpen }: Props) {
  const text = useText();
  const [draft, setDraft] = useState(question);
  const [mode, setMode] = useState<Mode>("hybrid");
  const answer = useQuery({
    queryKey: ["knowledge-bases", name, "search", question, mode],
    queryFn: () => post<SearchAnswer>(`/api/knowledge-bases/${segment(name)}/search`, { query: question, top_k: TOP, mode }),
    enabled: question !== "" && ready,
    staleTime: 60_000,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onQuestion(draft.trim());
  };
  if (!ready) return <Empty title={text("kb.search.notready")} />;
  return (
    <div className="stack kb-search">
      <form className="search-form" role="search" onSubmit={submit}>
        <label className="search-box" data-search="">
          <Icon name="search" />
          <span className="sr-only">{text("kb.search.label")}</span>
          <input type="search" dir="auto" placeholder={text("kb.search.label")} value={draft} onChange={(event) => setDraft(event.target.value)} />
          <kbd>/</kbd>
        </label>
        <Segments
          label={text("kb.mode")}
          value={mode}
          onChange={setMode}
          options={[
            { id: "hybrid", label: text("kb.mode.hybrid") },
            { id: "dense", label: text("kb.mode.dense") },
            { id: "text", label: text("kb.mode.text") },
          ]}
        />
        <Button variant="main" type="submit" disabled={!draft.trim()}>
          {text("kb.search.action")}
        </Button>
      </form>
      {answer.error && <ErrorNote error={answer.error} what={text("kb.search.failed")} onRetry={() => void answer.refetch()} />}
      {answer.isLoading && <Loading rows={4} />}
      {answer.data && (
        <p className="muted num" role="status">
          {text("kb.hits", { n: answer.data.items.length, time: duration(answer.data.took_ms) })}
        </p>
      )}
      <ol className="hits">
        {answer.data?.items.map((hit) => (
          <li key={hit.passage_id}>
            <HitView hit={hit} onOpen={() => onOpen(hit.document_id, hit.passage_id)} />
          </li>
        ))}
      </ol>
    </div>
  );
}

function Why({ name, rank, score }: { name: string; rank: number | null; score: number | null }) {
  const text = useText();
  return (
    <span className="why" data-none={rank === null || undefined}>
      {name} <span className="num">{rank === null ? text("kb.why.none") : `#${rank}${score === null ? "" : ` · ${score.toFixed(3)}`}`}</span>
    </span>
  );
}

function HitView({ hit, onOpen }: { hit: Hit; onOpen: () => void }) {
  const text = useText();
  return (
    <article className="hit">
      <header>
        <span className="num muted">{hit.rank}</span>
        <button type="button" className="link ellipsis" onClick={onOpen} dir="auto">
          {hit.title || hit.source}
        </button>
        <span className="muted ellipsis">
          {[hit.heading, hit.page ? text("cite.page", { n: hit.page }) : ""].filter(Boolean).join(" · ")}
        </span>
        <span className="num hit-score" title={text("kb.score")}>
          {hit.score.toFixed(3)}
        </span>
      </header>
      <p dir="auto" className="hit-text">
        {hit.text.replace(/\n\s*\n/g, "\n")}
      </p>
      <footer>
        <Why name={text("kb.mode.dense")} rank={hit.dense_rank} score={hit.dense_score} />
        <Why name={text("kb.mode.text")} rank={hit.text_rank} score={hit.text_score} />
        <span className="mono muted ellipsis" title={hit.source}>
          {hit.source}
        </span>
      </footer>
    </article>
  );
}
