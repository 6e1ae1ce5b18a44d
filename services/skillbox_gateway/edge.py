"""The HTTP side of Envoy: what it accepts, where it sends it and the filters on the way."""

import base64
from typing import Any

from skillbox_gateway.config import KIB, MIB, GatewaySettings
from skillbox_gateway.local_replies import local_reply_config
from skillbox_gateway.surface import (
    INFRASTRUCTURE,
    RawBinding,
    descriptor_set,
    lua_source,
    openapi,
    public_services,
    raw_bindings,
)
from skillbox_gateway.typed import Json, extension, header, typed

_BUFFER = "filters.http.buffer"
_LUA = "filters.http.lua"
_TRANSCODER = "filters.http.grpc_json_transcoder"
# The transcoder parses JSON piece by piece, at a cost that grows with the square of its size and
# before a service has seen a key. The messages that are typed are small.
_TYPED_BODY = 256 * KIB

_ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def connection_manager(settings: GatewaySettings) -> Json:
    return extension(
        "filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="api",
        codec_type="AUTO",
        # Whose request it is.
        use_remote_address=True,
        xff_num_trusted_hops=settings.trusted_proxies,
        preserve_external_request_id=True,
        always_set_request_id_in_response=True,
        **({"tracing": _tracing()} if settings.otlp_address else {}),
        # What is no clean request.
        early_header_mutation_extensions=[_strip_internal_headers()],
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        max_request_headers_kb=settings.max_header_size,
        common_http_protocol_options={
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
            "idle_timeout": "3600s",
        },
        http2_protocol_options={
            # A gRPC client has one connection for all the executions that it watches.
            "max_concurrent_streams": 1024,
            "initial_stream_window_size": MIB,
            "initial_connection_window_size": 4 * MIB,
        },
        request_headers_timeout="10s",
        # Each route says how long a stream may be silent.
        stream_idle_timeout="300s",
        # What goes out.
        server_header_transformation="PASS_THROUGH",
        local_reply_config=local_reply_config(),
        route_config=_routes(settings),
        http_filters=[
            *([_rate_limit(settings.rate_limit)] if settings.rate_limit else []),
            extension(
                _LUA,
                f"{_LUA}.v3.Lua",
                default_source_code={"inline_string": lua_source()},
            ),
            extension(_BUFFER, f"{_BUFFER}.v3.Buffer", max_request_bytes=_TYPED_BODY),
            _transcoder(settings),
            extension(
                "filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True
            ),
        ],
    )


def _tracing() -> Json:
    """Adds a span of Envoy's between the caller's and the service's."""
    return {
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": typed(
                "config.trace.v3.OpenTelemetryConfig",
                grpc_service={"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
                service_name="skillbox-gateway",
            ),
        },
        # The signatures of downloads stand in the query.
        "max_path_tag_length": 0,
    }


def _strip_internal_headers() -> Json:
    return extension(
        "http.early_header_mutation.header_mutation",
        "http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            {"remove": name}
            for name in (
                "x-envoy-original-method",
                "x-envoy-original-path",
                "x-http-code",
                "x-rest-error",
            )
        ],
    )


