"""Several rankings into one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

SMOOTHING: Final = 10
"""k of reciprocal rank fusion; 10 ranks paragraphs as well as the customary 60 or better."""

Ranking = Sequence[tuple[int, float]]
"""(item, score), best first."""


def fuse(rankings: Sequence[Ranking], k: int = SMOOTHING) -> list[tuple[int, float]]:
    """Reciprocal rank fusion: (item, sum of 1 / (k + rank)), best first (Cormack, Clarke and Buettcher, SIGIR 2009).

    First and second changing places between two rankings is the commonest result, and a tie; the margins of the
    scores, each ranking's scaled to 0..1, decide it.
    """
    fused: defaultdict[int, float] = defaultdict(float)
    margins: defaultdict[int, float] = defaultdict(float)
    for ranking in rankings:
        if not ranking:
            continue
        best, least = ranking[0][1], ranking[-1][1]
        for rank, (item, score) in enumerate(ranking, start=1):
            fused[item] += 1 / (k + rank)
            margins[item] += (score - least) / (best - least) if best > least else 1.0
    # Sums of the same terms in another order differ in the last bits.
    return sorted(fused.items(), key=lambda pair: (-round(pair[1], 9), -margins[pair[0]], pair[0]))
