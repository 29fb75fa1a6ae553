"""The object store: S3 and what speaks its protocol, through boto3 in a few threads of its own."""

import asyncio
from collections.abc import AsyncIterable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Self, TypeVar

from singr_config import ObjectStoreSettings
from singr_db._errors import MissingExtraError, ObjectNotFoundError, ObjectStoreAwayError, ObjectStoreError
from singr_db._s3_outages import OTHER_REGION, is_outage_of_s3, s3_advice, s3_code
from singr_db.objects._answers import FOREIGN, refuse_pages, tag_of
from singr_db.objects._folder_objects import FolderObjectStore
from singr_db.objects._object_rules import check_key, check_link
from singr_db.objects._parts import Upload, parts_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType

R = TypeVar("R")
_THREADS = 8
_HOME_REGION = "us-east-1"
_OF_ONE_OBJECT = frozenset({"GetObject", "DeleteObject"})


def open_object_store(settings: ObjectStoreSettings) -> "ObjectStore | FolderObjectStore":
    """The object store that the settings name; close it after use, or let `async with` do so.

    Raises:
        ObjectStoreError: they name none.
        MissingExtraError: boto3 is not installed, and no folder stands in for a server.
    """
    if not settings.configured:
        raise ObjectStoreError("no object store is configured: set S3_BUCKET and what belongs to it")
    return FolderObjectStore(settings) if settings.folder else ObjectStore(settings)


class ObjectStore:
    """Bytes under keys, in one bucket, which is made on first use where it is missing.

    Runs boto3 in 8 threads of its own, so that a slow store holds up nothing else in the process.

    Args:
        settings: where the store is; an empty endpoint means Amazon's.

    Raises:
        MissingExtraError: boto3 is not installed.
    """

    def __init__(self, settings: ObjectStoreSettings) -> None:
        self._bucket = settings.bucket
        self._region = settings.region
        self._client = _client(settings)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="singr-objects")
        self._bucket_ready = False
        self._preparing = asyncio.Lock()

    async def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store `data` under `key`, in place of what was there.

        Raises:
            ObjectStoreError: the store refused, or did not answer (`is_outage` tells whether it may be asked again).
            ValueError: the key cannot be one.
        """
        check_key(key)
        await self._prepare()
        await self._run(
            lambda: tag_of(self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type))
        )

    async def put_stream(
        self, key: str, chunks: AsyncIterable[bytes], content_type: str = "application/octet-stream"
    ) -> int:
        """Store what comes, in place of what was there: whole, once it has come to its end, or not at all.

        Holds 8 MiB of it at a time.

        Returns:
            How many bytes it was.

        Raises:
            ObjectStoreError: the store refused, or did not answer.
            ValueError: the key cannot be one.
        """
        check_key(key)
        await self._prepare()
        upload = Upload(self._client, self._bucket, key, content_type)
        try:
            async for part in parts_of(chunks):
                await self._run(lambda part=part: upload.add(part))  # type: ignore[misc] # bound at once
            await self._run(upload.end)
        except BaseException:
            with suppress(ObjectStoreError):
                await asyncio.shield(self._run(upload.abort))
            raise
        return upload.size

    async def get(self, key: str) -> bytes:
        """Fetch what lies under `key`.

        Raises:
            ObjectNotFoundError: nothing does.
            ObjectStoreError: the store refused, or did not answer.
        """
        check_key(key)
        await self._prepare()

        def fetch() -> bytes:
            found = self._client.get_object(Bucket=self._bucket, Key=key)
            with found["Body"] as body:
                if not found.get("ETag"):  # what it is may well be a page of ours
                    tag_of(found)
                return body.read()

        return await self._run(fetch)

    async def presign(self, key: str, expires_in: int) -> str:
        """Give an address from which anyone may fetch the object for `expires_in` seconds (1 to 604800).

        Raises:
            ValueError: the key or the time is out of range.
        """
        check_key(key)
        check_link(expires_in)
        await self._prepare()
        return await self._run(
            lambda: self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=expires_in
            )
        )

    async def delete(self, key: str) -> None:
        """Remove what lies under `key`; nothing being there is no error.

        Raises:
            ObjectStoreError: the store refused, or did not answer.
        """
        check_key(key)
        await self._prepare()
        await self._run(lambda: refuse_pages(self._client.delete_object(Bucket=self._bucket, Key=key)))

    async def close(self) -> None:
        """Let go of the connections and threads, once work in hand is done."""
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _prepare(self) -> None:
        async with self._preparing:
            if not self._bucket_ready:
                await self._run(self._make_bucket)
                self._bucket_ready = True

    def _make_bucket(self) -> None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status in {HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST}:
                # Keys that may use the bucket need not be allowed to look at it; and an answer to HEAD has no words:
                # what is wrong with region or name, the next request is told.
                return
            if status != HTTPStatus.NOT_FOUND:
                raise
        else:
            return
        try:
            if self._region == _HOME_REGION:
                self._client.create_bucket(Bucket=self._bucket)
            else:
                region: BucketLocationConstraintType = self._region  # type: ignore[assignment] # any region, newer ones too
                self._client.create_bucket(
                    Bucket=self._bucket, CreateBucketConfiguration={"LocationConstraint": region}
                )
        except ClientError as error:
            # Another process was faster.
            if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise

    async def _run(self, call: Callable[[], R]) -> R:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - an extra

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ClientError as error:
            code = s3_code(error)
            if code == "NoSuchKey" or (code == "404" and error.operation_name in _OF_ONE_OBJECT):
                raise ObjectNotFoundError("there is no object under this key") from None
            said = f"the object store refused {error.operation_name}: {code}{s3_advice(error)}"
            raise _kind(error)(said) from error
        except RecursionError:  # botocore follows a store that sends it on, and on
            raise ObjectStoreAwayError(f"the object store sends us from address to address: {OTHER_REGION}") from None
        except ResponseParserError as error:
            raise ObjectStoreAwayError(FOREIGN) from error
        except BotoCoreError as error:
            raise _kind(error)(f"the object store did not answer: {type(error).__name__}") from error


def _kind(error: Exception) -> type[ObjectStoreError]:
    # A store says which kind of 404 it means, but of one object.
    is_away = is_outage_of_s3(error) or s3_code(error) == "404"
    return ObjectStoreAwayError if is_away else ObjectStoreError


def _client(settings: ObjectStoreSettings) -> "S3Client":
    try:
        import boto3  # noqa: PLC0415 - an extra
        from botocore.config import Config  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("the object store needs boto3: pip install 'singr-db[objects]'") from None
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint or None,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.reveal(),
        config=Config(
            signature_version="s3v4",
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=_THREADS,
            # A store under its own address rarely has a name for each bucket.
            s3={"addressing_style": "path" if settings.endpoint else "auto"},
        ),
    )
