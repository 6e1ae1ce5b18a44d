"""A run with live logs, over gRPC. Needs the extra `grpc`.

REST answers a run when it has ended. The same port of the server speaks gRPC, which streams.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from skillbox import wire
from skillbox.cli.arguments import RunRequest
from skillbox.cli.settings import Settings
from skillbox.client import APIError, RunResult
from skillbox.executor.v1.execution_pb2 import Execution
from skillbox.executor.v1.execution_service_pb2 import RunSkillStreamRequest, SkillRun
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub


def run(settings: Settings, request: RunRequest, on_log: Callable[[str, bytes], None]) -> RunResult:
    """Runs a skill and hands over its logs as they come.

    Args:
        on_log: Gets `stdout`, `stderr` or `system`, and what was printed.

    Raises:
        APIError: As the REST call would.
    """
    message = RunSkillStreamRequest(
        run=SkillRun(
            skill=request.skill,
            version=request.version,
            input_json=request.input_json or None,
            env=request.env,
            entrypoint=request.entrypoint,
            args=request.args,
        )
    )
    with _channel(settings.server) as channel, _rest_errors():
        # Leaving before the end, as Ctrl-C does, closes the channel and so cancels the run.
        replies = ExecutionServiceStub(channel).RunSkillStream(
            message, metadata=_metadata(settings)
        )
        for reply in replies:
            if reply.event.HasField("log"):
                log = reply.event.log
                on_log(wire.stream_word(log.stream), log.data)
            if reply.HasField("execution"):
                return _result(reply.execution)
    raise APIError(0, message="the stream ended before the run did")


def _channel(server: str) -> grpc.Channel:
    address, tls = wire.target(server)
    if tls:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(), wire.CHANNEL_OPTIONS)
    return grpc.insecure_channel(address, wire.CHANNEL_OPTIONS)


def _metadata(settings: Settings) -> tuple[tuple[str, str], ...]:
    metadata = {
        "authorization": f"Bearer {settings.api_key}" if settings.api_key else "",
        "x-tenant-id": settings.tenant,
    }
    return tuple((name, value) for name, value in metadata.items() if value)


@contextmanager
def _rest_errors() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise wire.api_error(error) from error


def _result(execution: Execution) -> RunResult:
    # The output stays text: it is printed as it is.
    return RunResult(
        execution_id=execution.id,
        status=wire.status_word(execution.status),
        files_url=execution.files_url,
        files_list=list(execution.files_list),
        logs=execution.logs,
        duration_ms=execution.duration_ms,
        error=execution.error,
        reason=wire.reason_word(execution.reason),
        exit_code=execution.exit_code if execution.HasField("exit_code") else None,
        output_json=execution.output_json,
    )
