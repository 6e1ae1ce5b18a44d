"""Lists the versions of one skill, highest SemVer first."""

from collections.abc import Sequence
from dataclasses import dataclass

from skillbox_common.pagination import decode_token, encode_token, page_size
from skillbox_registry.commands.get_skill import LATEST, get_skill
from skillbox_registry.semver_order import sort_key
from skillbox_registry.skill import SkillSummary
from skillbox_registry.store.interface import SkillReader


@dataclass(frozen=True)
class VersionPage:
    """A page of versions.

    Attributes:
        latest: What `latest` means, on this page or not.
        next_page_token: Empty when there is no next page.
    """

    latest: str
    versions: Sequence[SkillSummary]
    next_page_token: str = ""


async def list_skill_versions(
    skills: SkillReader, tenant_id: str, name: str, *, size: int, token: str
) -> VersionPage:
    """Returns a page.

    Args:
        size: Most versions to return; 0 for the default.
        token: Of the page before; empty for the first page.

    Raises:
        InvalidArgument: The size or the token is not valid.
        SkillNotFound: The tenant has no version of this skill.
    """
    limit = page_size(size)
    (before,) = decode_token(token, 1) or (None,)
    latest = (await get_skill(skills, tenant_id, name, LATEST)).spec.version
    found = await skills.list_versions(tenant_id, name, before=before, limit=limit + 1)
    if len(found) <= limit:
        return VersionPage(latest, found)
    return VersionPage(latest, found[:limit], encode_token(sort_key(found[limit - 1].version)))
