/** What shows when an address leads nowhere or a screen breaks. */
import { Link, type ErrorComponentProps } from "@tanstack/react-router";
import { ErrorNote } from "../kit/ErrorNote";
import { Empty } from "../kit/parts";
import { useText } from "../messages";

export function NotFound() {
  const text = useText();
  return (
    <Empty title={text("notfound.title")}>
      <p>
        <Link to="/">{text("notfound.home")}</Link>
      </p>
    </Empty>
  );
}

export function RouteError({ error, reset }: ErrorComponentProps) {
  const text = useText();
  return <ErrorNote error={error} what={text("error.screen")} onRetry={reset} />;
}
