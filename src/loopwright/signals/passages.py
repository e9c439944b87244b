"""Found passages to a block of prompt text and back, with the citation of each; standard library and msgspec only."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import msgspec

BYTES_PER_TOKEN = 4
"""Of English text, in the tokenizers of today's models; enough to keep a budget without one."""

HEADER_TOKENS = 24


class Passage(msgspec.Struct, kw_only=True, frozen=True):
    """A piece of a document that a search found; decodes straight from a hit of the search API."""

    text: str
    title: str = ""
    source: str = ""
    heading: str = ""
    page: int | None = None
    knowledge_base: str = ""
    document_id: str = ""
    passage_id: str = ""


class Citation(Passage, kw_only=True, frozen=True):
    """Where the marker `[index]` of an answer points to."""

    index: int


class PassageBlock(msgspec.Struct, kw_only=True, frozen=True):
    """A passage as it stands in a prompt."""

    index: int
    text: str
    source: str = ""
    title: str = ""
    heading: str = ""
    page: int | None = None


def estimate_tokens(text: str) -> int:
    """Tokens of `text`, from its UTF-8 bytes; within a third of what common tokenizers count."""
    return (len(text.encode()) + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN


def build_context(passages: Sequence[Passage], token_budget: int) -> tuple[str, list[Citation]]:
    """The prompt text of the best passages that fit `token_budget`, and their citations, numbered from 1.

    Passages come best first; one that does not fit is left out and the next tried, and when not even the first
    fits it is cut. Equal texts enter once. No text can close its own tag.
    """
    blocks: list[str] = []
    citations: list[Citation] = []
    seen: set[str] = set()
    left = token_budget
    for passage in passages:
        if passage.text in seen:
            continue
        seen.add(passage.text)
        cost = estimate_tokens(passage.text) + estimate_tokens(_attributes(passage)) + HEADER_TOKENS
        if cost > left:
            continue
        left -= cost
        citations.append(_cite(passage, len(citations) + 1))
        blocks.append(_block(citations[-1]))
    if not blocks and passages:
        room = max(token_budget - HEADER_TOKENS - estimate_tokens(_attributes(passages[0])), 0) * BYTES_PER_TOKEN
        cut = passages[0].text.encode()[:room].decode(errors="ignore").rpartition(" ")[0]
        if cut:
            citations.append(_cite(msgspec.structs.replace(passages[0], text=cut), 1))
            blocks.append(_block(citations[0]))
    return "\n".join(blocks), citations


def parse_context(text: str) -> list[PassageBlock]:
    """The passages that `build_context` wrote into `text`, wherever they stand in it."""
    found: list[PassageBlock] = []
    position = 0
    while header := _HEADER.search(text, position):
        end = text.find(_CLOSE, header.end() - 1)
        if end < 0:
            break
        attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(header["attributes"])}
        page = attributes.get("page", "")
        found.append(
            PassageBlock(
                index=int(header["index"]),
                text=_unescape(text[header.end() : end]),
                source=attributes.get("source", ""),
                title=attributes.get("title", ""),
                heading=attributes.get("heading", ""),
                page=int(page) if page.isascii() and page.isdigit() else None,
            )
        )
        position = end + len(_CLOSE)
    return found


_CLOSE = "\n</passage>"
_HEADER = re.compile(r'<passage index="(?P<index>[0-9]{1,6})"(?P<attributes>(?: [a-z]+="[^"<>]*")*)>\n')
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"<>]*)"')
# Only what looks like our tag is escaped, so that code in a passage stays readable for the model; the escaped
# form of the escaped form gains one more `amp;`, which makes the way back exact.
_TAG = re.compile(r"(?:<|&(?P<amps>(?:amp;)*)lt;)(?=\s*/?\s*passage)", re.IGNORECASE)
_ESCAPED_TAG = re.compile(r"&(?P<amps>(?:amp;)*)lt;(?=\s*/?\s*passage)", re.IGNORECASE)


def _cite(passage: Passage, index: int) -> Citation:
    return Citation(index=index, **msgspec.structs.asdict(passage))


def _block(citation: Citation) -> str:
    return f'<passage index="{citation.index}"{_attributes(citation)}>\n{_escape(citation.text)}{_CLOSE}'


def _attributes(passage: Passage) -> str:
    page = "" if passage.page is None else str(passage.page)
    given = (("source", passage.source), ("title", passage.title), ("heading", passage.heading), ("page", page))
    return "".join(f' {name}="{html.escape(" ".join(value.split()))}"' for name, value in given if value)


def _escape(text: str) -> str:
    return _TAG.sub(lambda found: "&lt;" if found["amps"] is None else f"&amp;{found['amps']}lt;", text)


def _unescape(text: str) -> str:
    return _ESCAPED_TAG.sub(lambda found: f"&{found['amps'][4:]}lt;" if found["amps"] else "<", text)
