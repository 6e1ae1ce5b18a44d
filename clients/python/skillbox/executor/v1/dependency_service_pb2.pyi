from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class PrepareDependenciesRequest(_message.Message):
    __slots__ = ("archive_key", "root", "lang", "image")
    ARCHIVE_KEY_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    LANG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    archive_key: str
    root: str
    lang: str
    image: str
    def __init__(self, archive_key: _Optional[str] = ..., root: _Optional[str] = ..., lang: _Optional[str] = ..., image: _Optional[str] = ...) -> None: ...

class PrepareDependenciesResponse(_message.Message):
    __slots__ = ("status", "error")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    status: str
    error: str
    def __init__(self, status: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...
