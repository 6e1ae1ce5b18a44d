from typing import cast

import grpc.aio
import pytest

from skillbox_common.errors import InvalidArgument
from skillbox_common.idempotency import idempotency_key


class Context:
    def __init__(self, *keys: str | bytes) -> None:
        self._keys = keys

    def invocation_metadata(self) -> list[tuple[str, str | bytes]]:
        return [("authorization", "x"), *(("idempotency-key", key) for key in self._keys)]


def read(*keys: str | bytes) -> str:
    return idempotency_key(cast("grpc.aio.ServicerContext[object, object]", Context(*keys)))


@pytest.mark.parametrize("key", ["a", "order 17/~!", "x" * 255])
def test_a_key_is_printable_text(key: str) -> None:
    assert read(key) == key


def test_nothing_is_no_key() -> None:
    assert read() == ""


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "line\n", "\x7f", "ä", b"\xff"])
def test_what_is_no_key(key: str | bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"^idempotency-key: "):
        read(key)


def test_several_keys_are_none() -> None:
    with pytest.raises(InvalidArgument, match="one key"):
        read("a", "a")
