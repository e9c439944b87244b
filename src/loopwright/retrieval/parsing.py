"""Files to text with headings, pages and exact offsets; files lie, so only `reading` calls it, in a limited child."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
import pypdfium2  # type: ignore[import-untyped]
from selectolax.lexbor import LexborHTMLParser

from loopwright.foundation.errors import Invalid, TooLarge
from loopwright.retrieval.formats import MAX_BYTES

MAX_PAGES: Final = 5_000
MAX_TEXT: Final = 20_000_000
MAX_PARTS: Final = 100_000
MAX_DEPTH: Final = 400


class Section(msgspec.Struct, kw_only=True, frozen=True):
    """A stretch `text[start:end]` under one heading path (outermost first) or on one page, counted from 1."""

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None


class ParsedDocument(msgspec.Struct, kw_only=True, frozen=True):
    """A document as text; its sections follow one another and cover everything that is worth finding."""

    title: str
    text: str
    sections: tuple[Section, ...]
    markdown: bool = False
    page_count: int | None = None


class Part(msgspec.Struct, kw_only=True, frozen=True):
    """One document out of a file that holds many."""

    key: str
    title: str
    text: str


def parse(name: str, media_type: str, content: bytes) -> ParsedDocument:
    """The document in `content`. Raises Invalid or TooLarge with the reason when it cannot be read."""
    if not content:
        raise Invalid("the file is empty")
    if len(content) > MAX_BYTES:
        raise TooLarge(f"the file has {len(content):,} bytes; at most {MAX_BYTES:,} are read")
    parser = _PARSERS.get(media_type)
    if parser is None:
        raise Invalid(f"files of type {media_type} cannot be read; known: {', '.join(sorted(_PARSERS))}")
    document = parser(PurePosixPath(name).stem, content)
    if len(document.text) > MAX_TEXT:
        raise TooLarge(f"the file holds {len(document.text):,} characters of text; at most {MAX_TEXT:,} are read")
    if not any(document.text[section.start : section.end].strip() for section in document.sections):
        raise Invalid("the file holds no text")
    return document


def split_parts(name: str, content: bytes) -> list[Part]:
    """The paragraphs of a SQuAD-shaped JSON file, each a document of its own, named `Title-3`.

    Raises Invalid for JSON of any other shape.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"the file has {len(content):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        squad = msgspec.json.decode(content, type=_Squad)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(
            f"{name} is not JSON in the shape of SQuAD (data[].title, data[].paragraphs[].context): {error}"
        ) from error
    parts: list[Part] = []
    titles = Counter(article.title for article in squad.data)
    for number, article in enumerate(squad.data):
        title = article.title.replace("_", " ") or f"article {number + 1}"
        unique = article.title if article.title and titles[article.title] == 1 else f"{article.title}{number + 1}"
        parts.extend(
            Part(key=f"{unique}-{index + 1}", title=title, text=paragraph.context)
            for index, paragraph in enumerate(article.paragraphs)
            if paragraph.context.strip()
        )
        if len(parts) > MAX_PARTS:
            raise TooLarge(f"{name} holds more than {MAX_PARTS:,} paragraphs")
    if not parts:
        raise Invalid(f"{name} holds no paragraph")
    return parts


class _Paragraph(msgspec.Struct):
    context: str


class _Article(msgspec.Struct):
    paragraphs: list[_Paragraph]
    title: str = ""


class _Squad(msgspec.Struct):
    data: list[_Article]


def _plain(stem: str, content: bytes) -> ParsedDocument:
    text = _decode(content)
    return ParsedDocument(title=stem, text=text, sections=(Section(start=0, end=len(text)),))


def _markdown(stem: str, content: bytes) -> ParsedDocument:
    text = _decode(content)
    start = 0
    title = ""
    if front := _FRONT_MATTER.match(text):
        start = front.end()
        named = re.search(r"(?m)^title:[ \t]*(.+)$", front[0])
        title = named[1].strip().strip("\"'") if named else ""
    headings = list(_markdown_headings(text, start))
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    if not headings or headings[0][0] > start:
        sections.append(Section(start=start, end=headings[0][0] if headings else len(text)))
    for index, (position, level, words) in enumerate(headings):
        path = [*(entry for entry in path if entry[0] < level), (level, words)]
        end = headings[index + 1][0] if index + 1 < len(headings) else len(text)
        sections.append(Section(start=position, end=end, heading=tuple(entry[1] for entry in path)))
    title = title or next((words for _, level, words in headings if level == 1), "") or stem
    return ParsedDocument(title=title, text=text, sections=tuple(sections), markdown=True)


