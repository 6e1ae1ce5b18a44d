"""Sizes and durations as people write them: `256Mi`, `1m30s`."""

import re
from decimal import Decimal, InvalidOperation

_SIZE = re.compile(r"(\d+)(Ki|Mi|Gi|Ti|k|K|M|G|T)?", re.ASCII)
_FACTORS = {
    "": 1,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)", re.ASCII)
_SECONDS = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_MAX_TEXT = 32


def parse_size(value: object) -> int:
    """Reads a size such as `128Mi`, `1Gi`, `500M` or a number of bytes.

    Returns:
        Bytes, greater than zero.

    Raises:
        ValueError: Anything else; the text says what was expected.
    """
    text = str(value).strip()
    match = _SIZE.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None or isinstance(value, bool) or int(match[1]) == 0:
        raise ValueError("expected a size such as 128Mi, 1Gi or a number of bytes")
    return int(match[1]) * _FACTORS[match[2] or ""]


def parse_duration(value: object) -> float:
    """Reads a Go-style duration: `60s`, `1m30s`, `250ms`, `1.5h`.

    Returns:
        Seconds, greater than zero.

    Raises:
        ValueError: Anything else; the text says what was expected.
    """
    text = str(value).strip()
    position, seconds = 0, Decimal(0)
    while len(text) <= _MAX_TEXT and (match := _DURATION_PART.match(text, position)):
        seconds += Decimal(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if position != len(text) or seconds <= 0:
        raise ValueError("expected a duration such as 60s, 1m30s or 500ms")
    return float(seconds)


def parse_cpu(value: object) -> float:
    """Reads a number of cores such as `0.5` or `2`.

    Returns:
        Cores, greater than zero and finite.

    Raises:
        ValueError: Anything else; the text says what was expected.
    """
    try:
        cores = Decimal(str(value).strip())
    except InvalidOperation:
        cores = Decimal(0)
    if isinstance(value, bool) or not cores.is_finite() or not 0 < cores <= 4096:
        raise ValueError("expected a number of cores greater than 0 such as 0.5")
    return float(cores)


def format_duration(seconds: float) -> str:
    """Writes seconds the way Go does: `5s`, `1m30s`, `2m0s`, `1.5s`, `500ms`."""
    millis = round(seconds * 1000)
    if 0 < millis < 1000:
        return f"{millis}ms"
    hours, millis = divmod(millis, 3_600_000)
    minutes, millis = divmod(millis, 60_000)
    whole, millis = divmod(millis, 1000)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    fraction = f".{millis:03d}".rstrip("0") if millis else ""
    return f"{text}{whole}{fraction}s"
