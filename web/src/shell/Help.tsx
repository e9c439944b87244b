/** The keys, on one page. */
import { Dialog } from "../kit/overlays";
import { useText, type MessageKey } from "../messages";
import { SCREENS } from "./screens";

const EVERYWHERE: [string, MessageKey][] = [
  ["?", "help.key.help"],
  ["/", "help.key.search"],
  ["Ctrl K  ⌘ K", "help.key.palette"],
  ["Esc", "help.key.escape"],
];

const LISTS: [string, MessageKey][] = [
  ["J  K", "help.key.step"],
  ["Enter", "help.key.enter"],
  ["E", "help.key.expand"],
  ["L", "help.key.link"],
];

const PLAYGROUND: [string, MessageKey][] = [
  ["Ctrl Enter", "help.key.send"],
  ["Esc", "help.key.stop"],
];

export function Help({ onClose }: { onClose: () => void }) {
  const text = useText();
  const section = (title: MessageKey, keys: [string, MessageKey][]) => (
    <section>
      <h3>{text(title)}</h3>
      <dl className="keys">
        {keys.map(([key, message]) => (
          <div key={key}>
            <dt>
              {key.split("  ").map((each) => (
                <kbd key={each}>{each}</kbd>
              ))}
            </dt>
            <dd>{text(message)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
  return (
    <Dialog title={text("help.title")} onClose={onClose} size="wide">
      <div className="help-columns">
        {section("help.everywhere", EVERYWHERE)}
        {section(
          "help.go",
          SCREENS.map((screen) => [`G  ${screen.key.toUpperCase()}`, screen.label]),
        )}
        {section("help.lists", LISTS)}
        {section("nav.playground", PLAYGROUND)}
      </div>
    </Dialog>
  );
}
