"""The meter of all services. No label ever holds an id: their number must stay small."""

from collections.abc import Callable, Iterable
from contextlib import suppress

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
"""Bounds of the buckets for durations: from a warm box to the longest run."""

meter = metrics.get_meter("skillbox")

rpc_duration = meter.create_histogram(
    "rpc.server.call.duration",
    unit="s",
    description="Time to answer an RPC, for a stream until its end",
    explicit_bucket_boundaries_advisory=SECONDS,
)


def gauge(name: str, read: Callable[[], int], description: str, unit: str = "1") -> None:
    """Exports a number that is read when the metrics are collected, in another thread."""

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        # What is read may change meanwhile, such as the size of a dictionary.
        with suppress(RuntimeError):
            yield Observation(read())

    meter.create_observable_gauge(name, [observe], unit=unit, description=description)
