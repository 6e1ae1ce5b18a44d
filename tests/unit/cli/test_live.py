"""`run --follow` against a real gRPC server."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any

import grpc
import pytest

from skillbox import APIError, wire
from skillbox.cli import live
from skillbox.cli.arguments import RunRequest
from skillbox.cli.errors import ExitCode
from skillbox.cli.settings import Settings
from skillbox.executor.v1 import execution_pb2 as pb
from skillbox.executor.v1.event_pb2 import (
    LOG_STREAM_STDERR,
    LOG_STREAM_STDOUT,
    ExecutionEvent,
    Finished,
    Log,
    Queued,
)
from skillbox.executor.v1.execution_service_pb2 import (
    RunSkillStreamRequest,
    RunSkillStreamResponse,
)
from skillbox.executor.v1.execution_service_pb2_grpc import (
    ExecutionServiceServicer,
    add_ExecutionServiceServicer_to_server,
)
from tests.support.parts import free_port
from tests.unit.cli.conftest import Cli

Handler = Callable[[RunSkillStreamRequest, Any], Iterator[RunSkillStreamResponse]]
SETTINGS = Settings("http://ignored", "sk-test", "acme")


def event(**members: Any) -> RunSkillStreamResponse:
    return RunSkillStreamResponse(event=ExecutionEvent(**members))


def log(data: bytes, stream: Any = LOG_STREAM_STDOUT) -> RunSkillStreamResponse:
    return event(log=Log(stream=stream, data=data))


def finished(**members: Any) -> RunSkillStreamResponse:
    execution = {"id": "e1", "status": pb.EXECUTION_STATUS_SUCCESS, "duration_ms": 7, **members}
    return RunSkillStreamResponse(
        event=ExecutionEvent(finished=Finished()), execution=pb.Execution(**execution)
    )


@contextmanager
def executor(handler: Handler) -> Iterator[str]:
    methods = {"RunSkillStream": lambda _, request, context: handler(request, context)}
    servicer = type("Servicer", (ExecutionServiceServicer,), methods)()
    server = grpc.server(ThreadPoolExecutor(2), options=(("grpc.so_reuseport", 0),))
    add_ExecutionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


Serve = Callable[[Handler], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serves gRPC with a handler; the port of the tests' HTTP server cannot speak it."""
    running = []

    def start(handler: Handler) -> None:
        context = executor(handler)
        address = context.__enter__()
        running.append(context)
        monkeypatch.setattr(wire, "target", lambda _: (address, False))

    yield start
    for context in running:
        context.__exit__(None, None, None)


def test_logs_and_result(cli: Cli, serve: Serve) -> None:
    requests: list[tuple[RunSkillStreamRequest, dict[str, str]]] = []

    def handler(request: RunSkillStreamRequest, context: Any) -> Iterator[RunSkillStreamResponse]:
        requests.append((request, dict(context.invocation_metadata())))
        yield event(queued=Queued())
        yield log(b"one\ngr\xc3")
        yield log(b"oops\n", LOG_STREAM_STDERR)
        yield log(b"\xbcn")
        yield finished(output_json='{"big":12345678901234567890}', logs="one\n")

    serve(handler)
    done = cli(
        *("run", "echo", "--follow", "--version", "1.0.0", "--env", "A=b"),
        *("--input", '{"n": 12345678901234567890}', "--entrypoint", "x.py", "-t", "acme"),
        *("--", "arg"),
    )
    assert done.exit_code == 0, done.output
    # The half character of stdout waits for its other half, whatever comes between.
    assert done.stderr == "one\ngroops\nün\n"
    assert done.stdout.startswith('{\n  "execution_id": "e1",\n  "status": "success",\n')
    assert '"big": 12345678901234567890' in done.stdout
    [(request, metadata)] = requests
    assert request.run.skill == "echo"
    assert request.run.version == "1.0.0"
    assert request.run.input_json == '{"n": 12345678901234567890}'
    assert dict(request.run.env) == {"A": "b"}
    assert request.run.entrypoint == "x.py"
    assert list(request.run.args) == ["arg"]
    assert metadata["authorization"] == "Bearer sk-test"
    assert metadata["x-tenant-id"] == "acme"


def test_no_input_is_no_input(cli: Cli, serve: Serve) -> None:
    seen: list[str | None] = []

    def handler(request: RunSkillStreamRequest, _: Any) -> Iterator[RunSkillStreamResponse]:
        seen.append(request.run.WhichOneof("payload"))
        yield finished()

    serve(handler)
    assert cli("run", "echo", "--follow").exit_code == 0
    assert seen == [None]


