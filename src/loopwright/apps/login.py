"""`loopwright login`: a link that signs a browser in, made by whoever owns the data folder."""

from __future__ import annotations

import typer

from loopwright.foundation.client import Client

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def login(ctx: typer.Context) -> None:
    """Prints a link that works once, for 30 minutes."""
    client: Client = ctx.obj
    token = client.post("/api/login-tokens")["login_token"]
    client.emit({"url": f"{client.get('/api/info')['base_url']}/?login={token}"})
