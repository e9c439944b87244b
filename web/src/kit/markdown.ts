/** Model text cut into blocks and inline pieces: a small, safe part of Markdown, with [n] markers as citations. */

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong"; text: string }
  | { kind: "link"; text: string; href: string }
  | { kind: "cite"; index: number };

export type Block =
  | { kind: "paragraph"; lines: Inline[][] }
  | { kind: "heading"; level: number; content: Inline[] }
  | { kind: "code"; language: string; text: string }
  | { kind: "list"; ordered: boolean; start: number; items: Inline[][] };

// One pass: code first (nothing inside it is markup), then strong, links, citation groups like [1] or [2, 3].
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)|\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()/g;

/** `known` holds the citation numbers there are: a marker without its passage stays text. */
export function splitInline(text: string, known: ReadonlySet<number>): Inline[] {
  const pieces: Inline[] = [];
  let from = 0;
  const plain = (to: number) => {
    if (to > from) pieces.push({ kind: "text", text: text.slice(from, to) });
  };
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, strong, label, href, cites] = match;
    const indexes = cites?.split(",").map((each) => Number(each.trim())) ?? [];
    if (cites !== undefined && !indexes.every((index) => known.has(index))) continue;
    plain(match.index);
    if (code !== undefined) pieces.push({ kind: "code", text: code });
    else if (strong !== undefined) pieces.push({ kind: "strong", text: strong });
    else if (href !== undefined) pieces.push({ kind: "link", text: label ?? href, href });
    else for (const index of indexes) pieces.push({ kind: "cite", index });
    from = match.index + whole.length;
  }
  plain(text.length);
  return pieces;
}

/** Which of the known citations a text points at, outside of code. */
export function citedIn(source: string, known: readonly number[]): Set<number> {
  const cited = new Set<number>();
  for (const block of splitBlocks(source, new Set(known))) {
    const lines = block.kind === "paragraph" ? block.lines : block.kind === "list" ? block.items : block.kind === "heading" ? [block.content] : [];
    for (const part of lines.flat()) if (part.kind === "cite") cited.add(part.index);
  }
  return cited;
}

const FENCE = /^\s*```\s*([\w+-]*)\s*$/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const BULLET = /^\s*[-*]\s+(.*)$/;
const NUMBERED = /^\s*(\d{1,4})[.)]\s+(.*)$/;

export function splitBlocks(source: string, known: ReadonlySet<number> = new Set()): Block[] {
  const blocks: Block[] = [];
  const lines = source.split("\n");
  let open: Block | undefined;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const fence = FENCE.exec(line);
    if (fence) {
      const end = lines.findIndex((each, index) => index > at && FENCE.test(each));
      const last = end === -1 ? lines.length : end;
      blocks.push({ kind: "code", language: fence[1] ?? "", text: lines.slice(at + 1, last).join("\n") });
      at = last;
      open = undefined;
      continue;
    }
    open = addLine(blocks, open, line, known);
  }
  return blocks;
}

/** Adds one line outside code, and gives back the block that the next line may continue. */
function addLine(blocks: Block[], open: Block | undefined, line: string, known: ReadonlySet<number>): Block | undefined {
  if (line.trim() === "") return undefined;
  const heading = HEADING.exec(line);
  if (heading) {
    blocks.push({ kind: "heading", level: (heading[1] ?? "#").length, content: splitInline(heading[2] ?? "", known) });
    return undefined;
  }
  const bullet = BULLET.exec(line);
  const numbered = bullet ? null : NUMBERED.exec(line);
  if (bullet || numbered) {
    const ordered = numbered !== null;
    const item = splitInline((bullet ? bullet[1] : numbered?.[2]) ?? "", known);
    if (open?.kind === "list" && open.ordered === ordered) {
      open.items.push(item);
      return open;
    }
    const list: Block = { kind: "list", ordered, start: Number(numbered?.[1] ?? 1), items: [item] };
    blocks.push(list);
    return list;
  }
  const content = splitInline(line, known);
  if (open?.kind === "paragraph") {
    open.lines.push(content);
    return open;
  }
  const paragraph: Block = { kind: "paragraph", lines: [content] };
  blocks.push(paragraph);
  return paragraph;
}
