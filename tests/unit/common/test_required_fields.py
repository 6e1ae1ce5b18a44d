"""Required fields are found anywhere in a request, from the descriptor alone."""

import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from skillbox_common.errors import InvalidArgument
from skillbox_common.interceptors.required_fields import check_required

Field = descriptor_pb2.FieldDescriptorProto


def field(
    name: str, number: int, kind: int, *, required: bool = True, repeated: bool = False
) -> descriptor_pb2.FieldDescriptorProto:
    made = Field(
        name=name,
        number=number,
        type=Field.Type.ValueType(kind),
        label=Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL,
    )
    if kind == Field.TYPE_MESSAGE:
        made.type_name = ".test.required_fields.Inner"
    if required:
        behaviors = made.options.Extensions[field_behavior_pb2.field_behavior]
        behaviors.append(field_behavior_pb2.FieldBehavior.REQUIRED)
    return made


def outer_class() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(
        name="test/required_fields.proto",
        package="test.required_fields",
        syntax="proto3",
        dependency=["google/api/field_behavior.proto"],
    )
    file.message_type.add(name="Inner").field.append(field("id", 1, Field.TYPE_STRING))
    file.message_type.add(name="Outer").field.extend(
        [
            field("name", 1, Field.TYPE_STRING),
            field("tags", 2, Field.TYPE_STRING, repeated=True),
            field("inner", 3, Field.TYPE_MESSAGE),
            field("more", 4, Field.TYPE_MESSAGE, required=False, repeated=True),
            field("note", 5, Field.TYPE_STRING, required=False),
        ]
    )
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.required_fields.Outer"))


OUTER = outer_class()
INNER = {"id": "1"}


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"tags": ["a"], "inner": INNER}, "name"),
        ({"name": "", "tags": ["a"], "inner": INNER}, "name"),
        ({"name": "n", "inner": INNER}, "tags"),
        ({"name": "n", "tags": ["a"]}, "inner"),
        ({"name": "n", "tags": ["a"], "inner": {}}, "inner.id"),
        ({"name": "n", "tags": ["a"], "inner": INNER, "more": [INNER, {}]}, "more.id"),
    ],
)
def test_a_missing_field_is_named_by_its_path(fields: dict[str, object], missing: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_required(OUTER(**fields))
    assert raised.value.message == f"'{missing}' is required"


def test_a_complete_message_passes() -> None:
    check_required(OUTER(name="n", tags=["a"], inner=INNER, more=[INNER]))
