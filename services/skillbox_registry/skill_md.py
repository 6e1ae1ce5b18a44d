"""The rules of SKILL.md, one function per field."""

import re
from dataclasses import dataclass
from datetime import date

from skillbox_common.units import parse_cpu, parse_duration, parse_size
from skillbox_registry.entry_point import LANGUAGES
from skillbox_registry.findings import Findings, shown
from skillbox_registry.front_matter import FrontMatterError, Value, load, split
from skillbox_registry.limits import Limits
from skillbox_registry.semver_order import is_version

DEFAULT_VERSION = "1.0.0"
MAX_DESCRIPTION = 1024

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_USUAL_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}", re.ASCII)
_RUNTIME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SHORT_VERSION = re.compile(r"(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8}))?", re.ASCII)
_LANGUAGES = tuple(LANGUAGES.values())
_KINDS = ((bool, "true/false value"), (int, "integer"), (float, "float"), (date, "date"))
_AGENT_SKILLS_FIELDS: dict[str, tuple[tuple[type, ...], str]] = {
    "license": ((str,), "a text"),
    "compatibility": ((str,), "a text"),
    "metadata": ((dict,), "a mapping"),
    "allowed-tools": ((str, list), "a text or a list"),
}
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class SkillMd:
    """SKILL.md by itself. A field with an error is empty; so is one that was left out.

    Attributes:
        input_schema, output_schema: Still as in the front matter: a mapping or a path.
    """

    name: str
    version: str
    description: str
    lang: str
    image: str
    runtime: str
    timeout: str
    cpu: str
    memory: str
    instructions: str
    input_schema: Value | None
    output_schema: Value | None


def parse(content: bytes, limits: Limits, findings: Findings) -> SkillMd | None:
    """Reads SKILL.md; what is wrong with it goes to `findings`.

    Returns:
        `None` when there is no front matter to look into.
    """
    try:
        text = content.decode("utf-8-sig")
        if "\0" in text:
            raise FrontMatterError("must be text: it holds a NUL")
        source, instructions = split(text)
        front = load(source)
    except UnicodeDecodeError as error:
        findings.error("SKILL.md", f"must be UTF-8: byte {error.start} is not")
        return None
    except FrontMatterError as error:
        findings.error("SKILL.md", str(error), error.line)
        return None
    _check_agent_skills_fields(front, findings)
    return SkillMd(
        name=_name(front, findings),
        version=_version(front, findings),
        description=_description(front, findings),
        lang=_lang(front, findings),
        image=_image(front, findings),
        runtime=_runtime(front, findings),
        timeout=_timeout(front, findings),
        cpu=_cpu(front, limits, findings),
        memory=_memory(front, limits, findings),
        instructions=instructions,
        input_schema=front.get("input_schema"),
        output_schema=front.get("output_schema"),
    )


def _text(value: Value | None, field: str, findings: Findings, *, required: bool = False) -> str:
    """Returns a field that must be a string."""
    if value is None:
        if required:
            findings.error(field, "is required")
        return ""
    if isinstance(value.data, str):
        if required and not value.data.strip():
            findings.error(field, "must not be empty", value.line)
        return value.data.strip()
    if not value.text:
        findings.error(field, "expected a text, not a list or a mapping", value.line)
    else:
        kind = next((name for type_, name in _KINDS if isinstance(value.data, type_)), "value")
        findings.error(
            field, f"{shown(value.text)} is a YAML {kind}, expected a text: quote it", value.line
        )
    return ""


def _name(front: Value, findings: Findings) -> str:
    value = front.get("name")
    name = _text(value, "name", findings, required=True)
    if not value or not name:
        return ""
    if not NAME.fullmatch(name):
        findings.error(
            "name",
            f"{shown(name)}: expected 1 to 128 of A-Z a-z 0-9 . _ - that begin with a letter or "
            "digit",
            value.line,
        )
    elif not _USUAL_NAME.fullmatch(name):
        findings.warn("name", f"{shown(name)}: lower-case-with-hyphens is usual", value.line)
    return name


