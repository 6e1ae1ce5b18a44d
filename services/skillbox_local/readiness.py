"""Waits until the stack serves, as a client sees it."""

import asyncio
import json
import time
import urllib.error
import urllib.request

from skillbox_local.errors import LocalError

_INTERVAL_S = 0.05
# Never through a proxy that the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


async def wait_until_ready(url: str, seconds: float) -> None:
    """Asks `/ready` until it says yes.

    Raises:
        LocalError: It did not within `seconds`; the text has the last answer.
    """
    deadline = time.monotonic() + seconds
    while (missing := await asyncio.to_thread(_missing, url)) is not None:
        if time.monotonic() > deadline:
            raise LocalError(f"not ready after {seconds:.0f} seconds: {missing}")
        await asyncio.sleep(_INTERVAL_S)


def _missing(url: str) -> str | None:
    """Returns what is not ready yet; None when all is."""
    try:
        with _opener.open(f"{url}/ready", timeout=5):
            return None
    except urllib.error.HTTPError as error:
        return _failed_checks(error.read()) or f"HTTP {error.code}"
    except OSError as error:
        return f"the gateway does not answer ({error})"


def _failed_checks(body: bytes) -> str:
    try:
        reply = json.loads(body)
        checks: dict[str, str] = reply.get("checks", {})
    except (ValueError, AttributeError):
        return ""
    failed = [f"{name}: {reason}" for name, reason in checks.items() if reason != "ok"]
    return ", ".join(failed) or str(reply.get("message", ""))
