from collections.abc import AsyncIterator

import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from skillbox.auth.v1 import api_key_service_pb2
from skillbox_common.reflection import enable_reflection

SERVICE = api_key_service_pb2.DESCRIPTOR.services_by_name["ApiKeyService"].full_name


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    enable_reflection((SERVICE,), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


@pytest.mark.parametrize(
    ("symbol", "found"),
    [
        (SERVICE, True),
        (f"{SERVICE}.CreateApiKey", True),
        ("skillbox.auth.v1.ApiKey", True),
        (f"{SERVICE}.Nothing", False),
        ("nothing.at.all", False),
    ],
)
async def test_services_messages_and_methods_are_described(
    channel: grpc.aio.Channel, symbol: str, found: bool
) -> None:
    ask = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([ask]))
    replies = [reply async for reply in call]
    assert [reply.HasField("file_descriptor_response") for reply in replies] == [found]
