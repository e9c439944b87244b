"""The ground every other package stands on: errors, settings, identity, storage, jobs.

Comes in: settings of the process. Goes out: engines for the catalogue, the lake, blobs and durable jobs.
Everyone calls it; it calls nobody. Its modules are imported one by one, so that a process pays only for
what it uses: the gateway must never load the lake.
"""

__all__: list[str] = []
