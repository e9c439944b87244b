"""The unmodified OpenAI client against the running product."""

from __future__ import annotations

import json

import openai
import pytest

from tests.acceptance.product import Product


@pytest.fixture
def client(product: Product) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{product.url}/v1", api_key=product.key, max_retries=0)


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="builtin/echo", messages=[{"role": "user", "content": "Hello there"}])
    assert answer.choices[0].message.content == "Hello there"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="builtin/echo",
        messages=[{"role": "user", "content": "one two three"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "one two three"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


def test_embeddings(client: openai.OpenAI) -> None:
    made = client.embeddings.create(model="builtin/embed", input=["a cat", "a kitten", "quarterly tax report"])
    cat, kitten, tax = (item.embedding for item in made.data)
    assert len(cat) == 384
    assert sum(x * x for x in cat) == pytest.approx(1.0, abs=1e-4)
    assert sum(x * y for x, y in zip(cat, kitten, strict=True)) > sum(x * y for x, y in zip(cat, tax, strict=True))
    plain = client.embeddings.create(model="builtin/embed", input="a cat", encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(cat, abs=1e-5)


def test_models(client: openai.OpenAI) -> None:
    assert {"builtin/echo", "builtin/extract", "builtin/embed"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("builtin/echo").owned_by == "builtin"


def test_tools_and_json(client: openai.OpenAI) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = client.chat.completions.create(
        model="builtin/echo",
        messages=[{"role": "user", "content": "Oslo"}],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": parameters}}],
    )
    call = answer.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Oslo"}
    assert answer.choices[0].finish_reason == "tool_calls"


def test_errors_become_the_clients_own_classes(client: openai.OpenAI, product: Product) -> None:
    with pytest.raises(openai.NotFoundError, match="did you mean builtin/echo"):
        client.chat.completions.create(model="builtin/ecko", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError, match="non-empty list"):
        client.chat.completions.create(model="builtin/echo", messages=[])
    stranger = openai.OpenAI(base_url=f"{product.url}/v1", api_key="lw-nobody", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="not known here"):
        stranger.models.list()


def test_a_trace_is_visible_within_two_seconds(client: openai.OpenAI, product: Product) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model="builtin/echo", messages=[{"role": "user", "content": "find me"}], user="ada"
    )
    trace_id = answer.headers["x-loopwright-trace-id"]

    def visible() -> bool:
        return any(item["trace_id"] == trace_id for item in product.get("/api/traces?user_id=ada")["items"])

    product.wait_for(visible, 2.0, "the trace in the list")
    detail = product.get(f"/api/traces/{trace_id}")
    assert detail["trace"]["input_preview"] == "find me"
    assert detail["trace"]["cost_usd"] == 0
