"""`loopwright up` with a gateway that writes traces after the answer: the fault the crash harness must catch."""

from __future__ import annotations

from loopwright.apps.up import Supervisor, load_settings


class LateSupervisor(Supervisor):
    GATEWAY = "tests.acceptance.late_gateway"


if __name__ == "__main__":
    LateSupervisor(load_settings()).run()
