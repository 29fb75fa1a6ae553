"""A service outside the workspace, which has nothing of ours but the wheels of singr-auth with one of its extras.

`python outside_service.py EXAMPLES` — EXAMPLES is the folder of the guide's services. Reads one JSON object from its
input: the address of the issuer's keys, issuer, audience, tokens that are to pass and to be refused, where to send a
signed request, and with which secret; and the framework to serve with, where it is to. Exits with 0 only if all of it
went as it should.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx

from singr_auth import RemoteAccess, RemoteKeys, SignedRequestAuth, SigningKey
from singr_config import Secret


async def judge_tokens(given: dict[str, Any]) -> None:
    """The guide's service lets in whom the issuer's token names, and nobody else."""
    import asgi_service  # noqa: PLC0415 — lies in the folder that was named

    keys = RemoteKeys(given["keys_url"])
    people = asgi_service.People(keys, issuer=given["issuer"], audience=given["audience"])
    service = asgi_service.Songs(people, asgi_service.Services({}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://songs.example") as http:
        for token in given["good"]:
            answer = await http.get("/songs", headers={"authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["for"]) == (200, given["user_id"]), answer.text
        for what, token in given["bad"].items():
            answer = await http.get("/songs", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 401, f"{what}: {answer.status_code}"
    await keys.aclose()


def send_signed(given: dict[str, Any]) -> None:
    """A request that this service signs is taken by whoever verifies it."""
    key = SigningKey("outside", Secret(given["secret"]))
    with httpx.Client(auth=SignedRequestAuth(key), trust_env=False) as client:
        answer = client.post(f"{given['signed_url']}?dry_run=true", json={"type": "sms.send"})
    assert answer.status_code == 200, answer.text


async def serve(given: dict[str, Any]) -> None:
    """The guide's service on a framework lets in people and programs of Singr, and nobody else."""
    access = RemoteAccess(
        given["url"],
        issuer=given["issuer"],
        audience=given["audience"],
        credential=SigningKey("outside", Secret(given["secret"])),
    )
    app = importlib.import_module(f"{given['framework']}_service").build(access)
    path = f"/organizations/{given['organization']}/playlists"
    elsewhere = "/organizations/01920000-0000-7000-8000-0000000000ff/playlists"
    person, program = {"authorization": f"Bearer {given['good'][0]}"}, {"x-api-key": given["api_key"]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://playlists.example") as http:
        me = await http.get("/me", headers=person)
        assert (me.status_code, me.json()["user_id"]) == (200, given["user_id"]), me.text
        for headers in (person, program):
            assert (await http.post(path, headers=headers)).status_code == 201, headers
            assert (await http.post(elsewhere, headers=headers)).status_code == 403, headers
        assert (await http.get("/feed", headers=program)).status_code == 200
        assert (await http.get("/feed", headers={"x-api-key": given["other_key"]})).status_code == 401
        for what, token in given["bad"].items():
            assert (await http.get("/me", headers={"authorization": f"Bearer {token}"})).status_code == 401, what
    await access.aclose()


def main() -> None:
    """Be that service."""
    sys.path.insert(0, sys.argv[1])
    ours = {found.name for found in distributions() if found.name.startswith("singr")}
    assert ours == {"singr-auth", "singr-config"}, ours
    assert not [path for path in sys.path if (Path(path) / "singr_auth").is_dir() and "site-packages" not in path]
    given = json.load(sys.stdin)
    if given["framework"]:
        asyncio.run(serve(given))
    else:
        asyncio.run(judge_tokens(given))
        send_signed(given)


if __name__ == "__main__":
    main()