def _markdown_headings(text: str, start: int) -> Iterator[tuple[int, int, str]]:
    """(offset, level, words) of ATX and setext headings outside of code fences (CommonMark 4.2, 4.3, 4.5)."""
    fence = ""
    before: tuple[int, str] | None = None
    position = start
    for line in text[start:].splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        if opened := _FENCE.match(bare):
            mark = opened["mark"]
            if not fence:
                fence = mark
            elif mark[0] == fence[0] and len(mark) >= len(fence) and not opened["info"].strip():
                fence = ""
            before = None
        elif not fence:
            if heading := _ATX.match(bare):
                yield position, len(heading[1]), _heading_words(_CLOSING_MARKS.sub("", bare[heading.end() :].strip()))
                before = None
            elif before is not None and (under := _SETEXT.match(bare)):
                yield before[0], 1 if under[1] == "=" else 2, _heading_words(before[1])
                before = None
            else:
                # Only a one-line paragraph: a rule under a longer one, a list or a quote is no heading of ours.
                alone = bool(bare.strip()) and not _NOT_PARAGRAPH.match(bare) and _blank_before(text, position, start)
                before = (position, bare) if alone else None
        position += len(line)


def _blank_before(text: str, position: int, start: int) -> bool:
    return position <= start or not text[text.rfind("\n", start, position - 1) + 1 : position].strip()


def _heading_words(words: str) -> str:
    plain = _LINK.sub(r"\1", words[: 2 * _LONGEST_HEADING]).replace("`", "").replace("*", "")
    return " ".join(plain.split())[:_LONGEST_HEADING]


def _html(stem: str, content: bytes) -> ParsedDocument:
    tree = LexborHTMLParser(content)
    found = tree.css_first("title")
    title = " ".join(found.text().split()) if found is not None else ""
    writer = _HtmlWriter()
    if tree.body is not None:
        writer.walk(tree.body)
    return writer.document(title or stem)


class _HtmlWriter:
    """Writes the visible text of a tree: one line a block, `pre` as it stands, table cells divided by ` | `."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._gap = ""
        self._path: list[tuple[int, str]] = []
        self._starts: list[tuple[int, tuple[str, ...]]] = [(0, ())]

    def walk(self, root: Any) -> None:
        """Writes everything under `root`; a stack instead of recursion, since nesting is the author's choice."""
        stack: list[tuple[Any, bool, int, bool]] = [(root, False, 0, False)]
        while stack:
            node, closing, depth, kept = stack.pop()
            tag = node.tag
            if closing:
                self._space("\n\n" if tag in _PARAGRAPHS else "\n")
            elif tag == "-text":
                self._text(node.text_content or "", kept)
            elif tag in _UNSEEN or depth > MAX_DEPTH:
                continue
            elif tag == "br":
                self._space("\n")
            else:
                if tag in _BLOCKS:
                    self._space("\n\n" if tag in _PARAGRAPHS else "\n")
                    stack.append((node, True, depth, kept))
                self._open(node, tag)
                children = list(node.iter(include_text=True))
                stack.extend((child, False, depth + 1, kept or tag == "pre") for child in reversed(children))

    def document(self, title: str) -> ParsedDocument:
        """The document, once everything is written."""
        text = "".join(self._pieces)
        ends = [start for start, _ in self._starts[1:]] + [len(text)]
        sections = tuple(
            Section(start=start, end=end, heading=heading)
            for (start, heading), end in zip(self._starts, ends, strict=True)
            if end > start
        )
        return ParsedDocument(title=title, text=text, sections=sections)

    def _open(self, node: Any, tag: str) -> None:
        if tag in _HEADINGS:
            level = int(tag[1])
            words = " ".join(node.text().split())[:_LONGEST_HEADING]
            if words:
                self._path = [*(entry for entry in self._path if entry[0] < level), (level, words)]
                # The heading begins after the gap before it.
                self._flush_gap()
                self._starts.append((self._length, tuple(entry[1] for entry in self._path)))
        elif tag == "li":
            self._write("- ")
        elif tag in {"td", "th"} and node.prev is not None and self._gap == "":
            self._write(" | ")

    def _text(self, text: str, kept: bool) -> None:
        if kept:
            self._write(text)
            return
        words = " ".join(text.split())
        if not words:
            if text and self._gap == "":
                self._gap = " "
            return
        if text[0].isspace() and self._gap == "":
            self._gap = " "
        self._write(words)
        if text[-1].isspace():
            self._gap = " "

    def _space(self, gap: str) -> None:
        if len(gap) > len(self._gap) or self._gap == " ":
            self._gap = gap

    def _flush_gap(self) -> None:
        if self._gap and self._length:
            self._pieces.append(self._gap)
            self._length += len(self._gap)
        self._gap = ""

    def _write(self, text: str) -> None:
        self._flush_gap()
        self._pieces.append(text)
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise TooLarge(f"the page holds more than {MAX_TEXT:,} characters of text")


