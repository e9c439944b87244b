"""Says how good an answer, a model or an assistant is.

Comes in: dataset versions, traces, and what to measure. Goes out: scores, comparisons, and a yes or no of a gate.
Called by apps; rollouts ask its gates through a protocol that wiring joins. Nothing happens here yet.
"""

__all__: list[str] = []
