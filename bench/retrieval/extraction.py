"""Where the threshold of `builtin/extract` lies: questions that a corpus answers, and questions that it does not.

    python bench/retrieval/extraction.py /usr/share/doc

The corpus is the Markdown documentation of Debian packages (pip, zstd, systemd, GLib, PyYAML and others). Each
question is searched in it, and the score of the best sentence is printed with both embedders. The data is not that
of bench/retrieval/xquad.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.foundation.errors import LoopwrightError
from loopwright.retrieval.chunking import Recipe
from loopwright.retrieval.reading import File, Reader, read_child
from loopwright.signals import Embedder, PassageBlock, extract_answer, load_embedder
from loopwright.signals.extraction import LEAST_SCORE

CORPUS = (
    "git/README.md",
    "libglib2.0-0/README.md",
    "libpango-1.0-0/README.md",
    "libtasn1-6/README.md",
    "procps/bugs.md",
    "python3-httplib2/README.md",
    "python3-pip/html/*.md",
    "python3-pip/html/topics/*.md",
    "python3-yaml/README.md",
    "systemd/TRANSLATORS.md",
    "zstd/TESTING.md",
)

ANSWERED = (
    "How do I install pip with ensurepip?",
    "What does hash-checking mode protect against?",
    "How do I pin the versions of packages?",
    "How can I keep credentials for pip in a keyring?",
    "How do I percent-encode special characters in a password?",
    "What is an editable install?",
    "How do I make pip manage a different Python interpreter?",
    "Does pip use the certificates of the system?",
    "How do I upgrade a package with pip?",
    "How do I uninstall a package?",
    "Where do I report bugs in GLib?",
    "Which licence does PyYAML have?",
    "What do the long tests of zstd contain?",
    "How do I start a new translation of systemd?",
    "What should I send when I report a bug in procps?",
    "What is Pango used for?",
    "Who wrote git?",
    "What does libtasn1 implement?",
    "What is a netrc file for?",
    "How is httplib2 installed?",
)
UNANSWERED = (
    "What is the capital of Australia?",
    "How long do I boil an egg?",
    "Who won the football world cup in 1998?",
    "Which vitamins are in an orange?",
    "How do I change the tyre of a bicycle?",
    "When was the treaty of Westphalia signed?",
    "What is the melting point of gold?",
    "How do I apply for a visa to Japan?",
    "Who painted the ceiling of the Sistine chapel?",
    "What causes the northern lights?",
    "How many players does a cricket team have?",
    "What is the refund policy of the airline?",
    "How do I reset the espresso machine?",
    "Which bus goes to the airport?",
    "What is the warranty of the washing machine?",
    "How do I train a dog to sit?",
    "What is the GDP of Brazil?",
    "When do tulips bloom?",
    "How do I negotiate a higher salary?",
    "What is the plot of Hamlet?",
)


def read_corpus(folder: Path) -> list[tuple[str, str]]:
    """(heading, text) of every passage."""
    paths = sorted(path for pattern in CORPUS for path in folder.glob(pattern))
    files = [File(name=path.name, media_type="text/markdown", content=path.read_bytes()) for path in paths]
    read = Reader(read_child, Recipe(), None).read(files)
    texts = {chunk.text: " > ".join(chunk.heading) or one.title for one in read for chunk in one.chunks}
    return [(heading, text) for text, heading in texts.items()]


def best_scores(embedder: Embedder, corpus: Sequence[tuple[str, str]], questions: Sequence[str]) -> list[float]:
    """The score of the best sentence for each question."""
    matrix = embedder.embed([f"{heading}\n\n{text}" for heading, text in corpus])
    scores = []
    for question, vector in zip(questions, embedder.embed(questions), strict=True):
        top = np.argsort(-(matrix @ vector))[:5]
        blocks = [
            PassageBlock(index=n, heading=corpus[row][0], text=corpus[row][1]) for n, row in enumerate(top, start=1)
        ]
        scores.append(extract_answer(question, blocks, lambda texts: embedder.embed(texts).tolist()).score)
    return scores


def main() -> None:
    """Prints the scores and what the threshold does with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    corpus = read_corpus(parser.parse_args().folder)
    out = sys.stdout
    out.write(f"{len(corpus)} passages, threshold {LEAST_SCORE}\n")
    for choice in ("minilm", "hashing"):
        try:
            embedder = load_embedder(choice)
        except LoopwrightError as error:
            out.write(f"{choice}: {error.message}\n")
            continue
        for name, questions, wanted in (("answered", ANSWERED, True), ("unanswered", UNANSWERED, False)):
            scores = best_scores(embedder, corpus, questions)
            right = sum((score >= LEAST_SCORE) == wanted for score in scores)
            shown = " ".join(f"{score:.2f}" for score in sorted(scores))
            out.write(f"{embedder.name:18}{name:12}{right}/{len(questions)} right: {shown}\n")


if __name__ == "__main__":
    main()
