"""Loopwright runs the whole life of an LLM application: data, gateway, traces, and back to data."""

__version__ = "0.1.0"
