"""`loopwright models`: what can be called."""

from __future__ import annotations

import typer

from loopwright.foundation.client import Client

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def models(ctx: typer.Context) -> None:
    """Lists the assistants, endpoints and models of your team."""
    client: Client = ctx.obj
    client.emit(client.get("/api/models")["items"], ("id", "owned_by"))
