"""How Alembic reaches the catalogue: over the connection it is given, tables declared by every package."""

from alembic import context

from loopwright.apps.migrate import DBOS_SCHEMA_PREFIXES, all_tables


def _ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith(DBOS_SCHEMA_PREFIXES))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_tables(),
    render_as_batch=True,
    include_object=_ours,
    version_table="loopwright_schema",
)
context.run_migrations()
