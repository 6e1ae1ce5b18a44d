import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExecutionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTION_STATUS_UNSPECIFIED: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_QUEUED: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_RUNNING: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_SUCCESS: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_FAILED: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_TIMEOUT: _ClassVar[ExecutionStatus]
    EXECUTION_STATUS_CANCELLED: _ClassVar[ExecutionStatus]

class ExecutionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTION_REASON_UNSPECIFIED: _ClassVar[ExecutionReason]
    EXECUTION_REASON_EXIT_CODE: _ClassVar[ExecutionReason]
    EXECUTION_REASON_SIGNAL: _ClassVar[ExecutionReason]
    EXECUTION_REASON_TIME_LIMIT: _ClassVar[ExecutionReason]
    EXECUTION_REASON_OUT_OF_MEMORY: _ClassVar[ExecutionReason]
    EXECUTION_REASON_OUTPUT_LIMIT: _ClassVar[ExecutionReason]
    EXECUTION_REASON_ARTIFACT_LIMIT: _ClassVar[ExecutionReason]
    EXECUTION_REASON_INVALID_OUTPUT: _ClassVar[ExecutionReason]
    EXECUTION_REASON_INVALID_INPUT: _ClassVar[ExecutionReason]
    EXECUTION_REASON_SKILL_NOT_LOADED: _ClassVar[ExecutionReason]
    EXECUTION_REASON_IMAGE_NOT_ALLOWED: _ClassVar[ExecutionReason]
    EXECUTION_REASON_IMAGE_MISSING: _ClassVar[ExecutionReason]
    EXECUTION_REASON_ENVIRONMENT_REFUSED: _ClassVar[ExecutionReason]
    EXECUTION_REASON_CANCELLED: _ClassVar[ExecutionReason]
    EXECUTION_REASON_ENGINE_LOST: _ClassVar[ExecutionReason]
    EXECUTION_REASON_RUNNER_FAULT: _ClassVar[ExecutionReason]
    EXECUTION_REASON_EXECUTOR_LOST: _ClassVar[ExecutionReason]
    EXECUTION_REASON_INTERNAL: _ClassVar[ExecutionReason]
    EXECUTION_REASON_DEPENDENCY_FAILED: _ClassVar[ExecutionReason]
    EXECUTION_REASON_RUNTIME_NOT_ALLOWED: _ClassVar[ExecutionReason]
EXECUTION_STATUS_UNSPECIFIED: ExecutionStatus
EXECUTION_STATUS_QUEUED: ExecutionStatus
EXECUTION_STATUS_RUNNING: ExecutionStatus
EXECUTION_STATUS_SUCCESS: ExecutionStatus
EXECUTION_STATUS_FAILED: ExecutionStatus
EXECUTION_STATUS_TIMEOUT: ExecutionStatus
EXECUTION_STATUS_CANCELLED: ExecutionStatus
EXECUTION_REASON_UNSPECIFIED: ExecutionReason
EXECUTION_REASON_EXIT_CODE: ExecutionReason
EXECUTION_REASON_SIGNAL: ExecutionReason
EXECUTION_REASON_TIME_LIMIT: ExecutionReason
EXECUTION_REASON_OUT_OF_MEMORY: ExecutionReason
EXECUTION_REASON_OUTPUT_LIMIT: ExecutionReason
EXECUTION_REASON_ARTIFACT_LIMIT: ExecutionReason
EXECUTION_REASON_INVALID_OUTPUT: ExecutionReason
EXECUTION_REASON_INVALID_INPUT: ExecutionReason
EXECUTION_REASON_SKILL_NOT_LOADED: ExecutionReason
EXECUTION_REASON_IMAGE_NOT_ALLOWED: ExecutionReason
EXECUTION_REASON_IMAGE_MISSING: ExecutionReason
EXECUTION_REASON_ENVIRONMENT_REFUSED: ExecutionReason
EXECUTION_REASON_CANCELLED: ExecutionReason
EXECUTION_REASON_ENGINE_LOST: ExecutionReason
EXECUTION_REASON_RUNNER_FAULT: ExecutionReason
EXECUTION_REASON_EXECUTOR_LOST: ExecutionReason
EXECUTION_REASON_INTERNAL: ExecutionReason
EXECUTION_REASON_DEPENDENCY_FAILED: ExecutionReason
EXECUTION_REASON_RUNTIME_NOT_ALLOWED: ExecutionReason

class Control(_message.Message):
    __slots__ = ("name", "value", "applied")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    applied: bool
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., applied: _Optional[bool] = ...) -> None: ...

class Sandbox(_message.Message):
    __slots__ = ("driver", "runtime", "image", "image_digest", "id", "start", "controls")
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    CONTROLS_FIELD_NUMBER: _ClassVar[int]
    driver: str
    runtime: str
    image: str
    image_digest: str
    id: str
    start: str
    controls: _containers.RepeatedCompositeFieldContainer[Control]
    def __init__(self, driver: _Optional[str] = ..., runtime: _Optional[str] = ..., image: _Optional[str] = ..., image_digest: _Optional[str] = ..., id: _Optional[str] = ..., start: _Optional[str] = ..., controls: _Optional[_Iterable[_Union[Control, _Mapping]]] = ...) -> None: ...

class Execution(_message.Message):
    __slots__ = ("id", "tenant_id", "skill_name", "skill_version", "status", "reason", "error", "input", "input_json", "output", "output_json", "files_url", "files_list", "logs", "exit_code", "duration_ms", "created_at", "started_at", "finished_at", "sandbox", "queue_position")
    ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SKILL_NAME_FIELD_NUMBER: _ClassVar[int]
    SKILL_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    FILES_URL_FIELD_NUMBER: _ClassVar[int]
    FILES_LIST_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    id: str
    tenant_id: str
    skill_name: str
    skill_version: str
    status: ExecutionStatus
    reason: ExecutionReason
    error: str
    input: _struct_pb2.Value
    input_json: str
    output: _struct_pb2.Value
    output_json: str
    files_url: str
    files_list: _containers.RepeatedScalarFieldContainer[str]
    logs: str
    exit_code: int
    duration_ms: int
    created_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    sandbox: Sandbox
    queue_position: int
    def __init__(self, id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., skill_name: _Optional[str] = ..., skill_version: _Optional[str] = ..., status: _Optional[_Union[ExecutionStatus, str]] = ..., reason: _Optional[_Union[ExecutionReason, str]] = ..., error: _Optional[str] = ..., input: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., input_json: _Optional[str] = ..., output: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., output_json: _Optional[str] = ..., files_url: _Optional[str] = ..., files_list: _Optional[_Iterable[str]] = ..., logs: _Optional[str] = ..., exit_code: _Optional[int] = ..., duration_ms: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sandbox: _Optional[_Union[Sandbox, _Mapping]] = ..., queue_position: _Optional[int] = ...) -> None: ...
