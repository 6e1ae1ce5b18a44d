"""What callers see of an execution, end by end."""

import asyncio
import json
import time

import grpc
import grpc.aio
import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody

from skillbox.executor.v1 import execution_pb2
from skillbox.executor.v1.execution_pb2 import Execution
from skillbox.executor.v1.execution_rest_pb2 import WatchExecutionRestRequest
from skillbox.executor.v1.execution_service_pb2 import (
    CancelExecutionRequest,
    GetExecutionLogsRequest,
    GetExecutionRequest,
    ListExecutionsRequest,
    RunSkillRequest,
    RunSkillStreamRequest,
    SkillRun,
    WatchExecutionRequest,
)
from skillbox_executor.sandbox.frames import End, Output
from skillbox_executor.sandbox.interface import (
    BoxLost,
    EngineUnavailable,
    ImageMissing,
    RunnerFault,
    SandboxError,
)
from tests.service.executor.calls import reason, run, status
from tests.service.executor.conftest import ALICE, BOB, READER, Stack
from tests.service.executor.scripted import Step, printed, tar


async def until_running(stack: Stack) -> str:
    """Returns the id of an execution that runs."""
    async with asyncio.timeout(20):
        while True:
            found = await stack.pool.fetchval("SELECT id FROM executions WHERE status = 'running'")
            if found is not None:
                return str(found)
            await asyncio.sleep(0.01)


async def test_a_success_in_full(stack: Stack) -> None:
    stack.driver.script = [
        *printed("one", "two"),
        tar({"output.json": b'{"b": 12345678901234567, "a": 1}', "files/x/r.txt": b"report"}),
        End(exit_code=0),
    ]
    execution = await run(stack, input_json='{"z":1, "a":2}', env={"FOO": "bar"}, args=["-v"])
    assert status(execution) == "SUCCESS"
    assert execution.skill_version == "1.2.3"
    assert execution.output_json == '{"b":12345678901234567,"a":1}'
    assert execution.output.struct_value["a"] == 1
    assert execution.input_json == '{"z":1,"a":2}'
    assert execution.logs == "one\ntwo\n"
    assert execution.files_list == ["x/r.txt"]
    assert execution.exit_code == 0
    assert execution.sandbox.driver == "scripted"
    assert execution.sandbox.start == "cold"
    assert execution.sandbox.controls[0].name == "network"
    payload = stack.driver.payloads[0]
    assert payload.argv == ["main.py", "-v"]
    assert payload.env["FOO"] == "bar"
    assert payload.env["SANDBOX_INPUT"] == '{"z":1,"a":2}'
    async with httpx.AsyncClient() as client:
        files = await client.get(execution.files_url)
    assert files.status_code == 200
    assert files.content[:2] == b"\x1f\x8b"
    again = await stack.grpc.GetExecution(GetExecutionRequest(id=execution.id), metadata=READER)
    execution.files_url = again.files_url = ""
    assert again == execution


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([End(exit_code=3)], ("FAILED", "EXIT_CODE", "container exited with code 3")),
        ([End(signal=9)], ("FAILED", "SIGNAL", "container was killed by signal 9 (SIGKILL)")),
        ([End(signal=99)], ("FAILED", "SIGNAL", "container was killed by signal 99 (unknown)")),
        ([2.0], ("TIMEOUT", "TIME_LIMIT", "execution timed out after 500ms")),
        ([BoxLost("gone")], ("FAILED", "ENGINE_LOST", "gone")),
        ([EngineUnavailable("away")], ("FAILED", "ENGINE_LOST", "away")),
        ([RunnerFault("odd")], ("FAILED", "RUNNER_FAULT", "odd")),
        ([], ("FAILED", "RUNNER_FAULT", "the runner ended without a result")),
        (
            [End(exit_code=0, truncated=True)],
            (
                "FAILED",
                "ARTIFACT_LIMIT",
                "the skill left more than 1000 files, or some that are too large, too deep or "
                "unreadable",
            ),
        ),
        (
            [tar({"output.json": b"{"}), End(exit_code=0)],
            ("FAILED", "INVALID_OUTPUT", "output.json is not valid JSON: "),
        ),
        (
            [tar({"output.json": b"{"}), End(exit_code=3)],
            ("FAILED", "EXIT_CODE", "container exited with code 3"),
        ),
    ],
)
async def test_typed_ends(stack: Stack, script: list[Step], expected: tuple[str, str, str]) -> None:
    stack.skills.change(timeout="500ms")
    stack.driver.script = [*printed("before"), *script]
    execution = await run(stack)
    assert (status(execution), reason(execution)) == expected[:2]
    assert execution.error.startswith(expected[2])
    assert execution.logs == "before\n"
    assert execution.HasField("finished_at")


