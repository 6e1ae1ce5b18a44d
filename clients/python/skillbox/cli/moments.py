"""Times as a person reads them."""

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def relative(moment: str, now: datetime | None = None) -> str:
    """Returns how far away a time is, such as `5m ago` or `in 3d`.

    Args:
        moment: RFC 3339; what is none stays as it is.
        now: Default: the time of this call.
    """
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    size, unit = next((unit for unit in _UNITS if abs(seconds) >= unit[0]), (1, "s"))
    count = int(abs(seconds) / size)
    return f"in {count}{unit}" if seconds <= -1 else f"{count}{unit} ago"
