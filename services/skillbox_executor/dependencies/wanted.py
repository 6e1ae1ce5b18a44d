"""What a skill asks for, read from its files."""

import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from skillbox_executor.bundles import Bundle
from skillbox_executor.dependencies import node_packages, requirements
from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.sandbox.interface import Language

_NAMES = {
    Language.PYTHON: ("requirements.txt", "scripts/requirements.txt"),
    Language.NODE: ("package.json", "scripts/package.json"),
}
_WHEELS = "wheels/"
# Changed when the same files would give another set, as after a change of the installer.
_FORMAT = 1


@dataclass(frozen=True)
class Wanted:
    """Packages to be installed.

    Attributes:
        files: What the installer is given, each in its one spelling.
        vendored: Whether the files hold the packages themselves, so that no network is needed.
    """

    language: Language
    files: Mapping[str, bytes]
    vendored: bool = False

    @property
    def fingerprint(self) -> str:
        """A SHA-256 of all of it."""
        files = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        text = json.dumps([_FORMAT, self.language.value, files], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def set_key(fingerprint: str, interpreter: str) -> str:
    """Returns the key of what an interpreter gets for a fingerprint."""
    return hashlib.sha256(f"{fingerprint}\n{interpreter}".encode()).hexdigest()


def asks(bundle: Bundle, language: Language) -> bool:
    """Tells whether a skill may ask for something, without reading."""
    return _named(bundle, language) is not None


def read_wanted(bundle: Bundle, language: Language) -> Wanted | None:
    """Reads what a skill asks for; `None` when that is nothing. Blocking.

    Raises:
        DependencyError: It asks for something that is not allowed.
    """
    name = _named(bundle, language)
    if name is None:
        return None
    return _python(bundle, name) if language is Language.PYTHON else _node(bundle, name)


def _python(bundle: Bundle, name: str) -> Wanted | None:
    wheels = [each for each in bundle.names if each.startswith(_WHEELS) and each.endswith(".whl")]
    files = _read(bundle, [name, *wheels])
    lines = requirements.parse(name, files.pop(name))
    if not lines:
        return None
    for wheel in wheels:
        try:
            parse_wheel_filename(wheel.removeprefix(_WHEELS))
        except InvalidWheelFilename:
            raise DependencyError(f"{wheel!r} is no name of a wheel") from None
    text = "".join(f"{line}\n" for line in lines)
    return Wanted(
        Language.PYTHON, {"requirements.txt": text.encode(), **files}, vendored=bool(wheels)
    )


def _node(bundle: Bundle, name: str) -> Wanted | None:
    folder = name.removesuffix("package.json")
    # Node finds what the archive brings by itself.
    if any(each.startswith(f"{folder}node_modules/") for each in bundle.names):
        return None
    lock = f"{folder}package-lock.json"
    files = _read(bundle, {name, lock} & bundle.names)
    packages = node_packages.parse(files[name])
    if not packages:
        return None
    wanted = {"package.json": packages}
    if lock in files:
        wanted["package-lock.json"] = node_packages.parse_lock(files[lock])
    return Wanted(Language.NODE, wanted)


def _named(bundle: Bundle, language: Language) -> str | None:
    """Returns the file that names packages."""
    return next((name for name in _NAMES.get(language, ()) if name in bundle.names), None)


def _read(bundle: Bundle, names: Collection[str]) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(bundle.tar), mode="r:") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name in names else None
            if content is not None:
                found[member.name] = content.read()
    return found
