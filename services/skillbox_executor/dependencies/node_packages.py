"""Reads package.json and package-lock.json: names and versions, nothing that reaches elsewhere."""

import json
import re
from typing import Any

from skillbox_executor.dependencies.errors import DependencyError

MAX_BYTES = 64 * 1024
MAX_LOCK_BYTES = 4 * 1024 * 1024
MAX_PACKAGES = 500

_KINDS = ("dependencies", "optionalDependencies")
_NAME = re.compile(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]{0,213}", re.IGNORECASE)
# A range of versions or a tag. Addresses, paths, aliases and workspaces all have a `:` or a `/`.
_RANGE = re.compile(r"[A-Za-z0-9.*^~<>=|+ -]*")
# Of a package in the lock; what it says of addresses and scripts is left out.
_LOCKED = (
    *("version", "integrity", "dev", "optional", "devOptional", "peer", "inBundle", "bin"),
    *("dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta"),
    *("bundleDependencies", "engines", "os", "cpu", "libc", "license", "name"),
)


def parse(content: bytes) -> bytes:
    """Returns a package.json of the dependencies alone; empty when there are none.

    Raises:
        DependencyError: The file is no package.json, or names something that is no package of
            the registry.
    """
    document = _object("package.json", content, MAX_BYTES)
    kept = {kind: _packages(kind, document.get(kind) or {}) for kind in _KINDS}
    if not any(kept.values()):
        return b""
    if sum(map(len, kept.values())) > MAX_PACKAGES:
        raise DependencyError(f"package.json has more than {MAX_PACKAGES} dependencies")
    return json.dumps({"name": "skill", "version": "1.0.0", **kept}, sort_keys=True).encode()


def parse_lock(content: bytes) -> bytes:
    """Returns a package-lock.json without addresses: everything comes from the registry.

    Raises:
        DependencyError: It is none that npm 7 or later wrote, or links to somewhere.
    """
    document = _object("package-lock.json", content, MAX_LOCK_BYTES)
    packages = document.get("packages")
    if not isinstance(packages, dict):
        raise DependencyError("package-lock.json has no packages: expected one of npm 7 or later")
    kept = {}
    for path, package in packages.items():
        if path == "":
            continue  # npm writes it anew from package.json
        if not isinstance(package, dict) or package.get("link") or ".." in path:
            raise DependencyError(
                f"package-lock.json: {path[:200]!r} is no package of the registry"
            )
        for kind in ("dependencies", "optionalDependencies"):
            _packages(f"package-lock.json {path[:200]}", package.get(kind) or {})
        kept[path] = {name: package[name] for name in _LOCKED if name in package}
    lock = {"name": "skill", "version": "1.0.0", "lockfileVersion": 3, "packages": kept}
    return json.dumps(lock, sort_keys=True).encode()


def _packages(where: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise DependencyError(f"package.json: {where} is not an object")
    for name, wanted in value.items():
        if not _NAME.fullmatch(name):
            raise DependencyError(f"{where}: {name[:200]!r} is no name of a package")
        if not isinstance(wanted, str) or not _RANGE.fullmatch(wanted):
            raise DependencyError(
                f"{where}: {name}: {str(wanted)[:200]!r} is not allowed: expected versions, "
                "not an address or a path"
            )
    return value


def _object(name: str, content: bytes, maximum: int) -> dict[str, Any]:
    if len(content) > maximum:
        raise DependencyError(f"{name} has {len(content)} bytes: expected {maximum} bytes at most")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise DependencyError(f"{name} is not valid JSON") from None
    if not isinstance(document, dict):
        raise DependencyError(f"{name} is not an object")
    return document
