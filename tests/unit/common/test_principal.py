"""What a principal may do and shows."""

import pytest

from skillbox_common.principal import Principal, Scope


@pytest.mark.parametrize("scope", Scope)
def test_admin_may_everything(scope: Scope) -> None:
    assert Principal("k", "t", frozenset({"admin"})).may(scope)


@pytest.mark.parametrize("scope", Scope)
def test_any_other_scope_is_for_itself(scope: Scope) -> None:
    principal = Principal("k", "t", frozenset({"skills:read"}))
    assert principal.may(scope) is (scope is Scope.SKILLS_READ)


def test_the_token_is_not_shown() -> None:
    assert "sk-secret" not in repr(Principal("k", "t", frozenset(), token="sk-secret"))
