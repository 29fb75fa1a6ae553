"""What is particular to each kind of object store: S3's bucket and faults, the folder's files and links."""

import asyncio
import secrets
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from singr_config import ConfigurationError, ObjectStoreSettings, Secret, load_section
from singr_config.clock import clock
from singr_db import (
    FolderObjectStore,
    MissingExtraError,
    ObjectNotFoundError,
    ObjectStore,
    ObjectStoreAwayError,
    ObjectStoreError,
    open_object_store,
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def settings(endpoint: str, *, region: str = "us-east-1", folder: Path | str = "") -> ObjectStoreSettings:
    return ObjectStoreSettings(
        endpoint=endpoint,
        access_key_id="test",
        secret_access_key=Secret("test"),
        bucket=f"singr-{secrets.token_hex(6)}",
        region=region,
        folder=str(folder),
    )


@pytest.fixture
def folder(tmp_path: Path) -> FolderObjectStore:
    return FolderObjectStore(settings("http://localhost:8333", folder=tmp_path / "objects"))


async def test_bucket_is_made_once_by_many_at_once_in_any_region(server: str):
    wanted = settings(server, region="eu-central-1")
    async with ObjectStore(wanted) as one, ObjectStore(wanted) as other:
        await asyncio.gather(*(each.put(f"k{number}", b"x") for number in range(10) for each in (one, other)))
        assert await other.get("k9") == b"x"


async def test_store_that_is_away_is_an_error_of_ours():
    with socket.socket() as closed:  # bound, and not listening
        closed.bind(("127.0.0.1", 0))
        async with ObjectStore(settings(f"http://127.0.0.1:{closed.getsockname()[1]}")) as store:
            with pytest.raises(ObjectStoreAwayError, match="did not answer: EndpointConnectionError"):
                await store.put("key", b"x")


async def test_refusal_is_an_error_of_ours_that_names_the_reason(server: str):
    wanted = settings(server)
    async with ObjectStore(wanted) as store:
        await store.put("key", b"x")
        await store.delete("key")
        store._client.delete_bucket(Bucket=wanted.bucket)
        with pytest.raises(ObjectStoreAwayError, match="NoSuchBucket"):
            await store.put("key", b"x")


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"singr-db\[objects\]"):
        open_object_store(settings("http://127.0.0.1:1"))


def test_folder_needs_no_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert isinstance(open_object_store(settings("http://127.0.0.1:1", folder=tmp_path)), FolderObjectStore)


def test_no_store_that_is_configured_says_so():
    with pytest.raises(ObjectStoreError, match="S3_BUCKET"):
        open_object_store(ObjectStoreSettings())


def test_folder_in_production_is_refused(tmp_path: Path):
    environ = {
        "APP_ENV": "production",
        "S3_FOLDER": str(tmp_path),
        "S3_BUCKET": "singr",
        "S3_ACCESS_KEY_ID": "key",
        "S3_SECRET_ACCESS_KEY": "a-secret-of-some-length",
    }
    with pytest.raises(ConfigurationError, match="S3_FOLDER"):
        load_section(ObjectStoreSettings, environ, env_file=None)


def test_folder_is_readable_by_its_owner_alone(folder: FolderObjectStore, tmp_path: Path):
    asyncio.run(folder.put("key", b"x"))
    [path] = (entry for entry in tmp_path.rglob("*") if entry.is_file())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_folder_that_cannot_be_written_is_an_error_of_ours_and_leaves_nothing(tmp_path: Path):
    (tmp_path / "objects").write_text("a file")
    store = FolderObjectStore(settings("http://localhost:8333", folder=tmp_path / "objects"))
    with pytest.raises(ObjectStoreAwayError, match="folder refused put"):
        asyncio.run(store.put("key", b"x"))
    assert [path.name for path in tmp_path.rglob("*")] == ["objects"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/key?", "/other?"),
        ("/key?", "/%6bey/x?"),
        ("X-Singr-Expires=", "X-Singr-Expires=9"),
        ("X-Singr-Signature=", "X-Singr-Signature=0"),
        ("X-Singr-Signature=", "X-Singr-Nothing="),
        ("/singr-", "/else-"),
    ],
)
async def test_altered_link_of_a_folder_leads_nowhere(folder: FolderObjectStore, old: str, new: str):
    for key in ("key", "other"):
        await folder.put(key, key.encode())
    address = await folder.presign("key", 60)
    found = await folder.linked(address)
    assert found is not None
    assert found.data == b"key"
    assert old in address
    assert await folder.linked(address.replace(old, new)) is None


async def test_link_of_a_folder_ends_with_its_time_and_with_the_object(
    folder: FolderObjectStore,
):
    await folder.put("key", b"x")
    address = await folder.presign("key", 60)
    with clock.moved(lambda: 61 * 1_000_000_000):
        assert await folder.linked(address) is None
    await folder.delete("key")
    with pytest.raises(ObjectNotFoundError):
        await folder.linked(address)
