"""The passages of one index version: written in batches, then searched by vector and by words.

Comes in: rows with vectors from a build, and queries. Goes out: ranked offsets and their passages.
The service of retrieval calls it; nobody else does.
"""

__all__: list[str] = []
