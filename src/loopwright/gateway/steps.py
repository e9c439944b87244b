"""The chain a request passes: each step may change it, answer it, or look at the reply on its way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from loopwright.gateway.exchange import Exchange, Reply

Next = Callable[[Exchange], Awaitable[Reply]]
Step = Callable[[Exchange, Next], Awaitable[Reply]]
"""`async (exchange, call_next) -> reply`. A step that did not run says so on the trace."""


def chain(steps: Sequence[Step], last: Next) -> Next:
    """One callable that runs `steps` in order around `last`."""
    for step in reversed(steps):
        last = _bind(step, last)
    return last


def _bind(step: Step, call_next: Next) -> Next:
    async def run(exchange: Exchange) -> Reply:
        return await step(exchange, call_next)

    return run


async def instructions(exchange: Exchange, call_next: Next) -> Reply:
    """Puts an endpoint's system text before the messages and its parameters where the caller set none."""
    spec = exchange.target.spec
    for name, value in (spec.get("parameters") or {}).items():
        if name not in exchange.body:
            exchange.set(name, value)
    if spec.get("system"):
        exchange.set("messages", [{"role": "system", "content": spec["system"]}, *exchange.messages()])
    return await call_next(exchange)
