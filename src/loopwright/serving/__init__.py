"""Turns a model version into a running endpoint.

Comes in: a model version and how many replicas it should have. Goes out: a URL that a gateway provider can call,
and its health. Called by apps as a durable job. Nothing happens here yet.
"""

__all__: list[str] = []
