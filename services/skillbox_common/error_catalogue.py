"""The one table that says how each error looks over gRPC and over REST."""

from dataclasses import dataclass

import grpc


@dataclass(frozen=True)
class WireError:
    """How one `ErrorReason` reaches a caller.

    Attributes:
        grpc_code: Status of the RPC.
        http_status: Status of the REST reply.
        rest_code: `error` in the REST body.
    """

    grpc_code: grpc.StatusCode
    http_status: int
    rest_code: str


DOMAIN = "skillbox"

CATALOGUE: dict[str, WireError] = {
    "INVALID_ARGUMENT": WireError(grpc.StatusCode.INVALID_ARGUMENT, 400, "bad_request"),
    "UNAUTHENTICATED": WireError(grpc.StatusCode.UNAUTHENTICATED, 401, "unauthorized"),
    "TENANT_MISMATCH": WireError(grpc.StatusCode.PERMISSION_DENIED, 403, "forbidden"),
    "SCOPE_MISSING": WireError(grpc.StatusCode.PERMISSION_DENIED, 403, "forbidden"),
    "API_KEY_NOT_FOUND": WireError(grpc.StatusCode.NOT_FOUND, 404, "not_found"),
    "SKILL_NOT_FOUND": WireError(grpc.StatusCode.NOT_FOUND, 404, "not_found"),
    "INVALID_SKILL": WireError(grpc.StatusCode.INVALID_ARGUMENT, 400, "invalid_skill"),
    "SKILL_TOO_LARGE": WireError(grpc.StatusCode.OUT_OF_RANGE, 413, "too_large"),
    "UNSUPPORTED_MEDIA_TYPE": WireError(
        grpc.StatusCode.INVALID_ARGUMENT, 415, "unsupported_media_type"
    ),
    "SKILL_ALREADY_EXISTS": WireError(grpc.StatusCode.ALREADY_EXISTS, 409, "already_exists"),
    "EXECUTION_NOT_FOUND": WireError(grpc.StatusCode.NOT_FOUND, 404, "not_found"),
    "CAPACITY_EXHAUSTED": WireError(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "resource_exhausted"),
    "DEPENDENCY_UNAVAILABLE": WireError(grpc.StatusCode.UNAVAILABLE, 503, "service_unavailable"),
    "INTERNAL": WireError(grpc.StatusCode.INTERNAL, 500, "internal_error"),
    "SKILL_FILE_NOT_FOUND": WireError(grpc.StatusCode.NOT_FOUND, 404, "not_found"),
    "IDEMPOTENCY_KEY_REUSED": WireError(
        grpc.StatusCode.FAILED_PRECONDITION, 422, "idempotency_key_reused"
    ),
    "PATH_NOT_FOUND": WireError(grpc.StatusCode.NOT_FOUND, 404, "not_found"),
}
