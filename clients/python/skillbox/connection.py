"""A gRPC connection for asyncio. It repeats what the server refuses only for the moment."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import grpc.aio

from skillbox import wire
from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from skillbox.client import retry_delay
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub

if TYPE_CHECKING:
    from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceAsyncStub
    from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceAsyncStub
    from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceAsyncStub

_Request = TypeVar("_Request")
_Reply = TypeVar("_Reply")


class Connection:
    """A connection to one server, made by the first call for the event loop that runs then."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], timeout: float | None, max_retries: int
    ) -> None:
        """Connects to nothing yet.

        Args:
            headers: Go with every call.
            timeout: Seconds that a call may take which is no stream.
            max_retries: How often a call is repeated.
        """
        self._target, self._tls = wire.target(base_url)
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self.timeout = timeout
        self._max_retries = max_retries
        self._channel: grpc.aio.Channel | None = None

    @property
    def executions(self) -> "ExecutionServiceAsyncStub":
        return ExecutionServiceStub(self._connected())

    @property
    def skills(self) -> "SkillServiceAsyncStub":
        return SkillServiceStub(self._connected())

    @property
    def keys(self) -> "ApiKeyServiceAsyncStub":
        return ApiKeyServiceStub(self._connected())

    async def close(self) -> None:
        """Closes the connection, and so cancels what goes on. The next call opens it again."""
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close(None)

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[_Request, _Reply]",
        request: _Request,
        *,
        headers: Mapping[str, str] | None = None,
        safe: bool = True,
    ) -> _Reply:
        """Makes a call.

        Args:
            headers: Go with this call.
            safe: Whether it does no harm when the server gets the call twice.

        Raises:
            APIError: As over REST.
        """
        metadata = self._with(headers)
        return await self._repeat(
            lambda: method(request, timeout=self.timeout, metadata=metadata), safe=safe
        )

    async def upload(
        self,
        method: "grpc.aio.StreamUnaryMultiCallable[_Request, _Reply]",
        requests: Callable[[], AsyncIterator[_Request]],
        *,
        headers: Mapping[str, str],
    ) -> _Reply:
        """Makes a call of many messages that is safe to repeat.

        Args:
            requests: Gives the messages anew for each attempt.
            headers: Go with this call.

        Raises:
            APIError: As over REST.
        """
        metadata = self._with(headers)
        return await self._repeat(
            lambda: method(requests(), timeout=self.timeout, metadata=metadata), safe=True
        )

    async def stream(
        self,
        method: "grpc.aio.UnaryStreamMultiCallable[_Request, _Reply]",
        request: _Request,
        *,
        headers: Mapping[str, str] | None = None,
        safe: bool = True,
        timeout: float | None = None,
    ) -> AsyncGenerator[_Reply, None]:
        """Makes a call and yields its replies. Closing the generator cancels the call."""
        metadata = self._with(headers)
        attempt = 0
        begun = False
        while True:
            call = method(request, timeout=timeout, metadata=metadata)
            try:
                async for reply in call:
                    begun = True
                    yield reply
                return
            except grpc.aio.AioRpcError as error:
                if begun:
                    raise wire.api_error(error) from error
                delay = self._delay(error, attempt, safe=safe)
            finally:
                call.cancel()
            await asyncio.sleep(delay)
            attempt += 1

    async def pages(
        self, method: "grpc.aio.UnaryUnaryMultiCallable[_Request, _Reply]", request: _Request
    ) -> AsyncGenerator[_Reply, None]:
        """Yields every page of a list."""
        cursor: Any = request
        while True:
            page: Any = await self.call(method, request)
            yield page
            if not page.next_page_token:
                return
            cursor.page_token = page.next_page_token

    def _with(self, headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
        extra = ((name.lower(), value) for name, value in (headers or {}).items())
        return (*self._metadata, *extra)

    async def _repeat(self, call: Callable[[], Awaitable[_Reply]], *, safe: bool) -> _Reply:
        attempt = 0
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                delay = self._delay(error, attempt, safe=safe)
            await asyncio.sleep(delay)
            attempt += 1

    def _connected(self) -> grpc.aio.Channel:
        if self._channel is None:
            if self._tls:
                credentials = grpc.ssl_channel_credentials()
                self._channel = grpc.aio.secure_channel(
                    self._target, credentials, wire.CHANNEL_OPTIONS
                )
            else:
                self._channel = grpc.aio.insecure_channel(self._target, wire.CHANNEL_OPTIONS)
        return self._channel

    def _delay(self, error: grpc.aio.AioRpcError, attempt: int, *, safe: bool) -> float:
        """Returns for how many seconds to wait before a call is repeated.

        Raises:
            APIError: It is not to be repeated.
        """
        failure = wire.api_error(error)
        delay = retry_delay(failure, attempt, safe=safe)
        if delay is None or attempt >= self._max_retries:
            raise failure from error
        return delay
