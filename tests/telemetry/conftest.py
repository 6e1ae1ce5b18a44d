"""A whole stack that sends all it has to a collector of the test's own."""

import secrets
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.stack import Client, Stack
from tests.support.parts import free_ports
from tests.telemetry.collector import Collector, Span, collector


@dataclass(frozen=True)
class Caller:
    """Who has begun a trace already."""

    trace_id: str
    span_id: str

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"


@dataclass(frozen=True)
class Observed:
    """A running stack and what is seen of it.

    Attributes:
        metrics_port: Of Auth; those of the Registry and the Executor follow it.
    """

    client: Client
    collector: Collector
    metrics_port: int

    def trace(self, caller: Caller, *awaited: str) -> dict[str, Span]:
        """Waits until Envoy's span and these of a trace are there; returns all that are.

        Each service sends its spans when it likes, so every one that a test reads is to be
        awaited, except what the same service has ended before. The spans of introspection are
        left out: a key that is known is not asked for again.

        Returns:
            Spans by service and name, Envoy's as `gateway`.
        """
        self.collector.until(
            lambda: {"gateway", *awaited} <= {_label(span) for span in self._spans(caller)}, 30
        )
        spans = self._spans(caller)
        twice = [name for name, count in Counter(map(_label, spans)).items() if count > 1]
        assert not twice, "no span comes twice"
        return {_label(span): span for span in spans}

    def _spans(self, caller: Caller) -> list[Span]:
        spans = self.collector.trace(caller.trace_id)
        return [span for span in spans if "Introspect" not in span.name]


def _label(span: Span) -> str:
    return "gateway" if span.service == "skillbox-gateway" else f"{span.service} {span.name}"


@pytest.fixture
def caller() -> Caller:
    return Caller(secrets.token_hex(16), secrets.token_hex(8))


@pytest.fixture(scope="session")
def observed() -> Iterator[Observed]:
    port = free_ports(3)
    with collector() as received, tempfile.TemporaryDirectory(prefix="skillbox-otlp-") as folder:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{received.address}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "SKILLBOX_OTLP_ADDRESS": received.address,
            "SKILLBOX_METRICS_LISTEN": f"127.0.0.1:{port}",
            "SKILLBOX_LOG_LEVEL": "debug",
        }
        stack = Stack(Path(folder, "data"), "bubblewrap", env=environment)
        try:
            yield Observed(stack.start(), received, port)
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr
