"""Finds one version."""

from skillbox_common.errors import SkillNotFound
from skillbox_common.telemetry import tracing
from skillbox_registry.semver_order import is_version
from skillbox_registry.skill import StoredSkill
from skillbox_registry.skill_md import NAME
from skillbox_registry.store.interface import SkillReader

LATEST = "latest"


async def get_skill(skills: SkillReader, tenant_id: str, name: str, version: str) -> StoredSkill:
    """Returns a version; `latest` and nothing mean the latest.

    Raises:
        SkillNotFound: The tenant has no such version.
    """
    version = version or LATEST
    stored = None
    # What cannot be the name of a skill is not asked for.
    if NAME.fullmatch(name):
        if version == LATEST:
            stored = await skills.find_latest(tenant_id, name)
        elif is_version(version):
            stored = await skills.find(tenant_id, name, version)
    if stored is None:
        raise SkillNotFound(f"skill not found: {name}@{version}")
    tracing.bind(skill_name=stored.spec.name, skill_version=stored.spec.version)
    return stored
