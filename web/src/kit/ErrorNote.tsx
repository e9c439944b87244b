/** An error in three parts: what happened, why, the next step; with the code and request id to copy. */
import { asApiError } from "../api/errors";
import { useNamed, useText } from "../messages";
import { Icon } from "./Icon";
import { Button, CopyButton } from "./parts";

interface Props {
  error: unknown;
  /** What the person was doing, in words: "The traces could not be read". */
  what?: string;
  onRetry?: () => void;
}

export function ErrorNote({ error, what, onRetry }: Props) {
  const text = useText();
  const named = useNamed();
  const failure = asApiError(error);
  const known = named("error", failure.code);
  const title = what ?? (known === failure.code ? text("error.title") : known);
  const hint = failure.hint || (failure.code === "unreachable" ? text("error.unreachable.hint") : "");
  const why = failure.code === "unreachable" ? text("error.unreachable.why", { path: failure.message }) : failure.message;
  const reference = [failure.code, failure.status ? `HTTP ${failure.status}` : "", failure.requestId].filter(Boolean).join(" · ");
  return (
    <div className="error-note" role="alert">
      <Icon name="warn" />
      <div>
        <p className="error-what">{title}</p>
        <p dir="auto">{why}</p>
        {hint && (
          <p>
            <span className="muted">{text("error.next")}</span> <span dir="auto">{hint}</span>
          </p>
        )}
        <div className="error-reference">
          <code>{reference}</code>
          <CopyButton value={`${title}\n${why}\n${hint}\n${reference}`} />
          {onRetry && (
            <Button variant="quiet" icon="refresh" onClick={onRetry}>
              {text("retry")}
            </Button>
          )}
        </div>
      </div>
    </div>
  );
}
