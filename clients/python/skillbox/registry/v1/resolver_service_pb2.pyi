from google.api import field_behavior_pb2 as _field_behavior_pb2
from skillbox.registry.v1 import skill_pb2 as _skill_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResolveSkillRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class ResolveSkillResponse(_message.Message):
    __slots__ = ("skill", "archive_key", "root", "input_schema_json", "output_schema_json")
    SKILL_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_KEY_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    skill: _skill_pb2.Skill
    archive_key: str
    root: str
    input_schema_json: str
    output_schema_json: str
    def __init__(self, skill: _Optional[_Union[_skill_pb2.Skill, _Mapping]] = ..., archive_key: _Optional[str] = ..., root: _Optional[str] = ..., input_schema_json: _Optional[str] = ..., output_schema_json: _Optional[str] = ...) -> None: ...
