/** Settings: API keys, how the app looks, and what runs here. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { infoQuery } from "../../api/queries";
import { Segments, Tabs } from "../../kit/choices";
import { ErrorNote } from "../../kit/ErrorNote";
import { absolute } from "../../kit/format";
import { Button, Loading, PageHeader, useTitle } from "../../kit/parts";
import { useNamed, useText } from "../../messages";
import { setAppearance, useAppearance } from "../../shell/appearance";
import { sessionQuery, useSignOut } from "../session/session";
import { Keys } from "./Keys";

const route = getRouteApi("/settings");

export function Settings() {
  const text = useText();
  const navigate = useNavigate();
  const { tab } = route.useSearch();
  useTitle(text("nav.settings"));
  return (
    <div className="page">
      <PageHeader title={text("nav.settings")} />
      <Tabs
        label={text("nav.settings")}
        selected={tab ?? "keys"}
        onSelect={(next) => void navigate({ to: "/settings", search: { tab: next }, replace: true })}
        items={[
          { id: "keys", label: text("settings.keys"), content: <Keys /> },
          { id: "appearance", label: text("settings.appearance"), content: <AppearanceForm /> },
          { id: "about", label: text("settings.about"), content: <About /> },
        ]}
      />
    </div>
  );
}

function AppearanceForm() {
  const text = useText();
  const { theme, density, language, times } = useAppearance();
  return (
    <dl className="form-list">
      <div>
        <dt>{text("settings.theme")}</dt>
        <dd>
          <Segments
            label={text("settings.theme")}
            value={theme}
            onChange={(next) => setAppearance({ theme: next })}
            options={[
              { id: "system", label: text("settings.theme.system") },
              { id: "light", label: text("settings.theme.light") },
              { id: "dark", label: text("settings.theme.dark") },
            ]}
          />
        </dd>
      </div>
      <div>
        <dt>{text("settings.density")}</dt>
        <dd>
          <Segments
            label={text("settings.density")}
            value={density}
            onChange={(next) => setAppearance({ density: next })}
            options={[
              { id: "comfortable", label: text("settings.density.comfortable") },
              { id: "compact", label: text("settings.density.compact") },
            ]}
          />
        </dd>
      </div>
      <div>
        <dt>{text("settings.language")}</dt>
        <dd>
          <Segments
            label={text("settings.language")}
            value={language}
            onChange={(next) => setAppearance({ language: next })}
            options={[
              { id: "en", label: text("language.en") },
              { id: "es", label: text("language.es") },
            ]}
          />
        </dd>
      </div>
      <div>
        <dt>{text("settings.times")}</dt>
        <dd>
          <Segments
            label={text("settings.times")}
            value={times}
            onChange={(next) => setAppearance({ times: next })}
            options={[
              { id: "relative", label: text("settings.times.relative") },
              { id: "absolute", label: text("settings.times.absolute") },
            ]}
          />
        </dd>
      </div>
    </dl>
  );
}

function About() {
  const text = useText();
  const named = useNamed();
  const info = useQuery(infoQuery);
  const session = useQuery(sessionQuery).data;
  const signOut = useSignOut();
  if (info.isPending) return <Loading />;
  if (info.error) return <ErrorNote error={info.error} what={text("home.failed")} onRetry={() => void info.refetch()} />;
  const { version, base_url: address, openai_base_url: openai, embedder, store } = info.data;
  const facts: [string, string][] = [
    [text("home.version"), version],
    [text("about.address"), address],
    [text("home.address"), openai],
    [text("home.store"), store],
    [text("kb.embedder"), `${embedder.name} · ${embedder.dimensions}`],
  ];
  return (
    <div className="stack">
      <dl className="form-list">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="mono">{value}</dd>
          </div>
        ))}
        {session && (
          <div>
            <dt>{text("about.session")}</dt>
            <dd>
              {session.user} · {session.team.name} · {named("roles", session.role)} · {text("about.expires", { time: absolute(session.expires_at) })}
            </dd>
          </div>
        )}
      </dl>
      {!embedder.real && <p className="notice">{text("about.embedder.builtin")}</p>}
      <div>
        <Button onClick={() => signOut.mutate()}>{text("signout")}</Button>
      </div>
    </div>
  );
}