def _pdf(stem: str, content: bytes) -> ParsedDocument:
    if b"%PDF" not in content[:1024]:
        raise Invalid("the file is named .pdf but is not a PDF")
    try:
        pdf = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "assword" in str(error) or "ecurity" in str(error):
            raise Invalid("the PDF is protected by a password") from error
        raise Invalid(f"the PDF is damaged: {error}") from error
    try:
        return _read_pdf(stem, pdf)
    finally:
        pdf.close()


def _read_pdf(stem: str, pdf: Any) -> ParsedDocument:
    count = len(pdf)
    if count > MAX_PAGES:
        raise TooLarge(f"the PDF has {count:,} pages; at most {MAX_PAGES:,} are read")
    sections: list[Section] = []
    pieces: list[str] = []
    length = 0
    for number in range(count):
        text = _pdf_page(pdf, number)
        if text:
            sections.append(Section(start=length, end=length + len(text), page=number + 1))
            pieces.append(text)
            length += len(text)
        if length > MAX_TEXT:
            raise TooLarge(f"the PDF holds more than {MAX_TEXT:,} characters of text")
    if not sections:
        raise Invalid(f"the PDF has {count} pages and no text; a scan needs text recognition, which is not built in")
    title = " ".join((pdf.get_metadata_value("Title") or "").split())
    return ParsedDocument(
        title=stem if title.lower() in _NO_TITLE else title,
        text="".join(pieces),
        sections=tuple(sections),
        page_count=count,
    )


def _pdf_page(pdf: Any, number: int) -> str:
    """Text of one page and a blank line; empty when there is none or the page is damaged."""
    try:
        page = pdf[number]
        textpage = page.get_textpage()
        text: str = textpage.get_text_range()
        textpage.close()
        page.close()
    except pypdfium2.PdfiumError:
        return ""
    # U+FFFE stands for the hyphen of a word that was broken at the end of a line.
    joined = _BROKEN_WORD.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()
    return f"{joined}\n\n" if joined else ""


def _decode(content: bytes) -> str:
    """Text of a file with `\\n` line ends: UTF-8, UTF-16 by its mark, else Windows-1252. Raises Invalid when binary."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        if b"\x00" in content:
            raise Invalid("the file is binary, not text")
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if sum(character < " " and character not in "\t\n\r\f\x1b" for character in text[:10_000]) > len(text) // 50:
            break
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise Invalid("the file is binary, or text in an unknown encoding; save it as UTF-8")


_PARSERS: dict[str, Callable[[str, bytes], ParsedDocument]] = {
    "text/plain": _plain,
    "text/markdown": _markdown,
    "text/html": _html,
    "application/pdf": _pdf,
}
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?:.*\n){0,200}?(?:---|\.\.\.)[ \t]*(?:\n|$)")
_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_CLOSING_MARKS = re.compile(r"(?:^|(?<=[ \t]))#+$")
_NO_TITLE = frozenset({"", "untitled", "anonymous", "(anonymous)"})
_BROKEN_WORD = re.compile(r"\ufffe[\r\n]*")
_LONGEST_HEADING = 200
_SETEXT = re.compile(r" {0,3}(=|-)\1*[ \t]*$")
_NOT_PARAGRAPH = re.compile(r" {4}|\t| {0,3}(?:[-*+>|]|\d{1,9}[.)])")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_UNSEEN_TAGS = "script style noscript template svg iframe object head nav button select -comment"
_PARAGRAPH_TAGS = "p h1 h2 h3 h4 h5 h6 pre blockquote ul ol dl table section article header footer main figure div"
_LINE_TAGS = "li tr dt dd address aside body caption figcaption form fieldset hr"
_UNSEEN = frozenset(_UNSEEN_TAGS.split())
_PARAGRAPHS = frozenset(_PARAGRAPH_TAGS.split())
_BLOCKS = _PARAGRAPHS | frozenset(_LINE_TAGS.split())
