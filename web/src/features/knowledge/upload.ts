/** Files from a drop or a picker to the API, in batches small enough to show progress and to fail alone. */
import type { DirectoryDropItem, DropItem, FileDropItem } from "react-aria-components";
import { segment, send } from "../../api/client";
import type { Document, Page } from "../../api/types";

export interface Picked {
  file: File;
  /** Relative, with folders: it becomes the document's source. */
  path: string;
}

export interface UploadProgress {
  done: number;
  total: number;
}

const BATCH_FILES = 20;
const BATCH_BYTES = 16_000_000;

export function fromInput(files: readonly File[]): Picked[] {
  return files.map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

async function walk(item: FileDropItem | DirectoryDropItem, prefix: string, found: Picked[]): Promise<void> {
  if (item.kind === "file") {
    found.push({ file: await item.getFile(), path: prefix + item.name });
    return;
  }
  for await (const entry of item.getEntries()) await walk(entry, `${prefix}${item.name}/`, found);
}

export async function fromDrop(items: readonly DropItem[]): Promise<Picked[]> {
  const found: Picked[] = [];
  for (const item of items) if (item.kind !== "text") await walk(item, "", found);
  return found.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".")));
}

export function batches(files: readonly Picked[]): Picked[][] {
  const all: Picked[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const picked of files) {
    const last = all[all.length - 1];
    if (!last || last.length >= BATCH_FILES || size + picked.file.size > BATCH_BYTES) {
      all.push([picked]);
      size = picked.file.size;
    } else {
      last.push(picked);
      size += picked.file.size;
    }
  }
  return all;
}

export async function upload(name: string, files: readonly Picked[], onProgress: (progress: UploadProgress) => void): Promise<Document[]> {
  const stored: Document[] = [];
  onProgress({ done: 0, total: files.length });
  for (const batch of batches(files)) {
    const form = new FormData();
    for (const { file, path } of batch) form.append("files", file, path);
    const response = await send("POST", `/api/knowledge-bases/${segment(name)}/documents`, { body: form });
    stored.push(...((await response.json()) as Page<Document>).items);
    onProgress({ done: Math.min(files.length, stored.length), total: files.length });
  }
  return stored;
}
