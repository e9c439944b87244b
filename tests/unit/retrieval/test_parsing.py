"""Files become text with headings, pages and exact offsets; what cannot be read says why."""

from __future__ import annotations

import io
import json

import pytest
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen.canvas import Canvas

from loopwright.foundation.errors import Invalid, TooLarge
from loopwright.retrieval import parsing
from loopwright.retrieval.parsing import ParsedDocument, parse, split_parts


def make_pdf(*pages: str, title: str = "", password: str = "") -> bytes:
    """A PDF with one text a page; a page without text gets a line drawn."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A5, encrypt=password or None)
    canvas.setTitle(title)
    for page in pages:
        for number, line in enumerate(page.split("\n")):
            canvas.drawString(40, 500 - 16 * number, line)
        canvas.line(1, 1, 9, 9)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def sections(document: ParsedDocument) -> list[tuple[tuple[str, ...], str]]:
    return [(one.heading, document.text[one.start : one.end].strip()) for one in document.sections]


MARKDOWN = """---
title: "Gateway guide"
---
Intro.

# Gateway `v1`

First.

## Retries ##
```python
# not a heading
```
Under [a link](http://x)
------
Third.

- item
---
# Other
"""


def test_markdown_keeps_its_headings_as_paths() -> None:
    document = parse("guide.md", "text/markdown", MARKDOWN.encode())
    assert document.title == "Gateway guide"
    assert document.text == MARKDOWN
    assert sections(document) == [
        ((), "Intro."),
        (("Gateway v1",), "# Gateway `v1`\n\nFirst."),
        (("Gateway v1", "Retries"), MARKDOWN[MARKDOWN.index("## R") : MARKDOWN.index("# Other")].strip()),
        (("Other",), "# Other"),
    ]  # fmt: skip


def test_a_setext_heading_after_a_blank_line_counts() -> None:
    document = parse("a.md", "text/markdown", b"Top\n===\n\nText\n\nSub\n---\nMore")
    assert [heading for heading, _ in sections(document)] == [("Top",), ("Top", "Sub")]
    assert document.title == "Top"


HTML = """<!doctype html><html><head><title>Fish &amp; Chips</title><style>p{}</style></head><body>
<nav>Menu</nav><h1>Caf&eacute; &lt;menu&gt;</h1>
<p>One <b>bold</b>&nbsp;word,<br>next&#8212;line.</p><script>alert(1)</script>
<ul><li>first</li><li>second</li></ul><pre>  keep
   this</pre><h2>Prices</h2><table><tr><th>Dish</th><th>Cost</th></tr><tr><td>Cod</td><td>&euro;5</td></tr></table>
</body></html>"""


def test_html_is_read_as_it_looks_with_entities_decoded() -> None:
    document = parse("menu.html", "text/html", HTML.encode())
    assert document.title == "Fish & Chips"
    assert sections(document) == [
        (("Café <menu>",), "Café <menu>\n\nOne bold word,\nnext—line.\n\n- first\n- second\n\n  keep\n   this"),
        (("Café <menu>", "Prices"), "Prices\n\nDish | Cost\nCod | €5"),
    ]


def test_html_may_nest_as_deep_as_it_likes() -> None:
    content = b"<body>" + b"<div>" * 3_000 + b"deep" + b"</div>" * 3_000 + b"<p>shallow</p>"
    assert "shallow" in parse("a.html", "text/html", content).text


def test_a_pdf_keeps_its_pages() -> None:
    document = parse("r.pdf", "application/pdf", make_pdf("First page.\nTwo lines.", "", "Third.", title="Report"))
    assert (document.title, document.page_count) == ("Report", 3)
    assert [(one.page, document.text[one.start : one.end]) for one in document.sections] == [
        (1, "First page.\nTwo lines.\n\n"),
        (3, "Third.\n\n"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_in_its_encoding(encoding: str) -> None:
    document = parse("a.txt", "text/plain", "Äpfel – günstig\r\nzwei".encode(encoding))
    assert document.text == "Äpfel – günstig\nzwei"
    assert document.title == "a"


@pytest.mark.parametrize(
    ("name", "media_type", "content", "reason"),
    [
        ("a.txt", "text/plain", b"", "is empty"),
        ("a.txt", "text/plain", b" \n ", "no text"),
        ("a.txt", "text/plain", b"\x7fELF\x00\x00", "binary"),
        ("a.txt", "text/plain", bytes(range(1, 9)) * 50, "binary"),
        ("a.html", "text/html", b"<script>x()</script>", "no text"),
        ("a.pdf", "application/pdf", b"<html>", "not a PDF"),
        ("a.pdf", "application/pdf", b"%PDF-1.4 garbage", "damaged"),
        ("a.pdf", "application/pdf", make_pdf("secret", password="key"), "password"),
        ("a.pdf", "application/pdf", make_pdf("", ""), "2 pages and no text"),
        ("a.doc", "application/msword", b"x", "application/msword cannot be read"),
    ],
)
def test_what_cannot_be_read_says_why(name: str, media_type: str, content: bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        parse(name, media_type, content)


def test_sizes_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_TEXT", 10)
    monkeypatch.setattr(parsing, "MAX_PAGES", 1)
    for name, media_type, content in (
        ("a.txt", "text/plain", b"x" * 11),
        ("a.html", "text/html", b"<p>" + b"x" * 11),
        ("a.pdf", "application/pdf", make_pdf("1", "2")),
        ("a.pdf", "application/pdf", make_pdf("longer than ten")),
    ):
        with pytest.raises(TooLarge):
            parse(name, media_type, content)
    monkeypatch.setattr(parsing, "MAX_BYTES", 10)
    with pytest.raises(TooLarge, match="at most 10"):
        parse("a.txt", "text/plain", b"x" * 11)


def test_squad_json_is_a_document_a_paragraph() -> None:
    squad = {
        "version": "1.1",
        "data": [
            {"title": "Super_Bowl_50", "paragraphs": [{"context": "One.", "qas": []}, {"context": "Two."}]},
            {"title": "Twice", "paragraphs": [{"context": "Three."}, {"context": "  "}]},
            {"title": "Twice", "paragraphs": [{"context": "Four."}]},
        ],
    }
    parts = split_parts("s.json", json.dumps(squad).encode())
    assert [(part.key, part.title, part.text) for part in parts] == [
        ("Super_Bowl_50-1", "Super Bowl 50", "One."),
        ("Super_Bowl_50-2", "Super Bowl 50", "Two."),
        ("Twice2-1", "Twice", "Three."),
        ("Twice3-1", "Twice", "Four."),
    ]


@pytest.mark.parametrize("content", [b"{}", b"[1]", b'{"data": [{"title": 3}]}', b"{", b"[" * 100_000])
def test_other_json_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid, match="shape of SQuAD"):
        split_parts("s.json", content)
    with pytest.raises(Invalid, match="no paragraph"):
        split_parts("s.json", b'{"data": []}')
