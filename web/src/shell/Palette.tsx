/** Ctrl/Cmd+K: every screen, dataset, knowledge base and a few commands by typing a part of their name. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { Autocomplete, Dialog, Input, Menu, MenuItem, Modal, ModalOverlay, SearchField, useFilter } from "react-aria-components";
import { datasetsQuery, knowledgeBasesQuery, modelsQuery } from "../api/queries";
import { Icon, type IconName } from "../kit/Icon";
import { useText } from "../messages";
import { currentAppearance, setAppearance } from "./appearance";
import { SCREENS } from "./screens";

interface Entry {
  id: string;
  label: string;
  detail: string;
  icon: IconName;
  run: () => void;
}

const TRACE_ID = /^[0-9a-f]{32}$/;

function useEntries(): Entry[] {
  const text = useText();
  const navigate = useNavigate();
  const datasets = useQuery(datasetsQuery).data?.items;
  const bases = useQuery(knowledgeBasesQuery).data?.items;
  const models = useQuery(modelsQuery).data?.data;
  return useMemo(() => {
    const screens = SCREENS.map<Entry>((screen) => ({ id: screen.to, label: text(screen.label), detail: `g ${screen.key}`, icon: screen.icon, run: () => void navigate({ to: screen.to }) }));
    const named = [
      ...(datasets ?? []).map<Entry>(({ name }) => ({ id: `dataset ${name}`, label: name, detail: text("nav.datasets"), icon: "datasets", run: () => void navigate({ to: "/datasets/$name", params: { name } }) })),
      ...(bases ?? []).map<Entry>(({ name }) => ({ id: `knowledge ${name}`, label: name, detail: text("nav.knowledge"), icon: "knowledge", run: () => void navigate({ to: "/knowledge/$name", params: { name } }) })),
      ...(models ?? []).map<Entry>(({ id }) => ({ id: `model ${id}`, label: text("palette.chat", { model: id }), detail: text("nav.playground"), icon: "playground", run: () => void navigate({ to: "/playground", search: { model: id } }) })),
    ];
    const commands: Entry[] = [
      { id: "failed", label: text("palette.failed"), detail: text("nav.traces"), icon: "traces", run: () => void navigate({ to: "/traces", search: { status: "error" } }) },
      { id: "theme", label: text("palette.theme"), detail: text("nav.settings"), icon: "settings", run: () => setAppearance({ theme: currentAppearance().theme === "dark" ? "light" : "dark" }) },
      { id: "density", label: text("palette.density"), detail: text("nav.settings"), icon: "settings", run: () => setAppearance({ density: currentAppearance().density === "compact" ? "comfortable" : "compact" }) },
    ];
    return [...screens, ...commands, ...named];
  }, [text, navigate, datasets, bases, models]);
}

export function Palette({ onClose }: { onClose: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const entries = useEntries();
  const { contains } = useFilter({ sensitivity: "base" });
  const run = (id: string) => {
    onClose();
    entries.find((entry) => entry.id === id)?.run();
  };
  return (
    <ModalOverlay className="overlay overlay-top" isOpen isDismissable onOpenChange={(open) => !open && onClose()} data-modal="">
      <Modal className="modal" data-size="small">
        <Dialog className="palette" aria-label={text("palette.open")}>
          <Autocomplete filter={contains}>
            <SearchField
              aria-label={text("palette.label")}
              autoFocus
              onSubmit={(value) => {
                if (!TRACE_ID.test(value.trim())) return;
                onClose();
                void navigate({ to: "/traces/$traceId", params: { traceId: value.trim() } });
              }}
            >
              <Icon name="search" />
              <Input className="palette-input" placeholder={text("palette.placeholder")} />
            </SearchField>
            <Menu className="listbox palette-list" items={entries} onAction={(key) => run(String(key))} aria-label={text("palette.label")} renderEmptyState={() => <p className="muted palette-empty">{text("palette.none")}</p>}>
              {(entry) => (
                <MenuItem id={entry.id} textValue={entry.label} className="option">
                  <Icon name={entry.icon} />
                  <span className="ellipsis">{entry.label}</span>
                  <span className="muted option-detail">{entry.detail}</span>
                </MenuItem>
              )}
            </Menu>
          </Autocomplete>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
