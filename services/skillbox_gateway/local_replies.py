"""Gives the replies that Envoy makes itself the shape of every other REST error."""

import json
from typing import Any

from skillbox_gateway.typed import Json

TEXT = "%LOCAL_REPLY_BODY%"
"""Envoy's own text: a parser's complaint, or what the Lua filter says."""


def local_reply_config() -> Json:
    """Returns the mappers; the first whose status fits counts. Calls over gRPC fit none."""
    return {
        "mappers": [
            _mapper("EQ", 400, "bad_request", TEXT),
            _mapper("EQ", 401, "unauthorized", TEXT),
            _mapper("EQ", 404, "not_found", "no such method and path"),
            _mapper("EQ", 413, "too_large", "the request body is too large"),
            _mapper("EQ", 429, "resource_exhausted", "too many requests"),
            _mapper("EQ", 431, "bad_request", "the request headers are too large"),
            # Of HTTP/1.1 framing that Envoy does not know, so the caller's fault.
            _mapper("EQ", 501, "bad_request", "unknown transfer encoding", status=400),
            _mapper("GE", 502, "service_unavailable", "the service is not available", status=503),
            _mapper("GE", 500, "internal_error", "internal error", status=500),
            _mapper("GE", 400, "bad_request", TEXT),
        ]
    }


def _mapper(
    operator: str, value: int, code: str, message: str, *, status: int | None = None
) -> Json:
    body = {"error": code, "message": message}
    body_format: dict[str, Any] = {"content_type": "application/json"}
    if message == TEXT:
        body_format["json_format"] = body
    else:
        # Unlike `json_format` it adds no newline.
        body_format["text_format_source"] = {
            "inline_string": json.dumps(body, separators=(",", ":"))
        }
    fits = {
        "status_code_filter": {
            "comparison": {
                "op": operator,
                "value": {"default_value": value, "runtime_key": "skillbox.never_set"},
            }
        }
    }
    return {
        "filter": {"and_filter": {"filters": [fits, _IS_REST]}},
        **({} if status is None else {"status_code": status}),
        "headers_to_add": [
            {
                # For the Lua filter, which removes it.
                "header": {"key": "x-local-reply", "value": "%RESPONSE_CODE_DETAILS%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "body_format_override": body_format,
    }


# Once transcoded a REST request looks like gRPC, but for the header that the transcoder adds.
_IS_REST: Json = {
    "or_filter": {
        "filters": [
            {
                "header_filter": {
                    "header": {
                        "name": "content-type",
                        "string_match": {"prefix": "application/grpc"},
                        "invert_match": True,
                        "treat_missing_header_as_empty": True,
                    }
                }
            },
            {
                "header_filter": {
                    "header": {"name": "x-envoy-original-method", "present_match": True}
                }
            },
        ]
    }
}
