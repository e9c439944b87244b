/** The door: an API key to paste, and where such a key comes from. */
import { useState, type FormEvent } from "react";
import { ErrorNote } from "../../kit/ErrorNote";
import { Button, Field, useTitle } from "../../kit/parts";
import { Snippet } from "../../kit/code";
import { useText } from "../../messages";
import { useSignIn } from "./session";

export function SignIn({ failure, onRetry }: { failure: unknown; onRetry: () => void }) {
  const text = useText();
  const [key, setKey] = useState("");
  const signIn = useSignIn();
  useTitle(text("signin.title"));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim()) signIn.mutate(key.trim());
  };
  const error = signIn.error ?? failure;
  return (
    <main className="signin">
      <form className="signin-card" onSubmit={submit}>
        <p className="brand">Loopwright</p>
        <h1>{text("signin.title")}</h1>
        <Field label={text("signin.key")} hint={text("signin.key.hint")} type="password" autoComplete="off" autoFocus spellCheck={false} value={key} onChange={(event) => setKey(event.target.value)} />
        <Button variant="main" type="submit" disabled={signIn.isPending || !key.trim()}>
          {text("signin.action")}
        </Button>
        {error != null && <ErrorNote error={error} what={signIn.error ? text("signin.failed") : text("signin.link.failed")} onRetry={signIn.error ? undefined : onRetry} />}
        <div className="signin-help">
          <p className="muted">{text("signin.help")}</p>
          <Snippet label={text("signin.help")} code="loopwright login" />
        </div>
      </form>
    </main>
  );
}
