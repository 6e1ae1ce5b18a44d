"""A base for interceptors that do something around a handler, whatever its arity."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Unreadable:
    """Stands for a request whose bytes are no message."""


@dataclass(frozen=True)
class Call:
    """One RPC as interceptors see it.

    Attributes:
        method: Full name, `/package.Service/Method`.
        request: The request, or `None` when the client streams.
    """

    method: str
    context: grpc.aio.ServicerContext[Any, Any]
    request: Message | Unreadable | None

    def metadata(self, name: str) -> str | None:
        """Returns the first value of an ASCII metadata entry."""
        for key, value in self.context.invocation_metadata() or ():
            if key == name:
                return value if isinstance(value, str) else value.decode("latin-1")
        return None

    @contextmanager
    def observed(self, ended: Callable[[grpc.StatusCode, float], None]) -> Iterator[None]:
        """Calls `ended` with how the RPC ended and the seconds that it took."""
        started = time.perf_counter()
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            ended(self._code(failure), time.perf_counter() - started)

    def _code(self, error: BaseException | None) -> grpc.StatusCode:
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            return grpc.StatusCode.CANCELLED
        # grpc.aio holds the number, or nothing as long as no code was set.
        code = self.context.code()
        return code if isinstance(code, grpc.StatusCode) else _CODES[code or 0]


class AroundInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Runs `around(call)` as a context manager around each handler.

    Servicers are written with `async def` and `yield`; the wrapped handlers stay real
    coroutines and async generators, so that cancellation and back-pressure work.
    """

    def __init__(self) -> None:
        self._wrapped: dict[str, Any] = {}

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        raise NotImplementedError

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        # A server asks for each call, and has few methods.
        if method not in self._wrapped:
            self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: Any) -> Any:
        inner = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )

        deserialize = handler.request_deserializer
        if not handler.request_streaming:
            deserialize = _tolerant(deserialize)

        async def reply(request: Any, context: Any) -> Any:
            call = Call(method, context, None if handler.request_streaming else request)
            async with self.around(call):
                return await inner(request, context)

        async def replies(request: Any, context: Any) -> AsyncIterator[Any]:
            call = Call(method, context, None if handler.request_streaming else request)
            async with self.around(call):
                stream = inner(request, context)
                if inspect.isawaitable(stream):
                    # It writes to the context itself, as the health service does.
                    await stream
                    return
                async for message in stream:
                    yield message

        make: Callable[..., Any]
        if handler.request_streaming:
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.response_streaming
                else grpc.stream_unary_rpc_method_handler
            )
        else:
            make = (
                grpc.unary_stream_rpc_method_handler
                if handler.response_streaming
                else grpc.unary_unary_rpc_method_handler
            )
        return make(
            replies if handler.response_streaming else reply,
            request_deserializer=deserialize,
            response_serializer=handler.response_serializer,
        )


def _tolerant(deserialize: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Leaves it to an interceptor to refuse what is no message, once it knows the caller.

    gRPC itself would answer at once, to anybody and as if it were a fault of ours. The gateway
    makes such requests of paths that are not UTF-8.
    """

    def read(data: bytes) -> object:
        try:
            return deserialize(data)
        except DecodeError:
            return Unreadable()

    return read
