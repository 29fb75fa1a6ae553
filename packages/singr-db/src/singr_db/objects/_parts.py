"""An object that comes bit by bit, as S3 takes it: at once where it is small, else in parts."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Final

from singr_db.objects._answers import tag_of, upload_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# S3 takes 10,000 parts, each but the last of 5 MiB or more.
PART_BYTES: Final = 8 * 1024 * 1024


async def parts_of(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts of one size; the last is what is left, and may be empty."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    yield bytes(held)


class Upload:
    """One object on its way; its calls block, and follow one another.

    Args:
        client: of the store.
        bucket: where the object is to lie.
        key: under which key.
        content_type: what it is.
    """

    def __init__(self, client: "S3Client", bucket: str, key: str, content_type: str) -> None:
        self._client, self._bucket, self._key, self._type = client, bucket, key, content_type
        self._id: str | None = None
        self._done: list[CompletedPartTypeDef] = []
        self._held: bytes | None = None
        self.size = 0

    def add(self, part: bytes) -> None:
        """Take a part; the one before it leaves."""
        if self._held is not None:
            self._send(self._held)
        self._held = part
        self.size += len(part)

    def end(self) -> None:
        """Store it: from now on it is there."""
        last = self._held or b""
        if self._id is None:
            tag_of(self._client.put_object(Bucket=self._bucket, Key=self._key, Body=last, ContentType=self._type))
            return
        if last:
            self._send(last)
        done = self._client.complete_multipart_upload(
            Bucket=self._bucket, Key=self._key, UploadId=self._id, MultipartUpload={"Parts": self._done}
        )
        tag_of(done)
        self._id = None

    def abort(self) -> None:
        """Leave nothing of it in the store."""
        if self._id is not None:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._id)

    def _send(self, part: bytes) -> None:
        if self._id is None:
            begun = self._client.create_multipart_upload(Bucket=self._bucket, Key=self._key, ContentType=self._type)
            self._id = upload_of(begun)
        number = len(self._done) + 1
        answer = self._client.upload_part(
            Bucket=self._bucket, Key=self._key, UploadId=self._id, PartNumber=number, Body=part
        )
        self._done.append({"PartNumber": number, "ETag": tag_of(answer)})
