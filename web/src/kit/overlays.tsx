/** What lies over the page: modal dialogs, and the peek sheet that leaves the list behind it alive. */
import { useEffect, useRef, type ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useText } from "../messages";
import { useHotkeys } from "../shell/hotkeys";
import { IconButton } from "./parts";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  size?: "small" | "wide";
  /** Shown to the right of the title. */
  aside?: ReactNode;
}

export function Dialog({ title, onClose, children, size = "small", aside }: DialogProps) {
  const text = useText();
  return (
    <ModalOverlay className="overlay" isOpen isDismissable onOpenChange={(open) => !open && onClose()} data-modal="">
      <Modal className="modal" data-size={size}>
        <AriaDialog className="dialog">
          <div className="dialog-head">
            <Heading slot="title">{title}</Heading>
            {aside}
            <IconButton icon="close" label={text("close")} onClick={onClose} />
          </div>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

interface SheetProps {
  label: string;
  head: ReactNode;
  onClose: () => void;
  children: ReactNode;
  /** Changes when another item is shown, so that the sheet scrolls back to its top. */
  itemKey: string;
}

/** A right sheet over the list. It takes the focus when it opens and gives it back when it closes. */
export function Sheet({ label, head, onClose, children, itemKey }: SheetProps) {
  const text = useText();
  const sheet = useRef<HTMLElement>(null);
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    sheet.current?.focus({ preventScroll: true });
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  useEffect(() => {
    body.current?.scrollTo({ top: 0 });
  }, [itemKey]);
  useHotkeys({ Escape: onClose });
  return (
    <aside className="sheet" role="dialog" aria-label={label} tabIndex={-1} ref={sheet}>
      <div className="sheet-head">
        <div className="sheet-head-content">{head}</div>
        <IconButton icon="close" label={text("close.esc")} onClick={onClose} />
      </div>
      <div className="sheet-body" ref={body}>
        {children}
      </div>
    </aside>
  );
}
