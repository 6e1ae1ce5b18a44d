"""Turns a request and a skill into what a sandbox is to do, or says why it may not."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from skillbox_common.errors import InvalidArgument
from skillbox_common.units import parse_cpu, parse_duration, parse_size
from skillbox_executor import environment, runtimes
from skillbox_executor.bundles import Bundle
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.domain import Reason, Refused, RunRequest
from skillbox_executor.sandbox.interface import Language, Limits, Payload, Profile
from skillbox_executor.skills import Skill

_LANGUAGES = {
    ".py": Language.PYTHON,
    ".js": Language.NODE,
    ".mjs": Language.NODE,
    ".cjs": Language.NODE,
    ".sh": Language.BASH,
}
MAX_ARGS = 256
MAX_ARG = 64 * 1024


@dataclass(frozen=True)
class Plan:
    """What a sandbox is to do.

    Attributes:
        timeout_s: Wall-clock limit of the skill in seconds.
        tenant_id: For whom.
    """

    profile: Profile
    payload: Payload
    timeout_s: float
    tenant_id: str = ""


def check_request(request: RunRequest) -> None:
    """Refuses what no skill could make sense of.

    Raises:
        InvalidArgument: The text names the field.
    """
    if not request.skill:
        raise InvalidArgument("'skill' is required")
    for field, value in (("skill", request.skill), ("version", request.version)):
        if "\0" in value:
            raise InvalidArgument.of(field, value, "text without NUL")
    entrypoint = request.entrypoint
    if entrypoint and (
        "\0" in entrypoint
        or "\\" in entrypoint
        or posixpath.normpath(entrypoint) != entrypoint
        or entrypoint.startswith(("/", "../", "-"))
        or entrypoint in (".", "..")
    ):
        raise InvalidArgument.of("entrypoint", entrypoint, "a path inside the archive")
    if len(request.args) > MAX_ARGS:
        raise InvalidArgument(f"args: {len(request.args)} arguments: expected {MAX_ARGS} at most")
    for number, argument in enumerate(request.args):
        if "\0" in argument or len(argument.encode()) > MAX_ARG:
            raise InvalidArgument(
                f"args[{number}]: expected text without NUL of {MAX_ARG} bytes at most"
            )


def check_policy(request: RunRequest, skill: Skill, settings: ExecutorSettings) -> None:
    """Applies what the operator forbids, before anything is fetched.

    Raises:
        Refused: The image, the runtime or an environment name is not allowed.
    """
    name = environment.blocked_name(request.env)
    if name is not None:
        raise Refused(Reason.ENVIRONMENT_REFUSED, f'env var "{name}" is not allowed')
    name = environment.oversized_variable(request.env)
    if name is not None:
        raise Refused(
            Reason.ENVIRONMENT_REFUSED,
            f'env var "{name}" is not allowed: it has a NUL or more than '
            f"{environment.MAX_VARIABLE} bytes",
        )
    if skill.image:
        _check_image(skill.image, settings.image_allowlist)
    runtimes.choose(skill, settings)


def default_profile(language: Language, settings: ExecutorSettings) -> Profile:
    """Returns the profile of skills that ask for nothing of their own."""
    return Profile(
        image=settings.default_image(language),
        language=language,
        limits=Limits(
            memory_bytes=min(settings.default_memory, settings.max_memory),
            cpus=min(settings.default_cpu, settings.max_cpu),
        ),
        runtime=settings.oci_runtime,
    )


def make_plan(
    request: RunRequest, skill: Skill, bundle: Bundle, settings: ExecutorSettings
) -> Plan:
    """Decides image, limits, environment and time of a run.

    Raises:
        Refused: There is no such script, or its image or runtime is not allowed.
    """
    script = request.entrypoint or skill.entrypoint
    if not script:
        raise Refused(
            Reason.SKILL_NOT_LOADED,
            f"loading skill: no entry point in {skill.name}@{skill.version}: "
            "expected main.py, run.py, main.js or main.sh in the root or in scripts/",
        )
    if script not in bundle.names:
        raise Refused(Reason.SKILL_NOT_LOADED, f'loading skill: "{script}" is not in the archive')
    language = _LANGUAGES.get(posixpath.splitext(script)[1])
    if language is None:
        raise Refused(
            Reason.SKILL_NOT_LOADED,
            f'loading skill: "{script}" does not end in {", ".join(_LANGUAGES)}',
        )
    image = skill.image or settings.default_image(language)
    _check_image(image, settings.image_allowlist)
    memory = parse_size(skill.memory) if skill.memory else settings.default_memory
    cpus = parse_cpu(skill.cpu) if skill.cpu else settings.default_cpu
    timeout = parse_duration(skill.timeout) if skill.timeout else settings.default_timeout
    return Plan(
        profile=Profile(
            image=image,
            language=language,
            limits=Limits(
                memory_bytes=min(memory, settings.max_memory), cpus=min(cpus, settings.max_cpu)
            ),
            runtime=runtimes.choose(skill, settings),
        ),
        payload=Payload(
            argv=[script, *request.args],
            env=environment.skill_environment(request.input_json, skill.instructions, request.env),
            tar=bundle.payload(request.input_json),
            max_files=settings.max_files,
        ),
        timeout_s=min(timeout, settings.max_timeout),
        tenant_id=skill.tenant_id,
    )


def _check_image(image: str, allowlist: Sequence[str]) -> None:
    if image not in allowlist:
        raise Refused(
            Reason.IMAGE_NOT_ALLOWED,
            f'image validation: image "{image}" is not in the allowlist '
            f"(allowed: {', '.join(allowlist)})",
        )
