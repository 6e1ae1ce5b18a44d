"""Gives the replies that Envoy makes itself the shape of every other REST error."""

import json

from skillbox_gateway.typed import Json, header


def local_reply_config() -> Json:
    """Returns the mappers; the first that fits counts. Calls over gRPC fit none."""
    return {
        "mappers": [
            _from_filters(400, "bad_request", "%LOCAL_REPLY_BODY%"),
            _from_filters(413, "too_large", "the request body is too large"),
            _fixed("EQ", 404, "not_found", "no such method and path"),
            _fixed("EQ", 429, "resource_exhausted", "too many requests"),
            _fixed("EQ", 431, "bad_request", "the request headers are too large"),
            # Framing of HTTP/1.1 that Envoy does not know, so the caller's fault.
            _fixed("EQ", 501, "bad_request", "unknown transfer encoding", status=400),
            _fixed("GE", 502, "service_unavailable", "the service is not available", status=503),
            _fixed("GE", 500, "internal_error", "internal error", status=500),
            _fixed("GE", 400, "bad_request", "the request is not acceptable"),
        ]
    }


def _from_filters(status: int, code: str, message: str) -> Json:
    """Marks what a filter refused before a service saw the key; the Lua filter then finishes it."""
    return {
        "filter": _all(_status("EQ", status), _LUA_SAW_REST),
        "headers_to_add": [header("x-local-reply", "%RESPONSE_CODE_DETAILS%")],
        "body_format_override": {
            "json_format": {"error": code, "message": message},
            "content_type": "application/json",
        },
    }


def _fixed(
    operator: str, value: int, code: str, message: str, *, status: int | None = None
) -> Json:
    body = json.dumps({"error": code, "message": message}, separators=(",", ":"))
    return {
        "filter": _all(_status(operator, value), _IS_REST),
        **({} if status is None else {"status_code": status}),
        # Only what was no request keeps it; otherwise the request's own id takes its place.
        "headers_to_add": [header("x-request-id", "%UNIQUE_ID%")],
        "body_format_override": {
            "text_format_source": {"inline_string": body},
            "content_type": "application/json",
        },
    }


def _all(*filters: Json) -> Json:
    return {"and_filter": {"filters": list(filters)}}


def _status(operator: str, value: int) -> Json:
    # Envoy asks for the name of a runtime override; nobody sets this one.
    compared = {"default_value": value, "runtime_key": "skillbox.local_reply_status"}
    return {"status_code_filter": {"comparison": {"op": operator, "value": compared}}}


_IS_NO_GRPC: Json = {
    "header_filter": {
        "header": {
            "name": "content-type",
            # What the transcoder and Envoy itself take for gRPC; gRPC-Web is REST to them.
            "string_match": {"safe_regex": {"regex": r"application/grpc(\+.*)?"}},
            "invert_match": True,
            "treat_missing_header_as_empty": True,
        }
    }
}
# Once transcoded a REST request looks like gRPC, but for the header that the transcoder adds.
_IS_TRANSCODED: Json = {
    "header_filter": {"header": {"name": "x-envoy-original-method", "present_match": True}}
}
_IS_REST: Json = {"or_filter": {"filters": [_IS_NO_GRPC, _IS_TRANSCODED]}}

# The Lua filter's own mark. What is refused before the filters never has it.
_LUA_SAW_REST: Json = {
    "metadata_filter": {
        "matcher": {
            "filter": "skillbox",
            "path": [{"key": "rest"}],
            "value": {"bool_match": True},
        },
        "match_if_key_not_found": False,
    }
}
