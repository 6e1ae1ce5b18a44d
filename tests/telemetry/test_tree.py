"""One run is one trace, from the caller through every service to the box."""

import itertools
from typing import Any

import pytest

from skillbox.executor.v1.execution_service_pb2 import (
    GetExecutionRequest,
    RunSkillRequest,
    SkillRun,
    StartExecutionRequest,
)
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from tests.e2e import skills
from tests.e2e.waiting import until
from tests.telemetry.conftest import Caller, Observed

EXECUTOR = "skillbox.executor.v1"
EXECUTION = "skillbox-executor execution"
RESOLVE = "skillbox.registry.v1.ResolverService/ResolveSkill"
PHASES = ["admission.wait", "skill.load", "sandbox.acquire", "sandbox.run", "artifacts.upload"]
INPUT = {"value": 7}


@pytest.fixture(autouse=True)
async def _skill(observed: Observed) -> None:
    await observed.client.push(skills.PYTHON)


def check(observed: Observed, caller: Caller, method: str, execution_id: str) -> None:
    """Checks parents, times and attributes of a run of `python-square`."""
    names = (
        *(f"skillbox-executor {method}", EXECUTION),
        *(f"skillbox-executor {RESOLVE}", f"skillbox-registry {RESOLVE}"),
        *(f"skillbox-executor {name}" for name in PHASES),
    )
    found = observed.trace(caller, *names)
    assert set(found) == {"gateway", *names}, "nothing else is in the trace"
    gateway = found["gateway"]
    rpc, execution, asked, resolved, *phases = (found[name] for name in names)

    assert gateway.parent_id == caller.span_id
    assert (rpc.parent_id, rpc.kind) == (gateway.span_id, "SERVER")
    assert (asked.parent_id, asked.kind) == (rpc.span_id, "CLIENT")
    assert (resolved.parent_id, resolved.kind) == (asked.span_id, "SERVER")
    assert execution.parent_id == rpc.span_id
    assert {span.parent_id for span in phases} == {execution.span_id}
    assert not [span for span in (gateway, rpc, execution, asked, resolved, *phases) if span.failed]

    # Each phase begins when the one before has ended.
    for before, after in itertools.pairwise(phases):
        assert before.start <= before.end <= after.start, (before.name, after.name)

    ids: dict[str, Any] = {
        "skillbox.tenant.id": "default",
        "skillbox.skill.name": "python-square",
        "skillbox.skill.version": "1.0.0",
        "skillbox.execution.id": execution_id,
    }
    for span in (rpc, execution, *phases):
        assert ids.items() <= span.attributes.items(), span
    assert resolved.attributes["skillbox.skill.name"] == "python-square"
    service, _, name = method.partition("/")
    assert rpc.attributes["rpc.system"] == "grpc"
    assert rpc.attributes["rpc.service"] == service
    assert rpc.attributes["rpc.method"] == name
    assert rpc.attributes["rpc.grpc.status_code"] == 0
    assert execution.attributes["skillbox.execution.status"] == "success"
    assert phases[2].attributes["skillbox.sandbox.start"] in ("cold", "warm")


async def test_a_run_over_rest(observed: Observed, caller: Caller) -> None:
    async with observed.client.http() as http:
        reply = await http.post(
            "/v1/executions",
            json={"skill": "python-square", "input": INPUT},
            headers={"traceparent": caller.traceparent},
        )
    assert reply.status_code == 200, reply.text
    method = f"{EXECUTOR}.ExecutionRestService/RunSkillRest"
    check(observed, caller, method, reply.json()["execution_id"])
    log = (observed.client.stack.data_dir / "logs/executor.log").read_text()
    lines = [line for line in log.splitlines() if caller.trace_id in line]
    assert {reply.json()["execution_id"] in line for line in lines} == {True}
    assert [line for line in lines if '"event": "execution"' in line]


async def test_a_run_over_grpc(observed: Observed, caller: Caller) -> None:
    async with observed.client.channel() as channel:
        reply = await ExecutionServiceStub(channel).RunSkill(
            RunSkillRequest(run=SkillRun(skill="python-square", input_json='{"value":7}')),
            metadata=[*observed.client.metadata, ("traceparent", caller.traceparent)],
        )
    method = f"{EXECUTOR}.ExecutionService/RunSkill"
    check(observed, caller, method, reply.execution.id)


async def test_a_run_that_goes_on_after_its_call(observed: Observed, caller: Caller) -> None:
    async with observed.client.channel() as channel:
        stub = ExecutionServiceStub(channel)
        reply = await stub.StartExecution(
            StartExecutionRequest(run=SkillRun(skill="python-square", input_json='{"value":7}')),
            metadata=[*observed.client.metadata, ("traceparent", caller.traceparent)],
        )

        async def ended() -> bool:
            request = GetExecutionRequest(id=reply.execution.id)
            found = await stub.GetExecution(request, metadata=observed.client.metadata)
            return bool(found.HasField("finished_at"))

        await until(ended)
    method = f"{EXECUTOR}.ExecutionService/StartExecution"
    check(observed, caller, method, reply.execution.id)


async def test_a_run_that_fails_says_why(observed: Observed, caller: Caller) -> None:
    await observed.client.push(skills.skill("telemetry-exit", "main.py", "raise SystemExit(3)"))
    async with observed.client.http() as http:
        reply = await http.post(
            "/v1/executions",
            json={"skill": "telemetry-exit"},
            headers={"traceparent": caller.traceparent},
        )
    assert reply.json()["status"] == "failed"
    execution = observed.trace(caller, EXECUTION)[EXECUTION]
    assert execution.failed
    assert execution.attributes["error.type"] == "EXIT_CODE"
    assert execution.attributes["skillbox.execution.status"] == "failed"
    assert execution.attributes["skillbox.execution.reason"] == "EXIT_CODE"
