"""The table of access rights covers the contract, and nothing else."""

from skillbox_common.principal import Scope
from skillbox_registry.access import ACCESS
from skillbox_registry.main import SERVICES
from tests.support.descriptors import methods_of


def test_every_method_of_the_contract_is_in_the_table() -> None:
    assert set(ACCESS) == methods_of(SERVICES)


def test_nothing_is_public_and_only_writers_write() -> None:
    writers = {
        method.rsplit("/")[-1] for method, scope in ACCESS.items() if scope == Scope.SKILLS_WRITE
    }
    assert writers == {"UploadSkill", "UploadSkillRest", "DeleteSkill"}
    assert all(isinstance(scope, Scope) for scope in ACCESS.values())