def _rate_limit(per_second: int) -> Json:
    bucket = {"max_tokens": 2 * per_second, "tokens_per_fill": per_second, "fill_interval": "1s"}
    return extension(
        "filters.http.local_ratelimit",
        "filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="rate_limit",
        filter_enabled=_ALWAYS,
        filter_enforced=_ALWAYS,
        # Of everybody together; that of one address comes first.
        token_bucket={"max_tokens": 4_000_000, "tokens_per_fill": 4_000_000, "fill_interval": "1s"},
        rate_limits=[{"actions": [{"remote_address": {}}]}],
        descriptors=[{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
        max_dynamic_descriptors=10_000,
        rate_limited_as_resource_exhausted=True,
        response_headers_to_add=[header("retry-after", "1")],
    )


def _transcoder(settings: GatewaySettings) -> Json:
    return extension(
        _TRANSCODER,
        f"{_TRANSCODER}.v3.GrpcJsonTranscoder",
        proto_descriptor_bin=base64.b64encode(descriptor_set()).decode(),
        services=list(public_services()),
        print_options={"preserve_proto_field_names": True},
        # The default leaves more as it is in a path of several parts, such as "(" and "&".
        url_unescape_spec="ALL_CHARACTERS_EXCEPT_SLASH",
        request_validation_options={
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        max_request_body_size=settings.max_json_size,
        max_response_body_size=settings.max_reply_size,
    )


def _routes(settings: GatewaySettings) -> Json:
    targets = {**public_services(), **INFRASTRUCTURE}
    return {
        "name": "api",
        # Of what `_static` says.
        "max_direct_response_body_size_bytes": MIB,
        "virtual_hosts": [
            {
                "name": "api",
                "domains": ["*"],
                # Download URLs are signed for the address that the caller knows.
                "request_headers_to_add": [header("x-forwarded-host", "%REQ(:authority)%")],
                "routes": [
                    _static("/health", '{"status":"ok"}'),
                    _static("/openapi.json", openapi()),
                    *([_files(settings.s3_bucket_executions)] if settings.files_address else []),
                    *(_raw(binding, settings.max_json_size) for binding in raw_bindings()),
                    *(_service(name, cluster) for name, cluster in targets.items()),
                ],
            }
        ],
    }


def _static(path: str, json: str) -> Json:
    return {
        "match": _match("GET", path=path),
        "direct_response": {"status": 200, "body": {"inline_string": json}},
        "response_headers_to_add": [header("content-type", "application/json")],
        "typed_per_filter_config": _off(_TRANSCODER),
    }


def _files(bucket: str) -> Json:
    """Passes presigned downloads to the S3 server as they are; it checks the signature."""
    return {
        "match": {
            **_match("GET", prefix=f"/{bucket}/"),
            "query_parameters": [{"name": "X-Amz-Signature", "present_match": True}],
        },
        "route": {"cluster": "files", "timeout": "0s", "idle_timeout": "300s"},
        "typed_per_filter_config": _off(_TRANSCODER, _LUA, _BUFFER),
    }


def _raw(binding: RawBinding, limit: int) -> Json:
    """Says how much body to take; the transcoder then makes the request one of `_service`."""
    buffered = _body(buffer={"max_request_bytes": limit})
    return {
        "match": _match(binding.method, path=binding.path),
        "direct_response": {"status": 404},
        "typed_per_filter_config": _body(disabled=True) if binding.streamed else buffered,
    }


def _service(service: str, cluster: str) -> Json:
    return {
        # The transcoder makes a POST of everything, as gRPC is.
        "match": _match("POST", prefix=f"/{service}/"),
        "route": {
            "cluster": cluster,
            # A run and a stream last as long as they last; silence is what ends them.
            "timeout": "0s",
            "idle_timeout": "3600s" if cluster == "executor" else "300s",
            # Only what no service has seen yet, and then by another replica.
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream",
                "num_retries": 2,
                "retry_host_predicate": [
                    extension(
                        "retry_host_predicates.previous_hosts",
                        "retry.host.previous_hosts.v3.PreviousHostsPredicate",
                    )
                ],
                "host_selection_retry_max_attempts": 5,
            },
        },
        "typed_per_filter_config": _body(disabled=True),
    }


def _match(method: str, **path: str) -> Json:
    return {**path, "headers": [{"name": ":method", "string_match": {"exact": method}}]}


def _body(**fields: Any) -> Json:
    return {f"envoy.{_BUFFER}": typed(f"extensions.{_BUFFER}.v3.BufferPerRoute", **fields)}


def _off(*filters: str) -> Json:
    """Leaves filters out on a route."""
    disabled = typed("config.route.v3.FilterConfig", disabled=True)
    return {f"envoy.{name}": disabled for name in filters}
