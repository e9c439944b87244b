"""`loopwright ask`: one question to a model or an assistant, streamed, with its sources."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Invalid, UpstreamFailed

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def ask(
    ctx: typer.Context,
    question: str = typer.Argument("", help="The question; read from standard input when left out."),
    model: str = typer.Option("handbook", "-m", "--model", help="What answers; see: loopwright models"),
    system: str = typer.Option("", "-s", "--system", help="Instructions before the question."),
) -> None:
    """Asks one question and prints the answer as it comes."""
    client: Client = ctx.obj
    if not question and sys.stdin.isatty():
        raise Invalid("there is no question", hint='loopwright ask "How do I rate an answer?"')
    question = question or sys.stdin.read()
    messages = [{"role": "system", "content": system}] if system else []
    body = {"model": model, "messages": [*messages, {"role": "user", "content": question}], "stream": True}
    answer, citations, trace_id = _stream(client, body)
    if client.as_json:
        client.emit({"answer": answer, "citations": citations, "trace_id": trace_id})
        return
    client.say("")
    cited = [found for found in citations if f"[{found['index']}]" in answer]
    if citations and not cited:
        client.say(f"  none of the {len(citations)} passages found is cited")
    for found in cited:
        place = f", page {found['page']}" if found.get("page") else ""
        heading = f" > {found['heading']}" if found.get("heading") else ""
        client.say(f"  [{found['index']}] {found['source']}{heading}{place}")
    client.say(f"  trace {trace_id}: loopwright traces show {trace_id}")


def _stream(client: Client, body: dict[str, Any]) -> tuple[str, list[dict[str, Any]], str]:
    parts: list[str] = []
    citations: list[dict[str, Any]] = []
    with client.response("/v1/chat/completions", body) as response:
        trace_id = response.headers.get("x-loopwright-trace-id", "")
        for line in response:
            data = line.decode().removeprefix("data:").strip()
            if not data or data == "[DONE]" or data.startswith(":"):
                continue
            chunk = json.loads(data)
            if "error" in chunk:
                raise UpstreamFailed(chunk["error"]["message"], hint=f"loopwright traces show {trace_id}")
            citations = chunk.get("citations") or citations
            for choice in chunk.get("choices", []):
                text = choice["delta"].get("content") or ""
                parts.append(text)
                if not client.as_json:
                    client.out.write(text)
                    client.out.flush()
    return "".join(parts), citations, trace_id
