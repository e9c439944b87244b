/** Model text as React elements: nothing in it can become markup, load a picture or run. */
import { Fragment, memo } from "react";
import { useText } from "../messages";
import { splitBlocks, type Block, type Inline } from "./markdown";
import { CopyButton } from "./parts";

interface Props {
  source: string;
  /** The citation numbers that can be opened. */
  cites?: readonly number[];
  onCite?: (index: number) => void;
}

function InlineParts({ parts, onCite }: { parts: Inline[]; onCite?: (index: number) => void }) {
  const text = useText();
  return parts.map((part, key) => {
    if (part.kind === "code") return <code key={key}>{part.text}</code>;
    if (part.kind === "strong") return <strong key={key}>{part.text}</strong>;
    if (part.kind === "link")
      return (
        <a key={key} href={part.href} title={part.href} target="_blank" rel="noopener noreferrer nofollow">
          {part.text}
        </a>
      );
    if (part.kind === "cite")
      return (
        <button key={key} type="button" className="cite" aria-label={text("cite.open", { n: part.index })} onClick={() => onCite?.(part.index)}>
          {part.index}
        </button>
      );
    return <Fragment key={key}>{part.text}</Fragment>;
  });
}

function BlockView({ block, onCite }: { block: Block; onCite?: (index: number) => void }) {
  if (block.kind === "code")
    return (
      <figure className="snippet">
        <pre tabIndex={0} dir="ltr">
          <code>{block.text}</code>
        </pre>
        <CopyButton value={block.text} />
      </figure>
    );
  if (block.kind === "heading")
    return (
      <p className="rich-heading" dir="auto" role="heading" aria-level={Math.min(6, block.level + 2)}>
        <InlineParts parts={block.content} onCite={onCite} />
      </p>
    );
  if (block.kind === "list") {
    const List = block.ordered ? "ol" : "ul";
    return (
      <List dir="auto" start={block.ordered ? block.start : undefined}>
        {block.items.map((item, key) => (
          <li key={key} dir="auto">
            <InlineParts parts={item} onCite={onCite} />
          </li>
        ))}
      </List>
    );
  }
  return (
    <p dir="auto">
      {block.lines.map((line, key) => (
        <Fragment key={key}>
          {key > 0 && <br />}
          <InlineParts parts={line} onCite={onCite} />
        </Fragment>
      ))}
    </p>
  );
}

export const RichText = memo(function RichText({ source, cites = [], onCite }: Props) {
  const blocks = splitBlocks(source, new Set(cites));
  return (
    <div className="rich">
      {blocks.map((block, key) => (
        <BlockView key={key} block={block} onCite={onCite} />
      ))}
    </div>
  );
});
