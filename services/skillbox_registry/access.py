"""What each method of the Registry asks of its caller. A method that is not here is refused."""

from collections.abc import Mapping

from skillbox_common.interceptors.authentication import Access
from skillbox_common.principal import Scope

_SKILLS = "/skillbox.registry.v1.SkillService"
_REST = "/skillbox.registry.v1.SkillRestService"
_RESOLVER = "/skillbox.registry.v1.ResolverService"

ACCESS: Mapping[str, Access] = {
    f"{_SKILLS}/UploadSkill": Scope.SKILLS_WRITE,
    f"{_SKILLS}/ListSkills": Scope.SKILLS_READ,
    f"{_SKILLS}/ListSkillVersions": Scope.SKILLS_READ,
    f"{_SKILLS}/GetSkill": Scope.SKILLS_READ,
    f"{_SKILLS}/DeleteSkill": Scope.SKILLS_WRITE,
    f"{_SKILLS}/ListSkillFiles": Scope.SKILLS_READ,
    f"{_SKILLS}/GetSkillFile": Scope.SKILLS_READ,
    f"{_SKILLS}/DownloadSkill": Scope.SKILLS_READ,
    f"{_REST}/UploadSkillRest": Scope.SKILLS_WRITE,
    f"{_REST}/ListSkillsRest": Scope.SKILLS_READ,
    f"{_REST}/GetSkillFileRest": Scope.SKILLS_READ,
    f"{_REST}/DownloadSkillRest": Scope.SKILLS_READ,
    # The Executor resolves on behalf of a caller who may run skills but not read them.
    f"{_RESOLVER}/ResolveSkill": Scope.EXECUTIONS_RUN,
}