@pytest.mark.parametrize("script", [[End(signal=9)], [End(exit_code=1)], [BoxLost("gone")]])
async def test_out_of_memory_is_what_the_kernel_says(stack: Stack, script: list[Step]) -> None:
    stack.driver.script, stack.driver.oom = script, True
    execution = await run(stack)
    assert reason(execution) == "OUT_OF_MEMORY"
    assert execution.error == "out of memory: the limit is 256Mi"


@pytest.mark.parametrize(
    ("error", "expected"),
    [(ImageMissing("get it"), "IMAGE_MISSING"), (EngineUnavailable("away"), "ENGINE_LOST")],
)
async def test_a_box_that_cannot_be_made(stack: Stack, error: SandboxError, expected: str) -> None:
    stack.driver.prepare_error = error
    execution = await run(stack)
    assert (status(execution), reason(execution)) == ("FAILED", expected)
    assert not execution.HasField("started_at")
    assert execution.duration_ms == 0


async def test_output_and_files_of_a_failure_are_kept_and_of_a_timeout_not(stack: Stack) -> None:
    stack.skills.change(timeout="500ms")
    left = tar({"output.json": b"[1]", "files/f": b"f"})
    stack.driver.script = [left, End(exit_code=1)]
    failed = await run(stack)
    assert (failed.output_json, list(failed.files_list)) == ("[1]", ["f"])
    stack.driver.script = [left, 2.0]
    late = await run(stack)
    assert (late.output_json, list(late.files_list), late.files_url) == ("", [], "")


async def test_schemas_are_checked_before_and_after(stack: Stack) -> None:
    stack.skills.change(input_schema='{"required":["data"]}', output_schema='{"type":"array"}')
    refused = await run(stack, input_json="{}")
    assert (reason(refused), stack.driver.payloads) == ("INVALID_INPUT", [])
    stack.driver.script = [tar({"output.json": b"{}"}), End(exit_code=0)]
    invalid = await run(stack, input_json='{"data":1}')
    assert (status(invalid), reason(invalid)) == ("FAILED", "INVALID_OUTPUT")
    assert invalid.output_json == "{}"


async def test_refusals_are_recorded(stack: Stack) -> None:
    blocked = await run(stack, env={"LD_PRELOAD": "/x"})
    assert blocked.error == 'env var "LD_PRELOAD" is not allowed'
    nul = await run(stack, env={"A\0B": "x"})
    assert nul.error == 'env var "A\\0B" is not allowed'
    stack.skills.change(image="evil:1")
    image = await run(stack)
    assert reason(image) == "IMAGE_NOT_ALLOWED"
    missing = await run(stack, version="9.9.9")
    assert missing.error == "loading skill: skill not found: echo@9.9.9"
    assert stack.driver.payloads == []


async def test_misuse_is_an_error_and_leaves_no_row(stack: Stack) -> None:
    for request, code in [
        (SkillRun(skill="nobody"), grpc.StatusCode.NOT_FOUND),
        (SkillRun(), grpc.StatusCode.INVALID_ARGUMENT),
        (SkillRun(skill="echo", version="1\0"), grpc.StatusCode.INVALID_ARGUMENT),
        (SkillRun(skill="echo", input_json="{"), grpc.StatusCode.INVALID_ARGUMENT),
        (SkillRun(skill="echo", entrypoint="../x.py"), grpc.StatusCode.INVALID_ARGUMENT),
    ]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stack.grpc.RunSkill(RunSkillRequest(run=request), metadata=ALICE)
        assert caught.value.code() == code
    assert await stack.pool.fetchval("SELECT count(*) FROM executions") == 0


async def test_logs_beyond_the_limit_keep_head_and_tail(stack: Stack) -> None:
    stack.driver.script = [
        *(Output("stdout", b"%04d|" % number) for number in range(1000)),
        End(exit_code=0),
    ]
    logs = (await run(stack)).logs
    assert logs.startswith("0000|0001|")
    assert logs.endswith("0998|0999|")
    assert "[skillbox: 3976 bytes of log left out]" in logs


