"""Archives and artifacts in S3."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

import aioboto3
from aiobotocore.config import AioConfig
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from skillbox_common.caller import caller_endpoint
from skillbox_common.config import ObjectStoreSettings
from skillbox_common.errors import DependencyUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

CHUNK = 256 * 1024
_PUT_S = 15.0
_LEAST_BYTES_PER_S = 256 * 1024


class ObjectNotFound(Exception):
    """The bucket has no object with this key."""


class ObjectStore:
    """One bucket.

    Every method raises `DependencyUnavailable` when the store does not answer.
    """

    def __init__(self, client: "S3Client", signer: "_Signer", bucket: str) -> None:
        self._client = client
        self._signer = signer
        self.bucket = bucket

    async def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None:
        """Stores an object; an object with the same key is replaced."""
        # The client's own limits begin when all is sent. A store that is gone may take nothing.
        async with _translated(), asyncio.timeout(_PUT_S + _size(body) / _LEAST_BYTES_PER_S):
            await self._client.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType=content_type
            )

    async def get(self, key: str) -> bytes:
        """Returns a whole object.

        Raises:
            ObjectNotFound: There is none.
        """
        return b"".join([chunk async for chunk in self.stream(key)])

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yields an object in chunks of 256 KiB at most.

        Raises:
            ObjectNotFound: There is none.
        """
        async with _translated():
            reply = await self._client.get_object(Bucket=self.bucket, Key=key)
            body = reply["Body"]
            try:
                async for chunk in body.iter_chunks(CHUNK):
                    yield chunk
            finally:
                body.close()

    async def delete(self, key: str) -> None:
        """Removes an object; it need not exist."""
        async with _translated():
            await self._client.delete_object(Bucket=self.bucket, Key=key)

    def presigned_url(self, key: str, seconds: int) -> str:
        """Returns a URL that anybody who has it can GET for `seconds`."""
        return self._signer.url(self.bucket, key, seconds)

    async def ensure_bucket(self) -> None:
        """Creates the bucket when it is missing."""
        try:
            await self.check()
        except ObjectNotFound:
            async with _translated():
                await self._client.create_bucket(Bucket=self.bucket)

    async def check(self) -> None:
        """Asks for the bucket.

        Raises:
            ObjectNotFound: It does not exist.
        """
        async with _translated():
            await self._client.head_bucket(Bucket=self.bucket)


class _Signer:
    """Signs downloads for the address that the settings name."""

    def __init__(self, settings: ObjectStoreSettings) -> None:
        self._credentials = Credentials(
            settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value()
        )
        self._region = settings.s3_region
        public = settings.s3_public_endpoint
        self._as_called = public == "caller"
        self._endpoint = _url(
            settings, settings.s3_endpoint if self._as_called or not public else public
        )

    def url(self, bucket: str, key: str, seconds: int) -> str:
        endpoint = (caller_endpoint() if self._as_called else "") or self._endpoint
        request = AWSRequest("GET", f"{endpoint}/{bucket}/{quote(key)}")
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=seconds).add_auth(request)
        return str(request.url)


def _url(settings: ObjectStoreSettings, endpoint: str) -> str:
    scheme = "https" if settings.s3_use_ssl else "http"
    return (endpoint if "://" in endpoint else f"{scheme}://{endpoint}").rstrip("/")


@asynccontextmanager
async def connect(settings: ObjectStoreSettings, bucket: str) -> AsyncIterator[ObjectStore]:
    """Opens a client for one bucket. Nothing is sent before the first use."""
    session = aioboto3.Session()
    client: AbstractAsyncContextManager[S3Client] = session.client(
        "s3",
        endpoint_url=_url(settings, settings.s3_endpoint),
        aws_access_key_id=settings.s3_access_key.get_secret_value(),
        aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
        region_name=settings.s3_region,
        config=AioConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=3,
            read_timeout=15,
            retries={"max_attempts": 2},
            max_pool_connections=50,
            # S3-compatible stores do not all know the newer trailing checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    async with client as opened:
        yield ObjectStore(opened, _Signer(settings), bucket)


def _size(body: bytes | IO[bytes]) -> int:
    """Returns how many bytes are to be sent; a file is where it was."""
    if isinstance(body, bytes):
        return len(body)
    at = body.tell()
    end = body.seek(0, io.SEEK_END)
    body.seek(at)
    return end - at


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NoSuchBucket"):
            raise ObjectNotFound(str(error)) from error
        raise DependencyUnavailable("the object store refuses the request") from error
    except (BotoCoreError, OSError, TimeoutError) as error:
        raise DependencyUnavailable("the object store does not answer") from error
