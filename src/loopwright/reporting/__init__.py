"""Says what it costs and how it drifts.

Comes in: spans and scores of a team, over time. Goes out: usage, forecasts, drift and alerts.
Called by apps for the cost screens and for scheduled reports. Nothing happens here yet.
"""

__all__: list[str] = []
