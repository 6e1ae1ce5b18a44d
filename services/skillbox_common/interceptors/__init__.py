"""The interceptors that every service runs, in an order that is written down once."""

from collections.abc import Mapping
from typing import Any

import grpc.aio

from skillbox_common.interceptors.authentication import Access, AuthenticationInterceptor
from skillbox_common.interceptors.errors import ErrorInterceptor
from skillbox_common.interceptors.request_context import RequestContextInterceptor
from skillbox_common.interceptors.required_fields import RequiredFieldsInterceptor
from skillbox_common.interceptors.telemetry import TelemetryInterceptor
from skillbox_common.introspection import Introspector


def build_chain(
    introspector: Introspector, access: Mapping[str, Access]
) -> "list[grpc.aio.ServerInterceptor[Any, Any]]":
    """Returns the chain, outermost first."""
    return [
        # Outermost, so that it sees all of the time, and log lines name the trace.
        TelemetryInterceptor(),
        # Everything below it logs with the request's id.
        RequestContextInterceptor(),
        # Whatever fails below it reaches the caller as a catalogued error and nothing else.
        ErrorInterceptor(),
        # Before any look at the request: who has no key learns nothing about its validity.
        AuthenticationInterceptor(introspector, access),
        # Last, so that handlers see complete requests of known callers.
        RequiredFieldsInterceptor(),
    ]
