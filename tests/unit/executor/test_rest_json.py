from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from skillbox_common.errors import InvalidArgument
from skillbox_executor import rest_json
from skillbox_executor.commands.queries import Record
from skillbox_executor.domain import Event, EventKind, Execution, Status

NOW = datetime(2026, 1, 2, 3, 4, 5, 600_000, UTC)


def execution(**fields: Any) -> Execution:
    base: dict[str, Any] = {
        "id": "e",
        "tenant_id": "t",
        "skill_name": "s",
        "skill_version": "1.0.0",
        "status": Status.QUEUED,
        "created_at": NOW,
    }
    return Execution(**{**base, **fields})


def encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def test_a_result_without_anything_has_the_four_fields() -> None:
    record = Record(execution(status=Status.SUCCESS, duration_ms=7), "", b"")
    assert encoded(rest_json.run_result(record)) == (
        '{"execution_id":"e","status":"success","duration_ms":7,"error":null}'
    )


def test_output_passes_through_untouched() -> None:
    output = '{"z":12345678901234567890,"a":1.50,"s":"\\u00e9"}'
    record = Record(
        execution(status=Status.SUCCESS, output_json=output, files=["f"]), "http://u", b"\xffhi"
    )
    text = encoded(rest_json.run_result(record))
    assert f'"output":{output},' in text
    assert '"files_url":"http://u","files_list":["f"],"logs":"�hi"' in text


def test_a_record_works_while_queued() -> None:
    text = encoded(rest_json.execution_record(Record(execution(), "", b"")))
    assert text == (
        '{"execution_id":"e","status":"queued","duration_ms":0,"error":null,"skill_name":"s",'
        '"skill_version":"1.0.0","tenant_id":"t","input":{},"created_at":"2026-01-02T03:04:05.600000Z"}'
    )


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"skill":"s"}', "{}"),
        (b'{"skill":"s","input":null}', "{}"),
        (b'{"skill":"s","input": {"b" : 1e5, "a":2 }, "unknown": [1]}', '{"b":1e5,"a":2}'),
        (b'{"skill":"s","input":"text"}', '"text"'),
        (b'{"skill":"s","input":[ ]}', "[]"),
    ],
)
def test_the_input_reaches_the_skill_as_sent(body: bytes, sent: str) -> None:
    assert rest_json.run_request(body).input_json == sent


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"{", b"[]", b"1", b'{"skill":1}', b'{"skill":"s","env":{"A":1}}', b'"\xff"',
     b'{"skill":"s","args":"x"}', b'{"skill":"s","input":' + b"[" * 50_000],
)  # fmt: skip
def test_a_bad_body_says_so(body: bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"^invalid JSON body: "):
        rest_json.run_request(body)


def test_server_sent_events_carry_their_number() -> None:
    event = Event(3, NOW, EventKind.LOG, "stdout", b"two\nlines")
    assert rest_json.server_sent_event(event).data == (
        b'id: 3\nevent: log\ndata: {"time":"2026-01-02T03:04:05.600000Z","stream":"stdout",'
        b'"data":"two\\nlines"}\n\n'
    )


@pytest.mark.parametrize(("header", "expected"), [(None, 5), ("", 5), ("9", 9)])
def test_last_event_id_overrides_the_parameter(header: str | None, expected: int) -> None:
    assert rest_json.event_id(header, 5) == expected


@pytest.mark.parametrize("header", ["x", "-1", "1.5", "9" * 30])
def test_a_bad_last_event_id_is_refused(header: str) -> None:
    with pytest.raises(InvalidArgument, match="Last-Event-ID"):
        rest_json.event_id(header, 0)


def test_an_unknown_status_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match="one of queued, running, success"):
        rest_json.status_filter("done")
