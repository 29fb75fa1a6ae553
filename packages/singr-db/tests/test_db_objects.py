"""The object store: one suite over an S3 server that runs here and over a folder."""

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from moto.server import ThreadedMotoServer

from singr_config import ObjectStoreSettings, Secret
from singr_db import FolderObjectStore, ObjectNotFoundError, ObjectStore, SharedObjectStore, open_object_store
from singr_db.objects._parts import PART_BYTES
from singr_dev._serving import listen
from singr_dev.objects import application, serving

Store = ObjectStore | FolderObjectStore


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def settings(endpoint: str, folder: Path | str = "") -> ObjectStoreSettings:
    return ObjectStoreSettings(
        endpoint=endpoint,
        access_key_id="test",
        secret_access_key=Secret("test"),
        bucket=f"singr-{secrets.token_hex(6)}",
        folder=str(folder),
    )


@pytest.fixture
def wanted_s3(server: str) -> ObjectStoreSettings:
    return settings(server)


@pytest.fixture
def wanted_folder(tmp_path: Path) -> Iterator[ObjectStoreSettings]:
    listener = listen()
    wanted = settings(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path / "objects")
    with serving(application(FolderObjectStore(wanted)), listener=listener):
        yield wanted


@pytest.fixture(params=["s3", "folder"])
def wanted(request: pytest.FixtureRequest) -> ObjectStoreSettings:
    found: ObjectStoreSettings = request.getfixturevalue(f"wanted_{request.param}")
    return found


@pytest.fixture
async def store(wanted: ObjectStoreSettings) -> AsyncIterator[Store]:
    async with open_object_store(wanted) as store:
        yield store


