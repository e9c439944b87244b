/** Where files are dropped, or picked with the keyboard: files, or a whole folder. */
import { Button as AriaButton, DropZone, FileTrigger, isFileDropItem, isDirectoryDropItem } from "react-aria-components";
import { bytes, count } from "../../kit/format";
import { Icon } from "../../kit/Icon";
import { Button } from "../../kit/parts";
import { useText } from "../../messages";
import { fromDrop, fromInput, type Picked } from "./upload";

interface Props {
  files: readonly Picked[];
  onFiles: (files: Picked[]) => void;
}

const LISTED = 6;

export function FileDrop({ files, onFiles }: Props) {
  const text = useText();
  const add = (more: Picked[]) => {
    const known = new Set(files.map((picked) => picked.path));
    onFiles([...files, ...more.filter((picked) => !known.has(picked.path))]);
  };
  const size = files.reduce((total, picked) => total + picked.file.size, 0);
  return (
    <div className="stack-small">
      <DropZone className="drop-zone" aria-label={text("files.drop")} onDrop={(event) => void fromDrop(event.items.filter((item) => isFileDropItem(item) || isDirectoryDropItem(item))).then(add)}>
        <Icon name="upload" />
        <span>{text("files.drop")}</span>
        <span className="drop-buttons">
          <FileTrigger allowsMultiple onSelect={(list) => list && add(fromInput([...list]))}>
            <AriaButton className="btn" data-variant="plain">
              {text("files.pick")}
            </AriaButton>
          </FileTrigger>
          <FileTrigger acceptDirectory onSelect={(list) => list && add(fromInput([...list]))}>
            <AriaButton className="btn" data-variant="plain">
              {text("files.pick.folder")}
            </AriaButton>
          </FileTrigger>
        </span>
        <span className="muted">{text("files.kinds")}</span>
      </DropZone>
      {files.length > 0 && (
        <div className="file-list">
          <p className="section-head">
            <span className="num">{text("files.count", { n: count(files.length), size: bytes(size) })}</span>
            <Button variant="quiet" icon="close" onClick={() => onFiles([])}>
              {text("files.clear")}
            </Button>
          </p>
          <ul>
            {files.slice(0, LISTED).map((picked) => (
              <li key={picked.path}>
                <span className="mono ellipsis" title={picked.path}>
                  {picked.path}
                </span>
                <span className="num muted">{bytes(picked.file.size)}</span>
              </li>
            ))}
            {files.length > LISTED && <li className="muted">{text("files.more", { n: count(files.length - LISTED) })}</li>}
          </ul>
        </div>
      )}
    </div>
  );
}