def test_logs_come_while_the_skill_runs(serve: Serve) -> None:
    heard = Flag()

    def handler(_: Any, __: Any) -> Iterator[RunSkillStreamResponse]:
        yield log(b"first")
        assert heard.wait(5), "the log was held back"
        yield finished()

    serve(handler)
    result = live.run(SETTINGS, RunRequest("echo"), lambda *_: heard.set())
    assert (result.execution_id, result.status, result.duration_ms) == ("e1", "success", 7)


def test_a_failure(cli: Cli, serve: Serve) -> None:
    def handler(_: Any, __: Any) -> Iterator[RunSkillStreamResponse]:
        yield finished(
            status=pb.EXECUTION_STATUS_TIMEOUT,
            reason=pb.EXECUTION_REASON_TIME_LIMIT,
            error="execution timed out after 5s",
        )

    serve(handler)
    done = cli("run", "echo", "--follow")
    assert done.exit_code == ExitCode.SKILL_TIMED_OUT
    assert json.loads(done.stdout) == {
        "execution_id": "e1",
        "status": "timeout",
        "duration_ms": 7,
        "error": "execution timed out after 5s",
        "reason": "TIME_LIMIT",
    }
    assert done.stderr == "Error: execution timed out after 5s\n"


def test_a_result_may_be_larger_than_a_message_usually_is(serve: Serve) -> None:
    output = json.dumps("x" * 4 * 1024 * 1024)

    def handler(_: Any, __: Any) -> Iterator[RunSkillStreamResponse]:
        yield finished(output_json=output, logs="y" * 1024 * 1024)

    serve(handler)
    assert live.run(SETTINGS, RunRequest("echo"), lambda *_: None).output_json == output


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, ExitCode.ERROR),
        (grpc.StatusCode.UNAUTHENTICATED, ExitCode.NOT_ALLOWED),
        (grpc.StatusCode.PERMISSION_DENIED, ExitCode.NOT_ALLOWED),
        (grpc.StatusCode.NOT_FOUND, ExitCode.NOT_FOUND),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ExitCode.NO_CAPACITY),
        (grpc.StatusCode.INTERNAL, ExitCode.ERROR),
    ],
)
def test_refusals(cli: Cli, serve: Serve, code: grpc.StatusCode, exit_code: ExitCode) -> None:
    def handler(_: Any, context: Any) -> Iterator[RunSkillStreamResponse]:
        context.abort(code, "the reason")
        yield finished()

    serve(handler)
    done = cli("run", "echo", "--follow")
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert done.stderr.startswith("Error: the reason\n")


def test_a_part_of_the_server_that_does_not_answer(cli: Cli, serve: Serve) -> None:
    def handler(_: Any, context: Any) -> Iterator[RunSkillStreamResponse]:
        context.set_trailing_metadata((("grpc-status-details-bin", b""),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "the Registry does not answer")
        yield finished()

    serve(handler)
    done = cli("run", "echo", "--follow")
    assert done.stderr.startswith("Error: the Registry does not answer\n")
    assert "try again in a moment" in done.stderr


def test_a_stream_that_ends_early(serve: Serve) -> None:
    def handler(_: Any, __: Any) -> Iterator[RunSkillStreamResponse]:
        yield log(b"one\n")

    serve(handler)
    with pytest.raises(APIError, match="the stream ended before the run did"):
        live.run(SETTINGS, RunRequest("echo"), lambda *_: None)


def test_no_server(cli: Cli) -> None:
    done = cli("run", "echo", "--follow", "-s", f"http://127.0.0.1:{free_port()}")
    assert done.exit_code == ExitCode.ERROR
    assert done.stderr.startswith("Error: server http://127.0.0.1:")
    assert "skillbox up" in done.stderr


def test_leaving_early_cancels_the_run(serve: Serve) -> None:
    cancelled = Flag()

    def handler(_: Any, context: Any) -> Iterator[RunSkillStreamResponse]:
        context.add_callback(cancelled.set)
        yield log(b"one\n")
        cancelled.wait(10)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    serve(handler)
    with pytest.raises(KeyboardInterrupt):
        live.run(SETTINGS, RunRequest("echo"), interrupt)
    assert cancelled.wait(5)


@pytest.mark.parametrize(
    ("server", "target"),
    [
        ("http://localhost:8080", ("localhost:8080", False)),
        ("http://box", ("box:80", False)),
        ("https://box.example", ("box.example:443", True)),
        ("https://[::1]:8443", ("[::1]:8443", True)),
    ],
)
def test_the_target_is_that_of_the_url(server: str, target: tuple[str, bool]) -> None:
    assert wire.target(server) == target
