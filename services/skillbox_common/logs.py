"""Structured logs: JSON for machines, readable on a terminal."""

import logging
import sys
import traceback
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from structlog.types import EventDict, Processor

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.telemetry.tracing import log_trace_ids

# Their texts are ours or the operating system's. Any other may quote what a caller or a skill
# wrote: a database names the value that it refuses, a parser the place where it stopped.
_TOLD = (DependencyUnavailable, OSError, ImportError, AssertionError)

_MAX_CAUSES = 5
_MAX_FRAMES = 20


class _Lossy:
    """Writes as far as that is possible: no call fails because the disk of the logs is full."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def configure_logging(level: str, service: str) -> None:
    """Sets up logging for the process, that of libraries included; call once, first."""
    console = sys.stderr.isatty()

    def add_service(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {"service": service, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        log_trace_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [
            add_service,
            structlog.processors.ExceptionRenderer(describe_exception),
            structlog.processors.JSONRenderer(),
        ]
    )
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def describe_exception(exc_info: Any) -> list[dict[str, Any]]:
    """Returns kind, text and frames of an exception and of what caused it, outermost first."""
    described: list[dict[str, Any]] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(described) < _MAX_CAUSES:
        frames = traceback.extract_tb(error.__traceback__, limit=-_MAX_FRAMES)
        described.append(
            {
                "type": type(error).__qualname__,
                "text": str(error) if isinstance(error, _TOLD) else "(hidden)",
                "frames": [f"{each.filename}:{each.lineno} {each.name}" for each in frames],
            }
        )
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
    return described
