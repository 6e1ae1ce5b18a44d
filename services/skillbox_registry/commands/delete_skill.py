"""Removes one version."""

from skillbox_common.errors import SkillNotFound
from skillbox_registry.commands.get_skill import get_skill
from skillbox_registry.store.interface import SkillStore


async def delete_skill(skills: SkillStore, tenant_id: str, name: str, version: str) -> None:
    """Removes a version, which may be `latest`.

    The archive stays: executions that already started may still fetch it.

    Raises:
        SkillNotFound: The tenant has no such version.
    """
    spec = (await get_skill(skills, tenant_id, name, version)).spec
    if not await skills.delete(tenant_id, spec.name, spec.version):
        raise SkillNotFound(f"skill not found: {name}@{version}")
