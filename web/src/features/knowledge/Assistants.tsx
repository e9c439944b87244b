/** Who answers from this knowledge base: the endpoints that use it, and a short way to make one. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { post } from "../../api/client";
import { endpointsQuery, modelsQuery } from "../../api/queries";
import type { Endpoint } from "../../api/types";
import { Select } from "../../kit/choices";
import { Snippet } from "../../kit/code";
import { ErrorNote } from "../../kit/ErrorNote";
import { Button, Field, Loading } from "../../kit/parts";
import { useText } from "../../messages";

/** What the server lists as the owner of endpoints among the models. */
const ENDPOINT_OWNER = "loopwright";
const PREFERRED = "builtin/extract";

const latest = (endpoint: Endpoint) => endpoint.releases.reduce((best, release) => (release.version > best.version ? release : best), endpoint.releases[0] ?? { version: 0, spec: {} });

const uses = (endpoint: Endpoint, base: string): boolean => {
  const named = latest(endpoint).spec.knowledge_base;
  return typeof named === "string" ? named === base : named?.name === base;
};

/** Values are quoted as JSON, which YAML reads as text whatever they hold. */
function specOf(name: string, model: string, base: string): string {
  return [`kind: Endpoint`, `name: ${JSON.stringify(name)}`, `model: ${JSON.stringify(model)}`, `knowledge_base: ${JSON.stringify(base)}`, `aliases: [prod]`, ``].join("\n");
}

export function Assistants({ base }: { base: string }) {
  const text = useText();
  const endpoints = useQuery(endpointsQuery);
  if (endpoints.isPending) return <Loading />;
  if (endpoints.error) return <ErrorNote error={endpoints.error} what={text("assistant.failed")} onRetry={() => void endpoints.refetch()} />;
  const using = endpoints.data.items.filter((endpoint) => uses(endpoint, base));
  return (
    <div className="stack assistants">
      {using.length > 0 && (
        <ul className="versions">
          {using.map((endpoint) => (
            <li key={endpoint.name}>
              <div className="version-head">
                <span className="mono">{endpoint.name}</span>
                <span className="mono muted">{latest(endpoint).spec.model}</span>
                <Link to="/playground" search={{ model: endpoint.name }}>
                  {text("assistant.ask")}
                </Link>
                <Link to="/traces" search={{ endpoint: endpoint.name }}>
                  {text("assistant.traces")}
                </Link>
              </div>
            </li>
          ))}
        </ul>
      )}
      <NewAssistant base={base} taken={endpoints.data.items.map((endpoint) => endpoint.name)} />
    </div>
  );
}

function NewAssistant({ base, taken }: { base: string; taken: readonly string[] }) {
  const text = useText();
  const navigate = useNavigate();
  const client = useQueryClient();
  const models = useQuery(modelsQuery).data?.data.filter((model) => model.owned_by !== ENDPOINT_OWNER) ?? [];
  const [name, setName] = useState(taken.includes(base) ? "" : base);
  const [picked, setPicked] = useState("");
  const model = picked || (models.some((each) => each.id === PREFERRED) ? PREFERRED : (models[0]?.id ?? ""));
  const spec = specOf(name || "assistant", model, base);
  const make = useMutation({
    mutationFn: () => post("/api/apply", { text: spec, dry_run: false }),
    onSuccess: async () => {
      await Promise.all([client.invalidateQueries({ queryKey: modelsQuery.queryKey }), client.invalidateQueries({ queryKey: endpointsQuery.queryKey })]);
      void navigate({ to: "/playground", search: { model: name } });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name && model) make.mutate();
  };
  return (
    <form className="stack" onSubmit={submit}>
      <h3>{text("assistant.new")}</h3>
      <p className="muted">{text("assistant.why")}</p>
      <div className="form-row">
        <Field label={text("assistant.name")} value={name} autoComplete="off" spellCheck={false} required onChange={(event) => setName(event.target.value.trim())} hint={taken.includes(name) ? text("assistant.taken") : undefined} />
        <Select label={text("chat.model")} value={model} onChange={setPicked} options={models.map(({ id, owned_by }) => ({ id, label: id, detail: owned_by }))} />
      </div>
      <Snippet label={text("assistant.spec")} code={spec} />
      {make.error && <ErrorNote error={make.error} what={text("assistant.make.failed")} />}
      <div>
        <Button variant="main" type="submit" disabled={!name || !model || make.isPending}>
          {text("assistant.make")}
        </Button>
      </div>
    </form>
  );
}
