from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetReadinessRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetReadinessResponse(_message.Message):
    __slots__ = ("status", "checks")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    status: str
    checks: Checks
    def __init__(self, status: _Optional[str] = ..., checks: _Optional[_Union[Checks, _Mapping]] = ...) -> None: ...

class Checks(_message.Message):
    __slots__ = ("postgres", "s3", "sandbox", "auth", "registry")
    POSTGRES_FIELD_NUMBER: _ClassVar[int]
    S3_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    postgres: str
    s3: str
    sandbox: str
    auth: str
    registry: str
    def __init__(self, postgres: _Optional[str] = ..., s3: _Optional[str] = ..., sandbox: _Optional[str] = ..., auth: _Optional[str] = ..., registry: _Optional[str] = ...) -> None: ...
