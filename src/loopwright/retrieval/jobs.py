"""The durable job of retrieval: building an index version."""

from __future__ import annotations

from typing import Any

import msgspec

from loopwright.foundation.jobs import JobContext, JobHandler
from loopwright.retrieval.building import BUILD, Plan
from loopwright.retrieval.service import KnowledgeBaseService


def build_jobs(service: KnowledgeBaseService) -> dict[str, JobHandler]:
    """Handlers by kind."""
    builder = service.builder

    def build(ctx: JobContext, spec: dict[str, Any]) -> dict[str, Any]:
        base_id = str(spec["knowledge_base_id"])

        def start() -> Any:
            return msgspec.to_builtins(builder.start(ctx.team_id, base_id, ctx.job_id))

        def report(done: int, total: int, message: str) -> None:
            ctx.progress(done, total, "documents", message)

        plan = msgspec.convert(ctx.step("start", start), Plan)
        run = builder.run(ctx.team_id, base_id, plan)
        try:
            for number in range(len(plan.batches)):
                ctx.step(f"batch {number}", run.batch, number, report)
        finally:
            run.close()
        report(plan.total, plan.total, "switching")

        def finish() -> Any:
            return msgspec.to_builtins(builder.finish(ctx.team_id, base_id, plan.version))

        result: dict[str, Any] = ctx.step("finish", finish)
        return result

    return {BUILD: build}
