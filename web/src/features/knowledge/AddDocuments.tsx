/** Files in, an index out: makes the knowledge base when it is new, uploads, and starts the build. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { post, segment } from "../../api/client";
import type { Job, KnowledgeBase } from "../../api/types";
import { ErrorNote } from "../../kit/ErrorNote";
import { count } from "../../kit/format";
import { Dialog } from "../../kit/overlays";
import { Button, Field } from "../../kit/parts";
import { useText } from "../../messages";
import { FileDrop } from "./FileDrop";
import { upload, type Picked, type UploadProgress } from "./upload";

/** The dialog that makes a new one (`name` left out) or adds to the one named. */
export function AddDocuments({ name: existing, onClose }: { name?: string; onClose: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [name, setName] = useState(existing ?? "");
  const [description, setDescription] = useState("");
  const [files, setFiles] = useState<Picked[]>([]);
  const [progress, setProgress] = useState<UploadProgress | null>(null);
  const [made, setMade] = useState(existing !== undefined);
  const start = useMutation({
    mutationFn: async () => {
      // `made` survives a failed upload: trying again must not make the base a second time.
      if (!made) await post<KnowledgeBase>("/api/knowledge-bases", { name, ...(description ? { description } : {}) });
      setMade(true);
      if (files.length === 0) return;
      await upload(name, files, setProgress);
      await post<Job>(`/api/knowledge-bases/${segment(name)}/build`);
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["knowledge-bases"] });
      if (existing !== undefined) onClose();
      void navigate({ to: "/knowledge/$name", params: { name } });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!start.isPending) start.mutate();
  };
  const ready = name.trim() !== "" && (existing === undefined || files.length > 0);
  return (
    <Dialog title={existing ? text("kb.add.title", { name: existing }) : text("kb.create.title")} onClose={onClose} size="wide">
      <form className="stack" onSubmit={submit}>
        {existing === undefined && (
          <div className="form-row">
            <Field label={text("kb.name")} hint={text("kb.name.hint")} required autoFocus autoComplete="off" spellCheck={false} value={name} onChange={(event) => setName(event.target.value.trim())} disabled={made} />
            <Field label={text("kb.description")} dir="auto" value={description} onChange={(event) => setDescription(event.target.value)} disabled={made} />
          </div>
        )}
        <FileDrop files={files} onFiles={setFiles} />
        {progress && start.isPending && (
          <div>
            <p className="num" role="status">
              {text("files.uploading", { done: count(progress.done), total: count(progress.total) })}
            </p>
            <div className="bar">
              <span style={{ width: `${(progress.done / Math.max(1, progress.total)) * 100}%` }} />
            </div>
          </div>
        )}
        {start.error && <ErrorNote error={start.error} what={text("kb.add.failed")} />}
        <div className="dialog-actions">
          <Button onClick={onClose}>{text("cancel")}</Button>
          <Button variant="main" type="submit" disabled={!ready || start.isPending}>
            {files.length > 0 ? text("kb.add.action", { n: count(files.length) }) : text("kb.create.action")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