def _version(front: Value, findings: Findings) -> str:
    value = front.get("version")
    metadata = front.get("metadata")
    if value is None and metadata is not None:
        value = metadata.get("version")
        text = value.data if value else None
        if value and isinstance(text, str) and _SHORT_VERSION.fullmatch(text):
            # The open format does not ask for SemVer, and its own examples say "1.0".
            version = f"{text}.0" if "." in text else f"{text}.0.0"
            findings.warn("version", f"{shown(text)} is taken as {version}", value.line)
            return version
    if value is None:
        return DEFAULT_VERSION
    version = _text(value, "version", findings, required=True)
    if version and not is_version(version):
        findings.error(
            "version",
            f'{shown(version)} is not SemVer 2.0: expected a text such as "1.0.0"',
            value.line,
        )
    return version


def _description(front: Value, findings: Findings) -> str:
    value = front.get("description")
    description = _text(value, "description", findings, required=True)
    if value and len(description) > MAX_DESCRIPTION:
        findings.warn(
            "description",
            f"has {len(description)} characters: agents may see the first {MAX_DESCRIPTION} only",
            value.line,
        )
    return description


def _lang(front: Value, findings: Findings) -> str:
    value = front.get("lang")
    lang = _text(value, "lang", findings)
    if value and lang and lang not in _LANGUAGES:
        findings.error("lang", f"{shown(lang)}: expected {', '.join(_LANGUAGES)}", value.line)
        return ""
    return lang


def _image(front: Value, findings: Findings) -> str:
    value = front.get("image")
    image = _text(value, "image", findings)
    if value and image and not _IMAGE.fullmatch(image):
        findings.error(
            "image", f"{shown(image)}: expected an image such as python:3.12-slim", value.line
        )
    return image


def _runtime(front: Value, findings: Findings) -> str:
    value = front.get("runtime")
    runtime = _text(value, "runtime", findings)
    if value and runtime and not _RUNTIME.fullmatch(runtime):
        findings.error(
            "runtime",
            f"{shown(runtime)}: expected 1 to 64 of A-Z a-z 0-9 . _ - such as runsc",
            value.line,
        )
    return runtime


def _timeout(front: Value, findings: Findings) -> str:
    value = front.get("timeout")
    if value is None:
        return ""
    try:
        parse_duration(value.text)
    except ValueError as error:
        findings.error("timeout", f"{shown(value.text)}: {error}", value.line)
    return value.text.strip()


def _resource(front: Value, name: str, findings: Findings) -> Value | None:
    resources = front.get("resources")
    if resources is not None and not isinstance(resources.data, dict):
        # Both resources come here; once is enough.
        if name == "memory":
            findings.error("resources", "expected a mapping of memory and cpu", resources.line)
        return None
    return resources.get(name) if resources else None


def _memory(front: Value, limits: Limits, findings: Findings) -> str:
    value = _resource(front, "memory", findings)
    if value is None:
        return ""
    try:
        if parse_size(value.text) > limits.max_memory:
            maximum = f"{limits.max_memory // _MEBIBYTE}Mi"
            raise ValueError(f"the maximum of this server is {maximum}")
    except ValueError as error:
        findings.error("resources.memory", f"{shown(value.text)}: {error}", value.line)
    return value.text.strip()


def _cpu(front: Value, limits: Limits, findings: Findings) -> str:
    value = _resource(front, "cpu", findings)
    if value is None:
        return ""
    try:
        if parse_cpu(value.text) > limits.max_cpu:
            raise ValueError(f"the maximum of this server is {limits.max_cpu:g}")
    except ValueError as error:
        findings.error("resources.cpu", f"{shown(value.text)}: {error}", value.line)
    return value.text.strip()


def _check_agent_skills_fields(front: Value, findings: Findings) -> None:
    """Looks at what the open format defines and the server only keeps."""
    for field, (types, expected) in _AGENT_SKILLS_FIELDS.items():
        value = front.get(field)
        if value is not None and not isinstance(value.data, types):
            findings.warn(field, f"expected {expected}", value.line)
