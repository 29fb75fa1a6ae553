"""A device that is named in the body is known at each step of a sign-in, as one named in a header or a cookie is."""

import json
from typing import Any

from api_visitor import PASSWORD, Visitor, Visitors
from authenticator import SoftAuthenticator

from singr_api.operations.documentation.document import as_json, openapi_document

_DOCUMENT = json.loads(as_json(openapi_document()))
_VERIFY, _SEND = "/v1/auth/second-factor/verify", "/v1/auth/second-factor/send"
_WRONG = {"method": "totp", "code": "000000"}


async def begun(caller: Any, one: Visitor, **named: str) -> dict[str, str]:
    """A sign-in whose password was right, named by what its second step sends."""
    body = {"email": one.person.email, "password": PASSWORD.reveal()} | named
    answer = await caller.post("/v1/auth/sign-in", json=body)
    assert answer.status_code == 200, answer.text
    return {"challenge_token": answer.json()["challenge_token"]} | named


async def known(caller: Any, one: Visitor, code: str) -> dict[str, str]:
    """Sign in for the first time; returns the device token as a body names it."""
    body = await begun(caller, one) | {"method": "backup_code", "code": code}
    answer = await caller.post(_VERIFY, json=body)
    return {"device_token": answer.json()["device_token"]}


async def test_device_named_in_the_body_stays_known_behind_the_second_step(
    visitor: Visitors, client: Any, api_url: str
) -> None:
    one, caller = await visitor(), client(api_url)
    codes = await one.add_totp()
    named = await known(caller, one, codes[0])
    before = (await one.http.get("/v1/me/devices")).json()["items"]
    for code in codes[1:3]:
        body = await begun(caller, one, **named) | {"method": "backup_code", "code": code}
        answer = await caller.post(_VERIFY, json=body)
        assert answer.json()["status"] == "signed_in", answer.text
        assert "device_token" not in answer.json()
    after = (await one.http.get("/v1/me/devices")).json()["items"]
    assert [device["id"] for device in after] == [device["id"] for device in before]


async def test_strangers_who_know_the_password_use_up_nothing_of_a_device_named_in_the_body(
    visitor: Visitors, client: Any, api_url: str, world: Any
) -> None:
    one, caller = await visitor(), client(api_url)
    codes = await one.add_totp()
    await one.http.post("/v1/me/second-factors/email")
    named = await known(caller, one, codes[0])
    tried = 0
    for _ in range(2):
        strange = await begun(caller, one)
        statuses = [(await caller.post(_VERIFY, json=strange | _WRONG)).status_code for _ in range(5)]
        tried += statuses.count(400)
    assert 9 <= tried <= 10
    strange, own = await begun(caller, one), await begun(caller, one, **named)
    world.problem(await caller.post(_VERIFY, json=strange | _WRONG), 429, "rate-limited")
    sent = [(await caller.post(_SEND, json=strange | {"method": "email"})).status_code for _ in range(6)]
    assert sent == [202] * 5 + [429]
    assert (await caller.post(_SEND, json=own | {"method": "email"})).status_code == 202
    answer = await caller.post(_VERIFY, json=own | {"method": "backup_code", "code": codes[1]})
    assert answer.status_code == 200, answer.text


async def test_device_named_beside_a_passkey_stays_known(visitor: Visitors, client: Any, api_url: str) -> None:
    one, caller, device = await visitor(), client(api_url), SoftAuthenticator()
    options = (await one.http.post("/v1/me/passkeys/options")).json()["public_key"]
    await one.http.post("/v1/me/passkeys", json={"credential": device.create(options)})
    named: dict[str, str] = {}
    for is_known in (False, True):
        options = (await caller.post("/v1/auth/passkeys/options")).json()["public_key"]
        answer = await caller.post("/v1/auth/passkeys/sign-in", json={"credential": device.get(options)} | named)
        assert answer.status_code == 200, answer.text
        assert ("device_token" not in answer.json()) == is_known
        named = {"device_token": answer.json().get("device_token", "")}


async def test_device_named_beside_a_new_password_stays_known(visitor: Visitors, client: Any, api_url: str) -> None:
    one, caller = await visitor(), client(api_url)
    body = {"email": one.person.email, "password": PASSWORD.reveal()}
    first = (await caller.post("/v1/auth/sign-in", json=body)).json()
    named, bearer = {"device_token": first["device_token"]}, {"authorization": f"Bearer {first['access_token']}"}
    new = "another long road to the microphone"
    change = {"current_password": PASSWORD.reveal(), "new_password": new} | named
    answer = await caller.post("/v1/auth/password/change", json=change, headers=bearer)
    assert answer.status_code == 200, answer.text
    again = await caller.post("/v1/auth/sign-in", json=body | {"password": new} | named)
    assert (again.json()["status"], "device_token" in again.json()) == ("signed_in", False)


def test_every_body_that_ends_a_sign_in_may_name_the_device() -> None:
    bodies = {
        operation["operationId"]: _properties(operation["requestBody"]["content"]["application/json"]["schema"])
        for item in _DOCUMENT["paths"].values()
        for operation in item.values()
        if "requestBody" in operation and "application/json" in operation["requestBody"]["content"]
    }
    # What hands tokens over ends a sign-in; a session that goes on has its device already.
    ending = {name for name, properties in bodies.items() if "delivery" in properties} - {"refreshSession"}
    assert {"signIn", "redeemMagicLink", "signInWithPasskey", "proveSecondFactor"} <= ending
    assert [name for name in sorted(ending | {"sendSecondFactorCode"}) if "device_token" not in bodies[name]] == []


def _properties(schema: dict[str, Any]) -> set[str]:
    """Those that each form of a body has."""
    if "$ref" in schema:
        schema = _DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema or "anyOf" in schema:
        return set.intersection(*map(_properties, schema.get("oneOf") or schema["anyOf"]))
    return set(schema.get("properties", ()))
