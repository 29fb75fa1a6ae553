"""The object store, against an S3 server that runs here."""

import asyncio
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from moto.server import ThreadedMotoServer

from singr_config import ObjectStoreSettings, Secret
from singr_db import MissingExtraError, ObjectNotFoundError, ObjectStore, ObjectStoreError


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def settings(endpoint: str, *, region: str = "us-east-1", bucket: str | None = None) -> ObjectStoreSettings:
    return ObjectStoreSettings(
        endpoint=endpoint,
        access_key_id="test",
        secret_access_key=Secret("test"),
        bucket=bucket or f"singr-{secrets.token_hex(6)}",
        region=region,
    )


@pytest.fixture
async def store(server: str) -> AsyncIterator[ObjectStore]:
    async with ObjectStore(settings(server)) as store:
        yield store


async def test_object_comes_back_as_it_was_put(store: ObjectStore):
    data = bytes(range(256)) * 100
    await store.put("exports/größe 1.bin", data, "application/x-test")
    assert await store.get("exports/größe 1.bin") == data


async def test_put_replaces_and_delete_removes(store: ObjectStore):
    await store.put("key", b"1", "text/plain")
    await store.put("key", b"2", "text/plain")
    assert await store.get("key") == b"2"
    await store.delete("key")
    await store.delete("key")
    with pytest.raises(ObjectNotFoundError):
        await store.get("key")


async def test_presigned_address_serves_the_object_to_anyone(store: ObjectStore):
    await store.put("report.csv", b"a,b", "text/csv")
    address = await store.presign("report.csv", expires_in=60)
    assert "X-Amz-Expires=60" in address
    async with httpx.AsyncClient() as client:
        answer = await client.get(address)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"a,b", "text/csv")


@pytest.mark.parametrize("expires_in", [0, -1, 604_801])
async def test_presigning_out_of_range_is_refused(expires_in: int, store: ObjectStore):
    with pytest.raises(ValueError, match="expires_in"):
        await store.presign("key", expires_in)


@pytest.mark.parametrize("key", ["", "k" * 1025, "ü" * 513])
async def test_impossible_key_is_refused(key: str, store: ObjectStore):
    for call in (store.put(key, b""), store.get(key), store.delete(key), store.presign(key, 60)):
        with pytest.raises(ValueError, match="key"):
            await call


async def test_bucket_is_made_once_by_many_at_once_in_any_region(server: str):
    wanted = settings(server, region="eu-central-1")
    async with ObjectStore(wanted) as one, ObjectStore(wanted) as other:
        await asyncio.gather(*(each.put(f"k{number}", b"x") for number in range(10) for each in (one, other)))
        assert await other.get("k9") == b"x"


async def test_bucket_that_is_there_keeps_its_objects(server: str):
    wanted = settings(server)
    async with ObjectStore(wanted) as first:
        await first.put("key", b"x")
    async with ObjectStore(wanted) as second:
        assert await second.get("key") == b"x"


async def test_event_loop_runs_on_while_the_store_is_slow(store: ObjectStore, monkeypatch: pytest.MonkeyPatch):
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await store.put("key", b"x" * 1_000_000)
    ticking.cancel()
    assert ticks > 10


async def test_store_that_is_away_is_an_error_of_ours():
    with socket.socket() as closed:  # bound, and not listening
        closed.bind(("127.0.0.1", 0))
        async with ObjectStore(settings(f"http://127.0.0.1:{closed.getsockname()[1]}")) as store:
            with pytest.raises(ObjectStoreError, match="did not answer"):
                await store.put("key", b"x")


async def test_refusal_is_an_error_of_ours_that_names_the_reason(server: str):
    wanted = settings(server)
    async with ObjectStore(wanted) as store:
        await store.put("key", b"x")
        await store.delete("key")
        store._client.delete_bucket(Bucket=wanted.bucket)
        with pytest.raises(ObjectStoreError, match="NoSuchBucket"):
            await store.put("key", b"x")


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"singr-db\[objects\]"):
        ObjectStore(settings("http://127.0.0.1:1"))
