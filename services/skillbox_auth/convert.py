"""Between the messages of `skillbox.auth.v1` and the domain."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from skillbox.auth.v1 import api_key_pb2
from skillbox.auth.v1.introspection_service_pb2 import IntrospectResponse
from skillbox_auth.api_key import ApiKey
from skillbox_common.errors import InvalidArgument
from skillbox_common.principal import Principal


def to_api_key(key: ApiKey) -> api_key_pb2.ApiKey:
    return api_key_pb2.ApiKey(
        id=str(key.id),
        tenant_id=key.tenant_id,
        name=key.name,
        scopes=key.scopes,
        prefix=key.prefix,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )


def to_introspect_response(principal: Principal | None) -> IntrospectResponse:
    if principal is None:
        return IntrospectResponse(active=False)
    return IntrospectResponse(
        active=True,
        key_id=principal.key_id,
        tenant_id=principal.tenant_id,
        scopes=sorted(principal.scopes),
        expires_at=principal.expires_at,
    )


def to_timedelta(field: str, duration: Duration) -> timedelta:
    """Reads a duration; the commands say which ones they take.

    Raises:
        InvalidArgument: The message holds no valid duration.
    """
    try:
        return duration.ToTimedelta()
    except (ValueError, OverflowError):
        shown = f"{duration.seconds}s"
        raise InvalidArgument.of(field, shown, "a duration of at most 10000 years") from None
