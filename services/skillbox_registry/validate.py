"""Checks an archive and says what is in it. The Registry and `skillbox skill lint` use it.

Blocking, and offline: nothing here needs more than the extra `cli` installs.
"""

from dataclasses import dataclass
from typing import IO

from skillbox_common.errors import InvalidSkill
from skillbox_registry import skill_md
from skillbox_registry.archive import Archive, UnsafeArchive, open_archive
from skillbox_registry.entry_point import LanguageMismatch, find_entry_point, language_of
from skillbox_registry.findings import Findings, shown
from skillbox_registry.front_matter import Value
from skillbox_registry.json_schema import MAX_SCHEMA, UnusableSchema, check_schema, parse_schema
from skillbox_registry.limits import Limits
from skillbox_registry.skill import SkillSpec
from skillbox_registry.skill_md import SkillMd

MAX_SKILL_MD = 1024 * 1024
_PACKAGES = {"python": "requirements.txt", "node": "package.json"}


@dataclass(frozen=True)
class ValidatedSkill:
    """A skill that may be stored.

    Attributes:
        warnings: What the format frowns upon but allows, one sentence each.
    """

    spec: SkillSpec
    warnings: tuple[str, ...]


def validate_archive(file: IO[bytes], limits: Limits) -> ValidatedSkill:
    """Reads and checks a zip archive.

    Raises:
        InvalidSkill: It is refused; the problems are all that were found.
    """
    findings = Findings()
    spec = inspect_archive(file, limits, findings)
    if spec is None or findings.errors:
        raise InvalidSkill([str(error) for error in findings.errors])
    return ValidatedSkill(spec, tuple(str(warning) for warning in findings.warnings))


def inspect_archive(file: IO[bytes], limits: Limits, findings: Findings) -> SkillSpec | None:
    """Reads a zip archive; what is wrong with it goes to `findings`.

    Returns:
        What could be read. It is of use only when there are no errors.
    """
    try:
        with open_archive(file, limits) as archive:
            return _inspect(archive, limits, findings)
    except UnsafeArchive as error:
        for problem in error.problems:
            findings.error("archive", problem)
        return None


def _inspect(archive: Archive, limits: Limits, findings: Findings) -> SkillSpec | None:
    try:
        content = archive.read("SKILL.md", MAX_SKILL_MD)
    except ValueError as error:
        findings.error("SKILL.md", str(error))
        return None
    head = skill_md.parse(content, limits, findings)
    if head is None:
        return None
    entry_point = _entry_point(archive, head, findings)
    lang = head.lang or language_of(entry_point)
    return SkillSpec(
        name=head.name,
        version=head.version,
        description=head.description,
        lang=lang,
        image=head.image,
        runtime=head.runtime,
        timeout=head.timeout,
        cpu=head.cpu,
        memory=head.memory,
        instructions=head.instructions,
        entrypoint=entry_point,
        root=archive.root,
        input_schema=_schema(archive, "input_schema", head.input_schema, findings),
        output_schema=_schema(archive, "output_schema", head.output_schema, findings),
        packages=_packages(archive, lang),
    )


def _packages(archive: Archive, lang: str) -> str:
    """Returns the file that names packages. The Executor reads it; a run with bad ones fails."""
    name = _PACKAGES.get(lang)
    paths = (name, f"scripts/{name}") if name else ()
    return next((path for path in paths if path in archive.files), "")


def _entry_point(archive: Archive, head: SkillMd, findings: Findings) -> str:
    try:
        return find_entry_point(archive.files, head.lang)
    except LanguageMismatch as error:
        findings.error("lang", str(error))
        return ""


def _schema(archive: Archive, field: str, value: Value | None, findings: Findings) -> str:
    """Returns a schema as JSON, whether it stands in SKILL.md or in a file."""
    if value is None:
        return ""
    source = value.data
    try:
        if isinstance(source, str):
            if source not in archive.files:
                raise UnusableSchema(f"there is no file {shown(source)} in the archive")
            source = parse_schema(archive.read(source, MAX_SCHEMA))
        return check_schema(source)
    except ValueError as error:
        findings.error(field, str(error), value.line)
        return ""
