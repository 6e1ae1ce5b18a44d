"""SemVer 2.0: what is a version, and a text key by which a database sorts versions."""

import semver

MAX_VERSION = 128


def is_version(text: str) -> bool:
    """Tells whether `text` is SemVer 2.0, of at most 128 characters."""
    # The comparison refuses what the library is lenient about, such as digits beyond ASCII.
    return (
        len(text) <= MAX_VERSION
        and semver.Version.is_valid(text)
        and str(semver.Version.parse(text)) == text
    )


def is_release(version: str) -> bool:
    """Tells whether a version is no pre-release."""
    return not semver.Version.parse(version).prerelease


def sort_key(version: str) -> str:
    """Makes a text that sorts, byte by byte, as SemVer orders versions.

    Numbers carry their length in front. An identifier starts with its kind, numeric before
    alphanumeric, and `0` ends the list, so that a shorter list comes first. SemVer leaves the
    order of build metadata open: here it sorts last, as text, so that the order is total.
    """
    parsed = semver.Version.parse(version)
    core = "".join(map(_number, map(str, parsed.to_tuple()[:3])))
    identifiers = parsed.prerelease.split(".") if parsed.prerelease else []
    prerelease = "".join(map(_identifier, identifiers))
    return f"{core}{f'0{prerelease}0' if identifiers else '1'}{parsed.build or ''}"


def _number(digits: str) -> str:
    return f"{len(digits):03d}{digits}"


def _identifier(text: str) -> str:
    # `!` sorts before every character that an identifier may hold.
    return f"1{_number(text)}" if text.isdigit() else f"2{text}!"
