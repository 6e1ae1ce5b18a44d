"""Who is calling: the principal that authentication found, for the length of one RPC."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What an API key may do. `ADMIN` includes all others."""

    SKILLS_READ = "skills:read"
    SKILLS_WRITE = "skills:write"
    EXECUTIONS_RUN = "executions:run"
    EXECUTIONS_READ = "executions:read"
    ADMIN = "admin"


@dataclass(frozen=True)
class Principal:
    """The key behind a call and the tenant that it acts for.

    Attributes:
        token: The bearer token, to call other services on the caller's behalf. Never shown.
        expires_at: When the key ends; `None` for never.
    """

    key_id: str
    tenant_id: str
    scopes: frozenset[str]
    token: str = field(repr=False, default="")
    expires_at: datetime | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


_current: ContextVar[Principal] = ContextVar("skillbox_principal")


def set_principal(principal: Principal) -> None:
    """Makes `principal` the caller of this RPC; each RPC has a context of its own."""
    _current.set(principal)


def current_principal() -> Principal:
    """Returns the caller of this RPC.

    Raises:
        LookupError: The method is public, so nobody was authenticated.
    """
    return _current.get()
