/** System prompt and parameters of the playground. An empty parameter is not sent at all. */
import { Field } from "../../kit/parts";
import { useText, type MessageKey } from "../../messages";
import type { Settings } from "./useChat";

interface Props {
  settings: Settings;
  onChange: (settings: Settings) => void;
  open: boolean;
}

const PARAMETERS: { key: string; label: MessageKey; hint: MessageKey; min: string; max?: string; step: string }[] = [
  { key: "temperature", label: "chat.temperature", hint: "chat.temperature.hint", min: "0", max: "2", step: "0.1" },
  { key: "top_p", label: "chat.top_p", hint: "chat.top_p.hint", min: "0", max: "1", step: "0.05" },
  { key: "max_tokens", label: "chat.max_tokens", hint: "chat.max_tokens.hint", min: "1", step: "1" },
  { key: "seed", label: "chat.seed", hint: "chat.seed.hint", min: "0", step: "1" },
];

export function SettingsPanel({ settings, onChange, open }: Props) {
  const text = useText();
  const set = (key: string, raw: string) => {
    const { [key]: _dropped, ...rest } = settings.parameters;
    onChange({ ...settings, parameters: raw === "" ? rest : { ...rest, [key]: Number(raw) } });
  };
  return (
    <aside className="chat-settings" data-open={open || undefined} aria-label={text("chat.settings")}>
      <label className="field">
        <span className="field-label">{text("chat.system")}</span>
        <textarea className="input" dir="auto" rows={8} placeholder={text("chat.system.hint")} value={settings.system} onChange={(event) => onChange({ ...settings, system: event.target.value })} />
      </label>
      {PARAMETERS.map(({ key, label, hint, ...limits }) => (
        <Field key={key} label={text(label)} hint={text(hint)} type="number" inputMode="decimal" {...limits} value={settings.parameters[key] ?? ""} onChange={(event) => set(key, event.target.value)} />
      ))}
    </aside>
  );
}