async def test_events_come_while_it_runs_and_end_with_the_result(stack: Stack) -> None:
    stack.driver.script = [*printed("first"), 1.5, *printed("second"), End(exit_code=0)]
    kinds: list[str] = []
    times: dict[str, float] = {}
    last = None
    request = RunSkillStreamRequest(run=SkillRun(skill="echo"))
    async for reply in stack.grpc.RunSkillStream(request, metadata=ALICE):
        kinds.append(reply.event.WhichOneof("event") or "")
        times[reply.event.log.data.decode()] = time.monotonic()
        last = reply
    assert kinds == ["queued", "started", "log", "log", "finished"]
    assert times["second\n"] - times["first\n"] > 0.2
    assert last is not None
    assert status(last.execution) == "SUCCESS"
    assert last.event.seq == 5


async def test_a_watch_resumes_where_it_was_cut(stack: Stack) -> None:
    stack.driver.script = [*printed("a", "b"), End(exit_code=0)]
    execution = await run(stack)

    async def seqs(after: int) -> list[int]:
        request = WatchExecutionRequest(id=execution.id, after_seq=after)
        return [r.event.seq async for r in stack.grpc.WatchExecution(request, metadata=ALICE)]

    everything = await seqs(0)
    assert everything == list(range(1, len(everything) + 1))
    assert await seqs(2) == everything[2:]
    # Whoever has seen the end is not made to wait for more.
    async with asyncio.timeout(20):
        assert await seqs(everything[-1]) == await seqs(1000) == []
        watch = WatchExecutionRestRequest(id=execution.id, after_seq=1000)
        (empty,) = [piece async for piece in stack.rest.WatchExecutionRest(watch, metadata=ALICE)]
    assert (empty.content_type, empty.data) == ("text/event-stream", b"")


async def test_cancel_ends_a_run_within_a_second(stack: Stack) -> None:
    stack.driver.script = [*printed("working"), 30.0]
    running = asyncio.ensure_future(run(stack))
    execution_id = await until_running(stack)
    started = time.monotonic()
    reply = await stack.grpc.CancelExecution(
        CancelExecutionRequest(id=execution_id), metadata=ALICE
    )
    assert status(reply.execution) == "RUNNING"
    execution = await running
    assert time.monotonic() - started < 1
    assert (status(execution), reason(execution)) == ("CANCELLED", "CANCELLED")
    assert execution.logs == "working\n"
    again = await stack.grpc.CancelExecution(
        CancelExecutionRequest(id=execution_id), metadata=ALICE
    )
    assert status(again.execution) == "CANCELLED"


async def test_a_caller_who_leaves_cancels_the_run(stack: Stack) -> None:
    stack.driver.script = [30.0]
    call = stack.grpc.RunSkill(RunSkillRequest(run=SkillRun(skill="echo")), metadata=ALICE)
    execution_id = await until_running(stack)
    call.cancel()
    async with asyncio.timeout(20):
        while True:
            found = await stack.grpc.GetExecution(
                GetExecutionRequest(id=execution_id), metadata=ALICE
            )
            if found.status == execution_pb2.EXECUTION_STATUS_CANCELLED:
                break
            await asyncio.sleep(0.02)
    assert not stack.driver.boxes


async def test_beyond_slots_and_queue_nobody_gets_in(stack: Stack) -> None:
    stack.driver.script = [2.0, End(exit_code=0)]
    replies = await asyncio.gather(*(run(stack) for _ in range(6)), return_exceptions=True)
    refused = [reply for reply in replies if isinstance(reply, grpc.aio.AioRpcError)]
    assert len(refused) == 2
    assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    # The stubs describe the metadata of the synchronous API.
    trailers: dict[str, str] = dict(refused[0].trailing_metadata())  # type: ignore[arg-type]
    assert trailers["retry-after"] == "1"
    assert [status(r) for r in replies if isinstance(r, Execution)] == ["SUCCESS"] * 4
    assert await stack.pool.fetchval("SELECT count(*) FROM executions") == 4


