"""Lists versions, by name and then by SemVer."""

from collections.abc import Sequence

from skillbox_common.pagination import decode_token, encode_token, page_size
from skillbox_registry.semver_order import sort_key
from skillbox_registry.skill import SkillSummary
from skillbox_registry.skill_md import NAME
from skillbox_registry.store.interface import SkillReader

_START = ("", "")


async def list_skills(
    skills: SkillReader, tenant_id: str, *, name: str, size: int, token: str
) -> tuple[Sequence[SkillSummary], str]:
    """Returns a page and the token of the next, which is empty when there is none.

    Args:
        name: Limits the list to one skill; empty for all.
        size: Most versions to return; 0 for the default.
        token: Of the page before; empty for the first page.

    Raises:
        InvalidArgument: The size or the token is not valid.
    """
    limit = page_size(size)
    after_name, after_key = decode_token(token, 2) or _START
    if name and not NAME.fullmatch(name):
        return [], ""
    found = await skills.list(tenant_id, name=name, after=(after_name, after_key), limit=limit + 1)
    if len(found) <= limit:
        return found, ""
    last = found[limit - 1]
    return found[:limit], encode_token(last.name, sort_key(last.version))


async def list_all_skills(skills: SkillReader, tenant_id: str) -> Sequence[SkillSummary]:
    """Returns every version at once, as the documented REST list does."""
    return await skills.list(tenant_id, name="", after=_START, limit=None)
