/** The exact lines that send a request here, with the real address and, when this tab knows it, the real key. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { post } from "../../api/client";
import { infoQuery, keysQuery, modelsQuery } from "../../api/queries";
import type { CreatedKey } from "../../api/types";
import { Snippets, type SnippetTab } from "../../kit/code";
import { ErrorNote } from "../../kit/ErrorNote";
import { Button } from "../../kit/parts";
import { useText } from "../../messages";
import { rememberKey, useKnownKey } from "./keyring";

export function useCreateKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { name: string; role: string }) => post<CreatedKey>("/api/keys", body),
    onSuccess: (created) => {
      rememberKey(created.key);
      void client.invalidateQueries({ queryKey: keysQuery.queryKey });
    },
  });
}

export function snippetTabs(base: string, key: string, model: string, labels: { shell: string }): SnippetTab[] {
  const shell = `export OPENAI_BASE_URL=${base}\nexport OPENAI_API_KEY=${key}`;
  const python = `from openai import OpenAI

client = OpenAI(base_url="${base}", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.choices[0].message.content)`;
  const curl = `curl ${base}/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}'`;
  return [
    { id: "shell", label: labels.shell, code: shell },
    { id: "python", label: "Python", code: python },
    { id: "curl", label: "curl", code: curl },
  ];
}

export function RequestSnippets() {
  const text = useText();
  const key = useKnownKey();
  const info = useQuery(infoQuery);
  const models = useQuery(modelsQuery);
  const create = useCreateKey();
  const base = info.data?.openai_base_url ?? `${window.location.origin}/v1`;
  const model = models.data?.data[0]?.id ?? "echo";
  return (
    <Snippets label={text("snippet.label")} tabs={snippetTabs(base, key || "YOUR_KEY", model, { shell: text("snippet.shell") })}>
      {!key && (
        <div className="snippet-key">
          <span className="muted">{text("snippet.key.unknown")}</span>
          <Button icon="plus" disabled={create.isPending} onClick={() => create.mutate({ name: text("snippet.key.name"), role: "member" })}>
            {text("snippet.key.create")}
          </Button>
        </div>
      )}
      {create.error && <ErrorNote error={create.error} what={text("keys.create.failed")} />}
    </Snippets>
  );
}
