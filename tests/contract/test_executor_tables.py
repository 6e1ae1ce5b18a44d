"""Tables of the Executor that must equal the contract."""

import pytest
from google.protobuf.descriptor import EnumDescriptor, FileDescriptor

from skillbox.executor.v1 import (
    dependency_service_pb2,
    event_pb2,
    execution_pb2,
    execution_rest_pb2,
    execution_service_pb2,
    readiness_service_pb2,
)
from skillbox_executor.access import ACCESS
from skillbox_executor.domain import EventKind, Reason, Status

FILES: list[FileDescriptor] = [
    execution_service_pb2.DESCRIPTOR,
    execution_rest_pb2.DESCRIPTOR,
    readiness_service_pb2.DESCRIPTOR,
    dependency_service_pb2.DESCRIPTOR,
]


def names(enum: EnumDescriptor, prefix: str) -> set[str]:
    return {value.name.removeprefix(prefix) for value in enum.values} - {"UNSPECIFIED"}


def test_every_method_says_what_it_asks_of_its_caller() -> None:
    methods = {
        f"/{service.full_name}/{method.name}"
        for file in FILES
        for service in file.services_by_name.values()
        for method in service.methods
    }
    assert set(ACCESS) == methods


@pytest.mark.parametrize(
    ("enum", "ours"),
    [
        (execution_pb2.ExecutionStatus, Status),
        (execution_pb2.ExecutionReason, Reason),
    ],
)
def test_the_enums_of_domain_and_contract_are_the_same(
    enum: object, ours: type[Status] | type[Reason]
) -> None:
    descriptor: EnumDescriptor = enum.DESCRIPTOR  # type: ignore[attr-defined]
    prefix = "EXECUTION_" + ("STATUS_" if ours is Status else "REASON_")
    assert names(descriptor, prefix) == {member.name for member in ours}


def test_the_kinds_of_events_are_the_same() -> None:
    oneof = event_pb2.ExecutionEvent.DESCRIPTOR.oneofs_by_name["event"]
    assert {field.name for field in oneof.fields} == {kind.value for kind in EventKind}
