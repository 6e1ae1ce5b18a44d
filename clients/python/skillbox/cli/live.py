"""A run with live logs, over gRPC. Needs the extra `grpc`.

REST answers a run when it has ended. The same port of the server speaks gRPC, which streams.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import grpc

from skillbox.cli.arguments import RunRequest
from skillbox.cli.settings import Settings
from skillbox.client import APIError, RunResult
from skillbox.executor.v1.event_pb2 import LogStream
from skillbox.executor.v1.execution_pb2 import Execution, ExecutionReason, ExecutionStatus
from skillbox.executor.v1.execution_service_pb2 import RunSkillStreamRequest, SkillRun
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub

_OPTIONS = (
    # Output and logs come in one message, larger than the default of 4 MiB allows.
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    # As over REST, the server is asked directly.
    ("grpc.enable_http_proxy", 0),
)

_REST_ERRORS = {
    grpc.StatusCode.INVALID_ARGUMENT: (400, "bad_request"),
    grpc.StatusCode.UNAUTHENTICATED: (401, "unauthorized"),
    grpc.StatusCode.PERMISSION_DENIED: (403, "forbidden"),
    grpc.StatusCode.NOT_FOUND: (404, "not_found"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (429, "resource_exhausted"),
    grpc.StatusCode.INTERNAL: (500, "internal_error"),
}


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
                on_log(_word(LogStream.Name(log.stream), "LOG_STREAM_"), log.data)
            if reply.HasField("execution"):
                return _result(reply.execution)
    raise APIError(0, message="the stream ended before the run did")


def target(server: str) -> tuple[str, bool]:
    """Derives where gRPC is spoken from the server's URL.

    Returns:
        host:port, and whether to use TLS.
    """
    url = urlsplit(server)
    tls = url.scheme == "https"
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{host}:{url.port or (443 if tls else 80)}", tls


def _channel(server: str) -> grpc.Channel:
    address, tls = target(server)
    if tls:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(), _OPTIONS)
    return grpc.insecure_channel(address, _OPTIONS)


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
        # Every error of a call is a grpc.Call too, which the base class does not say.
        assert isinstance(error, grpc.Call)
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.UNAVAILABLE and any(
            key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ()
        ):
            raise APIError(503, "service_unavailable", details) from error
        status, name = _REST_ERRORS.get(code, (0, ""))
        raise APIError(status, name, details or code.name) from error


def _result(execution: Execution) -> RunResult:
    # The output stays text: it is printed as it is.
    return RunResult(
        execution_id=execution.id,
        status=_word(ExecutionStatus.Name(execution.status), "EXECUTION_STATUS_"),
        files_url=execution.files_url,
        files_list=list(execution.files_list),
        logs=execution.logs,
        duration_ms=execution.duration_ms,
        error=execution.error,
        reason=_reason(execution),
        exit_code=execution.exit_code if execution.HasField("exit_code") else None,
        output_json=execution.output_json,
    )


def _reason(execution: Execution) -> str:
    if not execution.reason:
        return ""
    return ExecutionReason.Name(execution.reason).removeprefix("EXECUTION_REASON_")


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
