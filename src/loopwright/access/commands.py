"""CLI face of access: `loopwright keys` and `loopwright login`."""

from __future__ import annotations

import typer

from loopwright.foundation.client import Client

app = typer.Typer(help="API keys of your team.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command("ls")
def list_keys(ctx: typer.Context) -> None:
    """Lists keys, newest first; secrets are never shown again."""
    client: Client = ctx.obj
    client.emit(client.get("/api/keys")["items"], ("id", "name", "role", "prefix", "created_at", "revoked_at"))


@app.command("create")
def create_key(
    ctx: typer.Context, name: str, role: str = typer.Option("member", help="admin, member or viewer.")
) -> None:
    """Makes a key and shows it this one time."""
    client: Client = ctx.obj
    client.emit(client.post("/api/keys", {"name": name, "role": role}), ("id", "name", "role", "key"))


@app.command("revoke")
def revoke_key(ctx: typer.Context, key_id: str) -> None:
    """Ends a key at once."""
    client: Client = ctx.obj
    client.delete(f"/api/keys/{key_id}")
    client.emit({"revoked": key_id})
