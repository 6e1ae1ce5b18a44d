"""How long a line takes from the skill's `print` to the client that watches."""

import time

from benchmarks.cases import METADATA
from benchmarks.goals import GVISOR, LOGS, skillbox
from benchmarks.suite import Suite
from skillbox.executor.v1.execution_service_pb2 import RunSkillStreamRequest, SkillRun
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub


async def latency(suite: Suite) -> None:
    """A skill prints the time fifty times a second; box and client share the clock."""
    run = SkillRun(skill="lines", input_json=str(suite.amount(300, 50)))
    for engine, live in suite.live.items():
        if engine == GVISOR:
            continue
        stub = ExecutionServiceStub(live.calls.channel)
        row = suite.results.row(LOGS, skillbox(engine, "gRPC"))
        request = RunSkillStreamRequest(run=run)
        async for reply in stub.RunSkillStream(request, metadata=METADATA):
            for line in reply.event.log.data.split():
                row.ms.append((time.time_ns() - int(line)) / 1e6)
