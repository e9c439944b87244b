"""Request in, steps, provider, response out: the hot path of every model call.

Comes in: an ASGI request of a known caller. Goes out: the provider's answer as it comes, and one trace in the
spool before the answer ends. `apps/gateway.py` runs it; steps of other packages hang themselves into it.
"""

from loopwright.gateway.authentication import Authenticator
from loopwright.gateway.exchange import Exchange, Reply
from loopwright.gateway.http import Receive, Scope, Send, client_gone, send_json, send_problem
from loopwright.gateway.openai_door import OpenAIDoor
from loopwright.gateway.providers import (
    BUILTIN_MODELS,
    Builtin,
    Embedded,
    EmbedTexts,
    ModelProvider,
    OpenAICompatible,
    Surroundings,
    provider_registry,
)
from loopwright.gateway.recorder import Recorder
from loopwright.gateway.steps import Next, Step, chain, instructions
from loopwright.gateway.stream import message_text
from loopwright.gateway.upstream import AddressGuard, UpstreamClient

__all__ = [
    "BUILTIN_MODELS",
    "AddressGuard",
    "Authenticator",
    "Builtin",
    "EmbedTexts",
    "Embedded",
    "Exchange",
    "ModelProvider",
    "Next",
    "OpenAICompatible",
    "OpenAIDoor",
    "Receive",
    "Recorder",
    "Reply",
    "Scope",
    "Send",
    "Step",
    "Surroundings",
    "UpstreamClient",
    "chain",
    "client_gone",
    "instructions",
    "message_text",
    "provider_registry",
    "send_json",
    "send_problem",
]
