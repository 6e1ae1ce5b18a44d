"""When something is exported, what travels on, and what a log line may say."""

import pytest
import structlog

from skillbox_common.config import ConfigurationError
from skillbox_common.errors import DependencyUnavailable, InvalidArgument
from skillbox_common.logs import describe_exception
from skillbox_common.telemetry import export, tracing

TRACE_ID, SPAN_ID = "ab" * 16, "cd" * 8
CARRIER = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SDK_DISABLED", "TRACES_EXPORTER", "METRICS_EXPORTER"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)
    for middle in ("", "TRACES_", "METRICS_"):
        for name in ("ENDPOINT", "PROTOCOL"):
            monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{middle}{name}", raising=False)


GRPC, HTTP = "grpc", "http/protobuf"
ENDPOINT = {"EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({}, None, None),
        ({"TRACES_EXPORTER": "otlp"}, None, None),
        (ENDPOINT, GRPC, GRPC),
        ({"EXPORTER_OTLP_ENDPOINT": " "}, None, None),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317"}, GRPC, None),
        ({"EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4317"}, None, GRPC),
        ({**ENDPOINT, "SDK_DISABLED": "true"}, None, None),
        ({**ENDPOINT, "SDK_DISABLED": "false"}, GRPC, GRPC),
        ({**ENDPOINT, "METRICS_EXPORTER": "none"}, GRPC, None),
        ({**ENDPOINT, "TRACES_EXPORTER": "none", "METRICS_EXPORTER": "otlp"}, None, GRPC),
        ({**ENDPOINT, "EXPORTER_OTLP_PROTOCOL": GRPC}, GRPC, GRPC),
        ({**ENDPOINT, "EXPORTER_OTLP_PROTOCOL": HTTP}, HTTP, HTTP),
        ({**ENDPOINT, "EXPORTER_OTLP_TRACES_PROTOCOL": HTTP}, HTTP, GRPC),
        (
            {**ENDPOINT, "EXPORTER_OTLP_PROTOCOL": HTTP, "EXPORTER_OTLP_METRICS_PROTOCOL": GRPC},
            HTTP,
            GRPC,
        ),
    ],
)
def test_what_the_standard_variables_ask_for(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    traces: str | None,
    metrics: str | None,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    assert export.protocol_of("TRACES") == traces
    assert export.protocol_of("METRICS") == metrics


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "grpc or http/protobuf"),
    ],
)
def test_what_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as raised:
        export.protocol_of("TRACES")
    assert f"  {variable}={value!r}: expected {expected}" in str(raised.value)


async def test_a_trace_goes_through_without_anything_exported() -> None:
    tracing.start_server_span("a.B/C", CARRIER)
    assert tracing.carrier() == CARRIER
    with tracing.span("phase"):
        assert tracing.carrier() == CARRIER
    line = tracing.log_trace_ids(None, "info", {"event": "rpc"})
    assert line == {"event": "rpc", "trace_id": TRACE_ID, "span_id": SPAN_ID}


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"traceparent": "canary"},
        {"traceparent": f"00-{'0' * 32}-{SPAN_ID}-01"},
        {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01-canary"},
        {"baggage": "user=canary"},
    ],
)
async def test_what_is_no_trace_does_not_travel_on(carrier: dict[str, str]) -> None:
    with tracing.continued(carrier):
        assert tracing.carrier() == {}
        assert tracing.log_trace_ids(None, "info", {}) == {}


def test_an_execution_goes_on_elsewhere_and_leaves_nothing_behind() -> None:
    with tracing.continued(CARRIER):
        assert tracing.carrier() == CARRIER
    assert tracing.carrier() == {}


async def test_only_ids_become_attributes() -> None:
    structlog.contextvars.clear_contextvars()
    tracing.bind(tenant_id="t", execution_id="e", key_id="k")
    assert tracing.bound_attributes() == {
        "skillbox.tenant.id": "t",
        "skillbox.execution.id": "e",
    }
    assert structlog.contextvars.get_contextvars()["key_id"] == "k"
    structlog.contextvars.clear_contextvars()


def test_an_exception_keeps_its_text_to_itself() -> None:
    try:
        try:
            raise InvalidArgument("input: 'canary' is not valid")
        except InvalidArgument as error:
            raise ValueError("canary") from error
    except ValueError as error:
        described = describe_exception((type(error), error, error.__traceback__))
    assert [(each["type"], each["text"]) for each in described] == [
        ("ValueError", "(hidden)"),
        ("InvalidArgument", "(hidden)"),
    ]
    assert "canary" not in str(described)
    assert all(__file__ in each["frames"][-1] for each in described)


@pytest.mark.parametrize("error", [OSError("disk full"), DependencyUnavailable("no answer")])
def test_a_text_of_our_own_is_told(error: Exception) -> None:
    (described,) = describe_exception((type(error), error, None))
    assert described["text"] == str(error)


def test_loops_of_causes_end() -> None:
    error = ValueError()
    error.__context__ = error
    assert len(describe_exception((ValueError, error, None))) <= 5
