/** Feedback: what was given, and the ways to give it (thumbs, stars, emoji, a comment). */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { post, remove, segment } from "../../api/client";
import { traceQuery } from "../../api/queries";
import type { NewScore, Score } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { Icon } from "../../kit/Icon";
import { Button, IconButton, Time } from "../../kit/parts";
import { useNamed, useText } from "../../messages";
import { isThumbsUp } from "./filter";

const EMOJI = ["😀", "🙂", "😐", "🙁", "😡"];
const STARS = [1, 2, 3, 4, 5];

export function ScoreValue({ score }: { score: Pick<Score, "kind" | "value"> }) {
  const text = useText();
  if (score.kind === "thumbs") {
    const up = isThumbsUp(score.value);
    return (
      <span className="score-value" data-tone={up ? "good" : "bad"} title={text(up ? "feedback.up" : "feedback.down")}>
        <Icon name={up ? "thumbUp" : "thumbDown"} />
        <span className="sr-only">{text(up ? "feedback.up" : "feedback.down")}</span>
      </span>
    );
  }
  if (score.kind === "stars") return <span className="score-value num">{text("feedback.stars.of", { n: String(score.value) })}</span>;
  if (score.kind === "comment") return <Icon name="comment" />;
  return <span className="score-value">{String(score.value)}</span>;
}

export function ScoreList({ scores, traceId }: { scores: readonly Score[]; traceId: string }) {
  const text = useText();
  const named = useNamed();
  const client = useQueryClient();
  const drop = useMutation({
    mutationFn: (id: string) => remove(`/api/traces/${segment(traceId)}/scores/${segment(id)}`),
    onSuccess: () => client.invalidateQueries({ queryKey: traceQuery(traceId).queryKey }),
  });
  if (scores.length === 0) return null;
  return (
    <ul className="score-list">
      {scores.map((score) => (
        <li key={score.id}>
          <ScoreValue score={score} />
          <span className="score-name">{score.name}</span>
          <span dir="auto" className="score-comment">
            {score.comment || (score.kind === "comment" ? String(score.value ?? "") : "")}
          </span>
          <span className="muted">
            {named("source", score.source)} · {score.author} · <Time iso={score.created_at} />
          </span>
          <IconButton icon="trash" label={text("feedback.remove", { name: score.name })} onClick={() => drop.mutate(score.id)} />
        </li>
      ))}
      {drop.error && <ErrorNote error={drop.error} />}
    </ul>
  );
}

/** `given` is what the trace already holds; what is saved here shows at once. */
export function FeedbackBar({ traceId, spanId, given = [] }: { traceId: string; spanId?: string; given?: readonly Score[] }) {
  const text = useText();
  const client = useQueryClient();
  const [mine, setMine] = useState<Partial<Record<Score["kind"], Score["value"]>>>(() => Object.fromEntries(given.filter((score) => score.source === "human").map((score) => [score.kind, score.value])));
  const [emojiOpen, setEmojiOpen] = useState(false);
  const [comment, setComment] = useState<string | null>(null);
  const save = useMutation({
    mutationFn: (score: NewScore) => post<Score>(`/api/traces/${segment(traceId)}/scores`, { ...score, ...(spanId ? { span_id: spanId } : {}) }),
    onSuccess: (score) => {
      setMine((before) => ({ ...before, [score.kind]: score.value }));
      void client.invalidateQueries({ queryKey: traceQuery(traceId).queryKey });
    },
  });
  const give = (kind: NewScore["kind"], value: string | number) => save.mutate({ name: "feedback", kind, value });
  const sendComment = (event: FormEvent) => {
    event.preventDefault();
    if (!comment?.trim()) return;
    save.mutate({ name: "feedback", kind: "comment", value: comment.trim() }, { onSuccess: () => setComment(null) });
  };
  const thumbs = mine.thumbs;
  const stars = typeof mine.stars === "number" ? mine.stars : 0;
  return (
    <div className="feedback" role="group" aria-label={text("feedback.label")}>
      <IconButton icon="thumbUp" label={text("feedback.up")} aria-pressed={thumbs !== undefined && isThumbsUp(thumbs)} onClick={() => give("thumbs", 1)} />
      <IconButton icon="thumbDown" label={text("feedback.down")} aria-pressed={thumbs !== undefined && !isThumbsUp(thumbs)} onClick={() => give("thumbs", -1)} />
      <span className="stars">
        {STARS.map((star) => (
          <IconButton key={star} icon="star" label={text("feedback.stars", { n: star })} aria-pressed={star <= stars} onClick={() => give("stars", star)} />
        ))}
      </span>
      <Button variant="quiet" className="emoji" aria-label={text("feedback.emoji")} title={text("feedback.emoji")} aria-expanded={emojiOpen} onClick={() => setEmojiOpen(!emojiOpen)}>
        {typeof mine.emoji === "string" ? mine.emoji : <Icon name="smile" />}
      </Button>
      {emojiOpen &&
        EMOJI.map((emoji) => (
          <Button
            key={emoji}
            variant="quiet"
            className="emoji"
            aria-label={text("feedback.emoji.give", { emoji })}
            aria-pressed={mine.emoji === emoji}
            onClick={() => {
              give("emoji", emoji);
              setEmojiOpen(false);
            }}
          >
            {emoji}
          </Button>
        ))}
      <IconButton icon="comment" label={text("feedback.comment")} aria-pressed={mine.comment !== undefined} aria-expanded={comment !== null} onClick={() => setComment(comment === null ? "" : null)} />
      <span className="sr-only" aria-live="polite">
        {save.isSuccess ? text("feedback.saved") : ""}
      </span>
      {comment !== null && (
        <form className="feedback-comment" onSubmit={sendComment}>
          <input className="input" autoFocus dir="auto" aria-label={text("feedback.comment")} placeholder={text("feedback.comment.placeholder")} value={comment} onChange={(event) => setComment(event.target.value)} />
          <Button type="submit" disabled={save.isPending || !comment.trim()}>
            {text("feedback.comment.save")}
          </Button>
        </form>
      )}
      {save.error && <ErrorNote error={save.error} what={text("feedback.failed")} />}
    </div>
  );
}