async def test_pages_are_newest_first_and_filtered(stack: Stack) -> None:
    ids = [(await run(stack)).id for _ in range(3)]
    failed = await run(stack, env={"PATH": "x"})

    async def page(**fields: object) -> tuple[list[str], str]:
        reply = await stack.grpc.ListExecutions(
            ListExecutionsRequest(**fields),  # type: ignore[arg-type]
            metadata=ALICE,
        )
        return [execution.id for execution in reply.executions], reply.next_page_token

    first, token = await page(page_size=3)
    second, end = await page(page_size=3, page_token=token)
    assert first + second == [failed.id, *reversed(ids)]
    assert end == ""
    assert await page(status="EXECUTION_STATUS_FAILED") == ([failed.id], "")
    assert await page(skill="other") == ([], "")
    with pytest.raises(grpc.aio.AioRpcError, match="page_token"):
        await page(page_token="junk")


async def test_another_tenant_sees_nothing(stack: Stack) -> None:
    execution = await run(stack)
    with pytest.raises(grpc.aio.AioRpcError, match="execution not found"):
        await stack.grpc.GetExecution(GetExecutionRequest(id=execution.id), metadata=BOB)
    with pytest.raises(grpc.aio.AioRpcError, match="execution not found"):
        await stack.grpc.CancelExecution(CancelExecutionRequest(id=execution.id), metadata=BOB)
    with pytest.raises(grpc.aio.AioRpcError, match="execution not found"):
        watch = WatchExecutionRequest(id=execution.id)
        _ = [event async for event in stack.grpc.WatchExecution(watch, metadata=BOB)]
    with pytest.raises(grpc.aio.AioRpcError, match="execution not found"):
        logs = GetExecutionLogsRequest(id=execution.id)
        _ = [log async for log in stack.grpc.GetExecutionLogs(logs, metadata=BOB)]
    reply = await stack.grpc.ListExecutions(ListExecutionsRequest(), metadata=BOB)
    assert not reply.executions


@pytest.mark.parametrize(
    "execution_id", ["nonsense", "a\0b", "00000000-0000-0000-0000-000000000000"]
)
async def test_an_id_that_does_not_exist(stack: Stack, execution_id: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stack.grpc.GetExecution(GetExecutionRequest(id=execution_id), metadata=ALICE)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_key_without_the_scope_may_not_run(stack: Stack) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="lacks the scope executions:run"):
        await stack.grpc.RunSkill(RunSkillRequest(run=SkillRun(skill="echo")), metadata=READER)


async def test_rest_bodies_are_the_documented_json(stack: Stack) -> None:
    stack.driver.script = [
        *printed("hi"),
        tar({"output.json": b'{"z": 1.50, "a": 12345678901234567890}'}),
        End(exit_code=0),
    ]
    body = HttpBody(data=b'{"skill":"echo","input":{"b": 1e3,"a":[1, 2]}}')
    reply = await stack.rest.RunSkillRest(body, metadata=ALICE)
    assert reply.content_type == "application/json"
    assert b'"output":{"z":1.50,"a":12345678901234567890}' in reply.data
    result = json.loads(reply.data)
    assert list(result)[:4] == ["execution_id", "status", "duration_ms", "error"]
    assert (result["status"], result["error"], result["logs"]) == ("success", None, "hi\n")
    assert stack.driver.payloads[0].env["SANDBOX_INPUT"] == '{"b":1e3,"a":[1,2]}'


async def test_files_that_cannot_be_stored_fail_the_run(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skillbox_common.errors import DependencyUnavailable
    from skillbox_common.object_store import ObjectStore

    async def refuse(*_: object) -> None:
        raise DependencyUnavailable("the object store does not answer")

    monkeypatch.setattr(ObjectStore, "put", refuse)
    stack.driver.script = [tar({"files/f": b"f", "output.json": b"1"}), End(exit_code=0)]
    execution = await run(stack)
    assert (status(execution), reason(execution)) == ("FAILED", "INTERNAL")
    assert (list(execution.files_list), execution.output_json) == ([], "1")


async def test_the_reply_is_what_is_recorded(stack: Stack) -> None:
    stack.driver.script = [
        *printed("one", "two"),
        tar({"output.json": b'{"b": 1.50, "a": 12345678901234567}', "files/x.txt": b"x"}),
        End(exit_code=0),
    ]
    ran = await run(stack, input_json='{"z": 1}')
    found = await stack.grpc.GetExecution(GetExecutionRequest(id=ran.id), metadata=ALICE)
    assert ran.logs == "one\ntwo\n"
    ran.files_url = found.files_url = ""
    assert ran == found
