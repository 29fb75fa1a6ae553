"""An object store in a folder, for a machine without an S3 server: what `make run` uses."""

import asyncio
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncIterable
from pathlib import Path
from typing import BinaryIO, Final, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec

from singr_config import ObjectStoreSettings
from singr_config.clock import clock
from singr_db._errors import ObjectNotFoundError, ObjectStoreAwayError, ObjectStoreError
from singr_db.objects._object_rules import check_key, check_link

_PRIVATE: Final = 0o600
_EXPIRES: Final = "X-Singr-Expires"
_SIGNATURE: Final = "X-Singr-Signature"


class StoredObject(msgspec.Struct, frozen=True):
    """An object as a link serves it."""

    content_type: str
    data: bytes


class _About(msgspec.Struct):
    """The first line of an object's file; the bytes follow."""

    key: str
    content_type: str


class _Writing:
    """A file that takes the place of another once it is whole."""

    def __init__(self, path: Path, about: _About) -> None:
        self._path, self._about = path, about
        self._scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(self._scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb")
        self.add(msgspec.json.encode(self._about) + b"\n")

    def add(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101 - begun
        self._file.write(data)

    def end(self) -> None:
        assert self._file is not None  # noqa: S101 - begun
        self._file.close()
        self._scratch.replace(self._path)

    def clear(self) -> None:
        """Leave nothing beside it, however it ended."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            self._scratch.unlink()


class FolderObjectStore:
    """Bytes under keys, each in a file of its own, readable by this user alone.

    Processes of this user that are given the same folder share the objects. It does what `ObjectStore` does; whoever
    serves `linked` at the endpoint makes its links work.

    Args:
        settings: with a folder; the endpoint is where links lead, the secret signs them.
    """

    def __init__(self, settings: ObjectStoreSettings) -> None:
        self._folder = Path(settings.folder) / settings.bucket
        self._endpoint = settings.endpoint
        self._bucket = settings.bucket
        self._secret = settings.secret_access_key.reveal().encode()

    async def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store `data` under `key`, in place of what was there, whole or not at all.

        Raises:
            ObjectStoreError: the folder cannot be written.
            ValueError: the key cannot be one.
        """
        check_key(key)
        await asyncio.to_thread(self._write, key, data, content_type)

    async def put_stream(
        self, key: str, chunks: AsyncIterable[bytes], content_type: str = "application/octet-stream"
    ) -> int:
        """Store what comes, in place of what was there: whole, once it has come to its end, or not at all.

        Returns:
            How many bytes it was.

        Raises:
            ObjectStoreError: the folder cannot be written.
            ValueError: the key cannot be one.
        """
        check_key(key)
        writing = _Writing(self._file(key), _About(key, content_type))
        size = 0
        try:
            await asyncio.to_thread(writing.begin)
            async for chunk in chunks:
                size += len(chunk)
                await asyncio.to_thread(writing.add, chunk)
            await asyncio.to_thread(writing.end)
        except OSError as error:
            raise _failed("put", error) from error
        finally:
            writing.clear()
        return size

    async def get(self, key: str) -> bytes:
        """Fetch what lies under `key`.

        Raises:
            ObjectNotFoundError: nothing does.
            ObjectStoreError: the folder cannot be read.
            ValueError: the key cannot be one.
        """
        check_key(key)
        return (await asyncio.to_thread(self._read, key)).data

    async def presign(self, key: str, expires_in: int) -> str:
        """Give an address from which anyone may fetch the object for `expires_in` seconds (1 to 604800).

        Raises:
            ValueError: the key or the time is out of range.
        """
        check_key(key)
        check_link(expires_in)
        until = str(int(clock.time()) + expires_in)
        path = f"/{self._bucket}/{quote(key)}"
        return f"{self._endpoint}{path}?{_EXPIRES}={until}&{_SIGNATURE}={self._signature(key, until)}"

    async def delete(self, key: str) -> None:
        """Remove what lies under `key`; nothing being there is no error.

        Raises:
            ObjectStoreError: the folder cannot be written.
            ValueError: the key cannot be one.
        """
        check_key(key)
        try:
            await asyncio.to_thread(self._file(key).unlink, missing_ok=True)
        except OSError as error:
            raise _failed("delete", error) from error

    async def linked(self, address: str) -> StoredObject | None:
        """What an address of `presign` stands for; None where it is altered or has expired.

        Args:
            address: the whole of it, or path and query.

        Raises:
            ObjectNotFoundError: the object is gone.
            ObjectStoreError: the folder cannot be read.
        """
        parts = urlsplit(address)
        query = parse_qs(parts.query)
        until, signature = query.get(_EXPIRES, [""])[0], query.get(_SIGNATURE, [""])[0]
        bucket, _, key = unquote(parts.path).removeprefix("/").partition("/")
        good = hmac.compare_digest(signature.encode(), self._signature(key, until).encode())
        if not good or bucket != self._bucket or int(until) < clock.time():
            return None
        return await asyncio.to_thread(self._read, key)

    async def close(self) -> None:
        """Do nothing: no file is held open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _signature(self, key: str, until: str) -> str:
        return hmac.digest(self._secret, f"{self._bucket}\n{until}\n{key}".encode(), "sha256").hex()

    def _file(self, key: str) -> Path:
        # A digest: no key leads out of the folder, is too long for a name, or meets another that differs by case.
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name

    def _write(self, key: str, data: bytes, content_type: str) -> None:
        writing = _Writing(self._file(key), _About(key, content_type))
        try:
            writing.begin()
            writing.add(data)
            writing.end()
        except OSError as error:
            raise _failed("put", error) from error
        finally:
            writing.clear()

    def _read(self, key: str) -> StoredObject:
        try:
            about, _, data = self._file(key).read_bytes().partition(b"\n")
            return StoredObject(msgspec.json.decode(about, type=_About).content_type, data)
        except FileNotFoundError:
            raise ObjectNotFoundError("there is no object under this key") from None
        except OSError as error:
            raise _failed("get", error) from error
        except msgspec.DecodeError as error:
            raise ObjectStoreError("the object store's file is not one that it wrote") from error


def _failed(doing: str, error: OSError) -> ObjectStoreError:
    return ObjectStoreAwayError(f"the object store's folder refused {doing}: {error.strerror}")
