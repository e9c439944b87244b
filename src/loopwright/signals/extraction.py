"""An answer without a language model: the sentences of given passages that fit a question best, with their markers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import log, sqrt

from loopwright.signals.passages import PassageBlock

Vectors = Sequence[Sequence[float]]

NOTHING_FITS = "Nothing in the knowledge base fits this question."

MAX_SENTENCES = 4
MAX_EMBEDDED = 24
"""Sentences shown to the embedder; they are chosen by shared words, and each costs about 5 ms of one core."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """`text` carries a marker `[n]` after each run of sentences; `indexes` are the passages it quotes.

    `score` is that of the best sentence, 0 to 1; `fits` is False when it lies below the threshold.
    """

    text: str
    indexes: tuple[int, ...]
    score: float
    fits: bool


def extract_answer(
    question: str, passages: Sequence[PassageBlock], embed: Callable[[Sequence[str]], Vectors]
) -> Extraction:
    """The one to four sentences that fit `question` best; `embed` gives unit vectors for a list of texts."""
    candidates = _candidates(question, passages)
    if not candidates:
        return _NOTHING
    return _answer(candidates, embed([question, *(one.embedded for one in candidates)]))


async def extract_answer_async(
    question: str, passages: Sequence[PassageBlock], embed: Callable[[Sequence[str]], Awaitable[Vectors]]
) -> Extraction:
    """Like `extract_answer`, for an embedder that lives behind a call to another process."""
    candidates = _candidates(question, passages)
    if not candidates:
        return _NOTHING
    return _answer(candidates, await embed([question, *(one.embedded for one in candidates)]))


# With these, the 40 questions of bench/retrieval/extraction.py fall on the right side of LEAST_SCORE with either
# embedder: 20 that packaged documentation answers (all but one from 0.42 up) and 20 on other subjects (up to 0.30).
COSINE_WEIGHT = 0.6
OVERLAP_WEIGHT = 0.3
RANK_WEIGHT = 0.1
LEAST_SCORE = 0.34
NEAR_BEST = 0.85
"""A further sentence is quoted when it scores at least this part of the best one."""

_NOTHING = Extraction(NOTHING_FITS, (), 0.0, False)
_WORD = re.compile(r"\w+")
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1[^\n]*$", re.MULTILINE | re.DOTALL)
# A sentence that announces code, "run:", is worth little without it; short code is taken into the sentence.
_ANNOUNCED = re.compile(r":[ \t]*\n\s*(```|~~~)[^\n]*\n(?P<code>[^`]{1,200}?)\n[ \t]*\1[^\n]*")
_TABLE_ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)
_TABLE_RULE = re.compile(r"[ \t|:-]+")
_BLOCK = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])")
_SENTENCE_END = re.compile(r"[.!?][\"')\]’”]*\s+(?=[\"'(\[“‘]?[A-Z0-9])")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]")
# A full stop after one of these ends an abbreviation, not a sentence.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|cf|approx|No|Fig|Inc|Ltd|Co|U\.S)\.$"
)
_ITEM = re.compile(r"(?:[-*+•]|\d{1,3}[.)])[ \t]+")
_LONGEST_SENTENCE = 1200
_LONGEST_LIST = 500
_STOP_WORDS = (
    "a an and are as at be been by can could did do does for from had has have how i in is it its many me much my of "
    "on or our should tell that the their there they this to us was we were what when where which who whom whose why "
    "will with would you your"
)
_STOP = frozenset(_STOP_WORDS.split())
_SUFFIX = re.compile(r"(?:ies|ing|ed|es|s)$")


@dataclass(frozen=True, slots=True)
class _Candidate:
    passage: int
    position: int
    rank: int
    text: str
    embedded: str
    overlap: float


def _candidates(question: str, passages: Sequence[PassageBlock]) -> list[_Candidate]:
    asked = _stems(question)
    found = [
        (passage, rank, position, sentence)
        for rank, passage in enumerate(passages)
        for position, sentence in enumerate(split_sentences(passage.text))
    ]
    stems = [_stems(sentence) for *_, sentence in found]
    weights = {stem: log(1 + len(found) / (1 + sum(stem in own for own in stems))) for stem in asked}
    total = sum(weights.values()) or 1.0
    candidates = [
        _Candidate(
            passage=passage.index,
            position=position,
            rank=rank,
            text=sentence,
            # The heading says what "it" is in a sentence of a manual.
            embedded=f"{passage.heading}: {sentence}" if passage.heading else sentence,
            overlap=sum(weights[stem] for stem in asked & own) / total,
        )
        for (passage, rank, position, sentence), own in zip(found, stems, strict=True)
    ]
    candidates.sort(key=lambda one: (-one.overlap - RANK_WEIGHT / (1 + one.rank), one.rank, one.position))
    return candidates[:MAX_EMBEDDED]


def _answer(candidates: Sequence[_Candidate], vectors: Vectors) -> Extraction:
    question, *rest = vectors
    scored = sorted(
        (
            (
                COSINE_WEIGHT * max(_cosine(question, vector), 0.0)
                + OVERLAP_WEIGHT * one.overlap
                + RANK_WEIGHT / (1 + one.rank),
                one,
            )
            for one, vector in zip(candidates, rest, strict=True)
        ),
        key=lambda pair: -pair[0],
    )
    best = scored[0][0]
    if best < LEAST_SCORE:
        return Extraction(NOTHING_FITS, (), best, False)
    chosen = [one for score, one in scored[:MAX_SENTENCES] if score >= NEAR_BEST * best]
    chosen.sort(key=lambda one: (one.rank, one.position))
    parts: list[str] = []
    for number, one in enumerate(chosen):
        parts.append(one.text)
        if number + 1 == len(chosen) or chosen[number + 1].passage != one.passage:
            parts.append(f"[{one.passage}]")
    return Extraction(" ".join(parts), tuple(dict.fromkeys(one.passage for one in chosen)), best, True)


def split_sentences(text: str) -> list[str]:
    """Sentences of prose, items of lists and rows of tables, whitespace collapsed.

    Headings, heads of tables and long code are left out; a short piece of code stays with the sentence before it.
    """
    sentences: list[str] = []
    text = _FENCED.sub("\n", _ANNOUNCED.sub(_inline, text))
    for block in _BLOCK.split(_TABLE_ROW.sub(_row_as_item, _without_table_heads(text))):
        lines = [line for line in block.split("\n") if not _HEADING.match(line)]
        joined = " ".join(" ".join(lines).split())
        start = 0
        for end in _SENTENCE_END.finditer(joined):
            if not _ABBREVIATION.search(joined[max(end.start() - 8, start) : end.start() + 1]):
                sentences.append(joined[start : end.end()].strip())
                start = end.end()
        sentences.append(joined[start:].strip())
    return [one[:_LONGEST_SENTENCE] for one in _with_announced_items(sentences) if _WORD.search(one)]


def _with_announced_items(sentences: Sequence[str]) -> list[str]:
    """A sentence that ends with a colon takes the items of the short list after it along."""
    joined: list[str] = []
    position = 0
    while position < len(sentences):
        sentence = sentences[position]
        position += 1
        if sentence.endswith(":"):
            items = list(takewhile(_ITEM.match, sentences[position:]))
            if items and sum(map(len, items)) <= _LONGEST_LIST:
                sentence = f"{sentence} {'; '.join(_ITEM.sub('', item).rstrip('.;') for item in items)}."
                position += len(items)
        joined.append(sentence)
    return joined


def _inline(found: re.Match[str]) -> str:
    code = "; ".join(line.strip() for line in found["code"].splitlines() if line.strip())
    return f": `{code}`.\n\n"


def _without_table_heads(text: str) -> str:
    lines = text.split("\n")
    rules = {number for number, line in enumerate(lines) if "|" in line and "-" in line and _TABLE_RULE.fullmatch(line)}
    return "\n".join(line for number, line in enumerate(lines) if number not in rules and number + 1 not in rules)


def _row_as_item(found: re.Match[str]) -> str:
    cells = [cell.strip() for cell in found[0].strip().strip("|").split("|")]
    first, *rest = [cell for cell in cells if cell] or [""]
    return f"\n{first}: {' · '.join(rest)}\n\n" if rest else f"\n{first}\n\n"


def _stems(text: str) -> set[str]:
    words = set(_WORD.findall(text.lower())) - _STOP
    return {_SUFFIX.sub("", word) if len(word) > 4 else word for word in words}


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(left, right, strict=True))
    size = sqrt(sum(a * a for a in left) * sum(b * b for b in right))
    return product / size if size else 0.0
