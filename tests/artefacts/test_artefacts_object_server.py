"""The S3 server of the Compose file does what our object store asks of it."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from artefacts.conftest import ROOT

from singr_config import ObjectStoreSettings, Secret
from singr_db import ObjectNotFoundError, ObjectStore, ObjectStoreError

SERVICE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["objects"]
KEYS = {"AWS_ACCESS_KEY_ID": "singr-test", "AWS_SECRET_ACCESS_KEY": "singr-test-only"}

pytestmark = pytest.mark.full


def free_port() -> int:
    """One that is free, as is the one ten thousand higher, which the server takes too."""
    while True:
        port = random.randrange(10_000, 20_000)
        here, above = ("127.0.0.1", port), ("127.0.0.1", port + 10_000)
        with contextlib.suppress(OSError), socket.create_server(here), socket.create_server(above):
            return port


@pytest.fixture(scope="module")
def weed() -> str:
    """SeaweedFS's program, which the dependency group `artefacts` brings on Linux."""
    found = shutil.which("weed", path=os.pathsep.join((f"{sys.prefix}/bin", os.environ["PATH"])))
    if found is None:
        pytest.fail("SeaweedFS is not installed: make artefacts does it on Linux; elsewhere put `weed` on PATH")
    return found


def test_the_server_that_is_tried_is_the_one_that_is_deployed(weed: str) -> None:
    said = subprocess.run([weed, "version"], capture_output=True, text=True, check=True).stdout
    assert SERVICE["image"].partition(":")[2] in said.split()


@pytest.fixture
def endpoint(tmp_path: Path, weed: str) -> Iterator[str]:
    """The server, with the command of the Compose file but for its ports, its folder and the world outside."""
    port = free_port()
    command = [word for word in SERVICE["command"] if not word.startswith(("-dir=", "-s3.port=", "-s3.ip.bind="))]
    others = (f"-{part}.port={free_port()}" for part in ("master", "volume", "filer"))
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [weed, *command, f"-dir={tmp_path}", f"-s3.port={port}", *others], stdout=log, stderr=log, env=KEYS
        )
    try:
        deadline = time.monotonic() + 100
        while not _well(f"http://127.0.0.1:{port}/healthz"):
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _well(address: str) -> bool:
    try:
        return httpx.get(address).is_success
    except httpx.HTTPError:
        return False


def settings(endpoint: str, secret: str = KEYS["AWS_SECRET_ACCESS_KEY"]) -> ObjectStoreSettings:
    return ObjectStoreSettings(
        endpoint=endpoint, access_key_id=KEYS["AWS_ACCESS_KEY_ID"], secret_access_key=Secret(secret), bucket="singr"
    )


async def test_objects_are_kept_linked_and_removed_and_strangers_see_nothing(endpoint: str) -> None:
    async with ObjectStore(settings(endpoint)) as store, httpx.AsyncClient() as anybody:
        for key in ("a", "exports/größe 1.csv", "A&b=c?d#e%2Ff+g"):
            await store.put(key, key.encode(), "text/csv")
            assert await store.get(key) == key.encode()
            answer = await anybody.get(await store.presign(key, 60))
            assert (answer.content, answer.headers["content-type"]) == (key.encode(), "text/csv")
            assert (await anybody.get(f"{endpoint}/singr/{key}")).status_code == 403
            await store.delete(key)
            with pytest.raises(ObjectNotFoundError):
                await store.get(key)
        assert (await anybody.get(f"{endpoint}/singr")).status_code == 403
    async with ObjectStore(settings(endpoint, "another-secret")) as stranger:
        with pytest.raises(ObjectStoreError, match="refused"):
            await stranger.put("key", b"x")
