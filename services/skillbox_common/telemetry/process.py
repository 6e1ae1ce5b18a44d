"""What every process can say about itself."""

from collections.abc import Iterable

import psutil
from opentelemetry.metrics import CallbackOptions, Observation

from skillbox_common.telemetry.metrics import gauge, meter


def observe_process() -> None:
    """Exports processor time, memory, open files and threads of this process."""
    process = psutil.Process()

    def cpu(_: CallbackOptions) -> Iterable[Observation]:
        times = process.cpu_times()
        yield Observation(times.user, {"cpu.mode": "user"})
        yield Observation(times.system, {"cpu.mode": "system"})

    meter.create_observable_counter(
        "process.cpu.time", [cpu], unit="s", description="Processor time used"
    )
    gauge("process.memory.usage", lambda: process.memory_info().rss, "Resident memory", "By")
    gauge(
        "process.open_file_descriptor.count",
        process.num_fds,
        "Open file descriptors",
        "{file_descriptor}",
    )
    gauge("process.thread.count", process.num_threads, "Threads", "{thread}")