async def fetch(address: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(address)


@pytest.mark.parametrize(
    "key", ["exports/größe 1.bin", "a", "k" * 1024, "a/b/c", "A&b=c?d#e%2Ff+g", ".hidden", "a/..b"]
)
async def test_object_comes_back_as_it_was_put(store: Store, key: str):
    data = bytes(range(256)) * 100
    await store.put(key, data, "application/x-test")
    assert await store.get(key) == data
    assert (await fetch(await store.presign(key, 60))).content == data


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n{}", b"{}\n"])
async def test_bytes_are_kept_to_the_last(store: Store, data: bytes):
    await store.put("key", data)
    assert await store.get("key") == data


async def test_put_replaces_and_delete_removes(store: Store):
    await store.put("key", b"1", "text/plain")
    await store.put("key", b"2", "text/plain")
    assert await store.get("key") == b"2"
    await store.delete("key")
    await store.delete("key")
    with pytest.raises(ObjectNotFoundError):
        await store.get("key")


async def test_key_may_begin_as_another_does_and_differ_by_case(store: Store):
    for key in ("a", "A", "a/b", "a/B"):
        await store.put(key, key.encode())
    for key in ("a", "A", "a/b", "a/B"):
        assert await store.get(key) == key.encode()


async def test_presigned_address_serves_the_object_to_anyone(store: Store):
    await store.put("report.csv", b"a,b", "text/csv")
    answer = await fetch(await store.presign("report.csv", expires_in=60))
    assert (answer.status_code, answer.content) == (200, b"a,b")
    assert answer.headers["content-type"].partition(";")[0] == "text/csv"


@pytest.mark.parametrize("expires_in", [0, -1, 604_801])
async def test_presigning_out_of_range_is_refused(expires_in: int, store: Store):
    with pytest.raises(ValueError, match="expires_in"):
        await store.presign("key", expires_in)


@pytest.mark.parametrize(
    "key", ["", "k" * 1025, "ü" * 513, "..", "../x", "a/../b", "a/./b", "/a", "a/", "a//b", "a\nb", "a\0b", "\ud800"]
)
async def test_impossible_key_is_refused(key: str, store: Store):
    for call in (store.put(key, b""), store.get(key), store.delete(key), store.presign(key, 60)):
        with pytest.raises(ValueError, match="key"):
            await call


async def chunks(*sizes: int, broken: bool = False) -> AsyncIterator[bytes]:
    for number, size in enumerate(sizes):
        yield bytes([number]) * size
    if broken:
        raise RuntimeError("what should have come did not")


@pytest.mark.parametrize("sizes", [(), (3, 0, 5), (PART_BYTES,), (PART_BYTES, 1), (7, 2 * PART_BYTES + 7, 9)])
async def test_what_comes_bit_by_bit_is_one_object(store: Store, sizes: tuple[int, ...]):
    whole = b"".join([one async for one in chunks(*sizes)])
    assert await store.put_stream("key", chunks(*sizes), "text/plain") == len(whole)
    assert await store.get("key") == whole


@pytest.mark.parametrize("sizes", [(3,), (2 * PART_BYTES, 1)])
async def test_what_breaks_off_leaves_what_was_there(store: Store, sizes: tuple[int, ...]):
    await store.put("key", b"before")
    with pytest.raises(RuntimeError, match="should have come"):
        await store.put_stream("key", chunks(*sizes, broken=True))
    assert await store.get("key") == b"before"


async def test_what_breaks_off_leaves_nothing_beside_it(wanted_folder: ObjectStoreSettings, tmp_path: Path):
    with pytest.raises(RuntimeError):
        await FolderObjectStore(wanted_folder).put_stream("key", chunks(3, broken=True))
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


async def test_many_at_once_see_each_other_s_objects(wanted: ObjectStoreSettings):
    async with open_object_store(wanted) as one, open_object_store(wanted) as other:
        await asyncio.gather(*(each.put(f"k{number}", b"x") for number in range(10) for each in (one, other)))
        assert await other.get("k9") == b"x"


async def test_object_outlives_the_store_that_put_it(wanted: ObjectStoreSettings):
    async with open_object_store(wanted) as first:
        await first.put("key", b"x")
    async with open_object_store(wanted) as second:
        assert await second.get("key") == b"x"


async def test_event_loop_runs_on_while_the_store_is_slow(store: Store, monkeypatch: pytest.MonkeyPatch):
    loop_ran_on = threading.Event()
    owner, name = (store._client, "put_object") if isinstance(store, ObjectStore) else (store, "_write")
    put = getattr(owner, name)

    def slow(*arguments: Any, **options: Any) -> Any:
        assert loop_ran_on.wait(30), "the loop stood still"
        return put(*arguments, **options)

    monkeypatch.setattr(owner, name, slow)
    putting = asyncio.create_task(store.put("key", b"x"))
    await asyncio.sleep(0)
    loop_ran_on.set()
    await putting
    assert await store.get("key") == b"x"


async def test_reader_sees_the_old_or_the_new_and_nothing_between(store: Store):
    old, new = b"o" * 300_000, b"n" * 300_000
    await store.put("key", old)
    writing = asyncio.create_task(store.put("key", new))
    seen = {await store.get("key")}
    await writing
    seen.add(await store.get("key"))
    assert seen <= {old, new}


async def test_who_ask_at_once_share_one_store_that_is_closed_once(
    wanted_folder: ObjectStoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    class Counted(FolderObjectStore):
        def __init__(self, settings: ObjectStoreSettings) -> None:
            assert threading.current_thread() is not threading.main_thread()
            events.append("opened")
            if len(events) == 1:
                raise OSError("not now")
            super().__init__(settings)

        async def close(self) -> None:
            events.append("closed")
            await super().close()

    monkeypatch.setattr("singr_db.objects._objects.FolderObjectStore", Counted)
    shared = SharedObjectStore(wanted_folder)
    with pytest.raises(OSError, match="not now"):
        await shared.store()
    given_up = asyncio.create_task(shared.store())
    first, second, _ = await asyncio.gather(shared.store(), shared.store(), _cancelled(given_up))
    assert first is second
    await shared.close()
    assert events == ["opened", "opened", "closed"]


async def _cancelled(asking: "asyncio.Task[Store]") -> None:
    asking.cancel()
    await asyncio.wait([asking])
