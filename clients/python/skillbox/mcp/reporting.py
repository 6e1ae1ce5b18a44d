"""What a host hears while a skill runs: progress for each event, log messages for its output."""

import warnings
from collections import OrderedDict
from typing import Any, get_args

from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import EmptyResult, LoggingLevel, SetLevelRequestParams

from skillbox.client import Event

_LEVELS: tuple[LoggingLevel, ...] = get_args(LoggingLevel)
_LEVEL_OF_STREAM: dict[str, LoggingLevel] = {
    "stdout": "info",
    "stderr": "warning",
    "system": "notice",
}
_MAX_SESSIONS = 10_000

Context = ServerRequestContext[Any, Any]


class Reporter:
    """Sends notifications. It remembers from which level on each session wants log messages."""

    def __init__(self) -> None:
        self._levels: OrderedDict[str, LoggingLevel] = OrderedDict()

    async def set_level(self, ctx: Context, params: SetLevelRequestParams) -> EmptyResult:
        """Answers `logging/setLevel`, which protocols before 2026-07-28 have."""
        self._levels[_session(ctx)] = params.level
        if len(self._levels) > _MAX_SESSIONS:
            self._levels.popitem(last=False)
        return EmptyResult()

    async def report(self, ctx: Context, skill: str, event: Event) -> None:
        """Tells the caller of a skill about an event."""
        if event.type != "log":
            await ctx.session.report_progress(event.seq, message=event.type)
            return
        text = str(event.data["data"])
        lines = text.strip().splitlines()
        await ctx.session.report_progress(event.seq, message=lines[-1] if lines else "log")
        await self._log(ctx, skill, _LEVEL_OF_STREAM.get(event.data["stream"], "info"), text)

    async def _log(self, ctx: Context, skill: str, level: LoggingLevel, text: str) -> None:
        wanted = self._levels.get(_session(ctx), "debug")
        if _LEVELS.index(level) < _LEVELS.index(wanted):
            return
        with warnings.catch_warnings():
            # Later protocols have it for those who ask for it in each request.
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            sending = ctx.session.send_log_message(
                level, text, logger=skill, related_request_id=ctx.request_id
            )
        await sending


def _session(ctx: Context) -> str:
    """Returns the id of a session over HTTP; over stdio there is but one."""
    return ctx.request.headers.get("mcp-session-id", "") if ctx.request else ""
