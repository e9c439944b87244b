"""Turns a dataset and a base model into an adapter.

Comes in: a dataset version, a base model by digest, and a tuning recipe. Goes out: adapter files in the blobs,
and a model version for the catalogue. Called by apps as a durable job. Nothing happens here yet.
"""

__all__: list[str] = []
