"""Sends traces and metrics where the standard `OTEL_*` variables say, and serves Prometheus."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from skillbox_common.config import ConfigurationError

if TYPE_CHECKING:
    from skillbox_common.telemetry.otlp import Protocol

Signal = Literal["TRACES", "METRICS"]

# A collector that is gone must not hold up the end of a service.
_FLUSH_S = 2.0


@contextmanager
def exporting(service: str, metrics_listen: str = "") -> Iterator[None]:
    """Exports while the context is open; sends what is left at its end.

    Args:
        service: Short name, such as `auth`.
        metrics_listen: host:port of the Prometheus endpoint; empty for none.

    Raises:
        ConfigurationError: A standard variable asks for what is not there.
        AddressTaken: Nobody can listen on `metrics_listen`.
    """
    spans, numbers = protocol_of("TRACES"), protocol_of("METRICS")
    if not (spans or numbers or metrics_listen):
        yield
        return
    # The SDK takes memory and start-up time from those who do not use it.
    from skillbox_common.telemetry import pipeline  # noqa: PLC0415

    shutdowns = []
    try:
        if spans:
            shutdowns.append(pipeline.export_traces(service, spans))
        if numbers or metrics_listen:
            host, _, port = metrics_listen.rpartition(":")
            shutdowns.append(
                pipeline.export_metrics(
                    service, protocol=numbers, host=host.strip("[]"), port=int(port or 0)
                )
            )
        yield
    finally:
        _run_in_time(shutdowns)


def protocol_of(signal: Signal) -> "Protocol | None":
    """Returns the protocol that the variables ask for; `None` when they do not want the signal.

    Raises:
        ConfigurationError: They ask for another exporter than OTLP, or a protocol that it has not.
    """
    if _variable("SDK_DISABLED").lower() == "true":
        return None
    exporter = _variable(f"{signal}_EXPORTER")
    own, common = f"EXPORTER_OTLP_{signal}", "EXPORTER_OTLP"
    endpoint = _variable(f"{own}_ENDPOINT") or _variable(f"{common}_ENDPOINT")
    if exporter == "none" or not endpoint:
        return None
    if exporter not in ("", "otlp"):
        raise _unsupported(f"{signal}_EXPORTER", exporter, "otlp or none")
    name = f"{own}_PROTOCOL" if _variable(f"{own}_PROTOCOL") else f"{common}_PROTOCOL"
    match _variable(name):
        case "" | "grpc":
            return "grpc"
        case "http/protobuf":
            return "http/protobuf"
        case other:
            raise _unsupported(name, other, "grpc or http/protobuf")


def _variable(name: str) -> str:
    return os.environ.get(f"OTEL_{name}", "").strip()


def _unsupported(variable: str, value: str, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"the configuration is not valid:\n  OTEL_{variable}={value!r}: expected {expected}"
    )


def _run_in_time(shutdowns: Sequence[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=shut_down, daemon=True) for shut_down in shutdowns]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _FLUSH_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
