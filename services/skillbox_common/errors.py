"""The errors that domain code raises. Nothing here knows about gRPC or HTTP.

`str(error)` is the public text: it reaches callers, so it never holds a secret, an input
or an environment value. Internal detail goes into the log, or the exception's cause.
How each error looks on the wire is in `error_catalogue`.
"""

from typing import ClassVar


class SkillboxError(Exception):
    """Base of everything that a caller may be told.

    Attributes:
        reason: The name in `skillbox.common.v1.ErrorReason`, without its prefix.
    """

    reason: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgument(SkillboxError):
    reason = "INVALID_ARGUMENT"

    @classmethod
    def of(cls, field: str, value: object, expected: str) -> "InvalidArgument":
        """Says which field is wrong, what it holds and what it should hold."""
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        return cls(f"{field}: {shown} is not valid: expected {expected}")


class Unauthenticated(SkillboxError):
    reason = "UNAUTHENTICATED"


class TenantMismatch(SkillboxError):
    reason = "TENANT_MISMATCH"


class ScopeMissing(SkillboxError):
    reason = "SCOPE_MISSING"


class ApiKeyNotFound(SkillboxError):
    reason = "API_KEY_NOT_FOUND"


class SkillNotFound(SkillboxError):
    reason = "SKILL_NOT_FOUND"


class SkillFileNotFound(SkillboxError):
    reason = "SKILL_FILE_NOT_FOUND"


class InvalidSkill(SkillboxError):
    """An archive is refused.

    Attributes:
        problems: Every problem found, one sentence each.
    """

    reason = "INVALID_SKILL"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class SkillTooLarge(SkillboxError):
    reason = "SKILL_TOO_LARGE"


class UnsupportedMediaType(SkillboxError):
    reason = "UNSUPPORTED_MEDIA_TYPE"


class SkillAlreadyExists(SkillboxError):
    reason = "SKILL_ALREADY_EXISTS"


class ExecutionNotFound(SkillboxError):
    reason = "EXECUTION_NOT_FOUND"


class CapacityExhausted(SkillboxError):
    """Every slot and queue place is taken.

    Attributes:
        retry_after: Seconds after which a new attempt makes sense.
    """

    reason = "CAPACITY_EXHAUSTED"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class IdempotencyKeyReused(SkillboxError):
    reason = "IDEMPOTENCY_KEY_REUSED"


class DependencyUnavailable(SkillboxError):
    """A part that is needed does not answer.

    Attributes:
        retry_after: Seconds after which a new attempt makes sense; `None` for who knows.
    """

    reason = "DEPENDENCY_UNAVAILABLE"

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PathNotFound(SkillboxError):
    reason = "PATH_NOT_FOUND"


class InternalError(SkillboxError):
    """A fault of ours, told without any detail."""

    reason = "INTERNAL"

    def __init__(self) -> None:
        super().__init__("internal error")
