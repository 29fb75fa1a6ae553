"""Who may send what: an organization speaks in its own name, and only the platform speaks of people's accounts."""

from typing import Any, get_args

import msgspec
import pytest

from singr_auth.accounts import ServiceCredentials
from singr_comms import EmailMessage, SmsMessage
from singr_comms.notifications import EmailRequest, SmsRequest
from singr_db import Sealer

EVIL = "https://evil.example/reset?token=x"
VALUES: dict[str, Any] = {
    "account": "v***@example.org",
    "new_email": "v***@example.org",
    "user_email": "victim@example.org",
    "occurred_at": "now",
    "event": "account_locked",
    "account_type": "customer",
    "ip_address": "203.0.113.9",
    "code": "123456",
    "verification_code": "123456",
}


def of_the_platform() -> list[tuple[str, type[msgspec.Struct]]]:
    pairs = (("email.send", EmailMessage), ("sms.send", SmsMessage))
    return [(name, each) for name, union in pairs for each in get_args(union) if each.speaks_for == "platform"]


def payload(job_type: str, message: type[msgspec.Struct]) -> dict[str, Any]:
    words: dict[str, Any] = {"kind": message.__struct_config__.tag}
    for field in msgspec.structs.fields(message):
        if field.default is msgspec.NODEFAULT:
            number = 1 if field.name.startswith("expiry") else "Somebody"
            words[field.name] = VALUES.get(field.name, EVIL if field.name.endswith("link") else number)
    to = "+15555550100" if job_type == "sms.send" else {"email": "victim@example.org"}
    request = {"to": to, "message": words}
    msgspec.convert(request, SmsRequest if job_type == "sms.send" else EmailRequest)  # nothing else is wrong with it
    return request


ACCOUNTS = """
    DataExported EmailChange EmailChanged Invitation MagicLink MagicLinkSms OneTimeCodeSms PasswordReset
    PasswordResetSms SecurityNotice TwoFactorCode TwoFactorCodeSms Verification VerificationCodeSms Welcome WelcomeSms
"""


def test_what_is_about_accounts_speaks_for_the_platform_and_nothing_else_does() -> None:
    assert {each.__name__ for _, each in of_the_platform()} == set(ACCOUNTS.split())


async def test_an_organization_cannot_send_what_speaks_for_accounts(
    callers: Any, client: Any, api_url: str, world: Any
) -> None:
    api = client(api_url, callers.own)
    for job_type, message in of_the_platform():
        body = {"type": job_type, "payload": payload(job_type, message)}
        problem = world.problem(await api.post("/v1/jobs", json=body, headers=world.key()), 403, "not-allowed")
        [error] = problem["errors"]
        assert (error["field"], error["code"]) == ("payload.message.kind", "forbidden"), message
        assert "song_request" in error["message"]
    assert await world.nothing_stored()


@pytest.mark.parametrize("role", ["customer_owner"])
async def test_a_person_of_an_organization_cannot_either(
    someone: Any, client: Any, door_url: str, world: Any, role: str
) -> None:
    owner = await someone(member=role)
    job_type, message = of_the_platform()[0]
    body = {"type": job_type, "payload": payload(job_type, message)}
    answer = await client(door_url, owner).post("/v1/jobs", json=body, headers=world.key())
    assert "payload.message.kind" in world.fields(world.problem(answer, 403, "not-allowed"))
    assert await world.nothing_stored()


async def test_the_platforms_own_credentials_send_every_kind(
    callers: Any, client: Any, api_url: str, world: Any
) -> None:
    api = client(api_url, callers.platform)
    for job_type, message in of_the_platform():
        body = {
            "type": job_type,
            "organization_id": str(world.organization),
            "payload": payload(job_type, message),
        }
        answer = await api.post("/v1/jobs", json=body, headers=world.key())
        assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    "link",
    [
        EVIL,
        "https://singrkaraoke.com.evil.example/requests",
        "https://singrkaraoke.com@evil.example/requests",
        "https://evil.example\\@singrkaraoke.com/requests",
        "https://singrkaraoke.com:444/requests",
        "http://singrkaraoke.com/requests",
        "https://xn--singrkaraoke.com/",
    ],
)
async def test_an_organizations_message_leads_to_the_platforms_sites(
    callers: Any, client: Any, api_url: str, world: Any, link: str
) -> None:
    body = world.email()
    body["payload"]["message"]["link"] = link
    answer = await client(api_url, callers.own).post("/v1/jobs", json=body, headers=world.key())
    assert answer.status_code in {403, 422}, answer.text
    assert "payload.message.link" in world.fields(answer.json())
    assert await world.nothing_stored()


@pytest.mark.parametrize(
    "link",
    ["http://localhost:3001/requests/42", "https://SingrKaraoke.com:443/requests", "https://stage.example/r?x=1#y"],
)
async def test_known_sites_can_be_linked_to(
    callers: Any, client: Any, settings: Any, serve_app: Any, world: Any, link: str
) -> None:
    app = msgspec.structs.replace(
        settings.app, message_link_origins=("https://singrkaraoke.com", "https://stage.example")
    )
    body = world.email()
    body["payload"]["message"]["link"] = link
    async with serve_app(msgspec.structs.replace(settings, app=app)) as url:
        answer = await client(url, callers.own).post("/v1/jobs", json=body, headers=world.key())
    assert answer.status_code == 202, answer.text


async def test_sending_needs_the_permission_to_send(
    db: Any, settings: Any, client: Any, door_url: str, world: Any
) -> None:
    credentials = ServiceCredentials(db, Sealer(settings.auth.secret), settings.ingestion)
    async with db.platform() as session:
        key = await credentials.create_api_key(session, name="x", organization_id=None, scopes=["jobs:write"])
    api = client(door_url, key.secret.reveal())
    for body in (world.email(), world.sms()):
        problem = world.problem(await api.post("/v1/jobs", json=body, headers=world.key()), 403, "scope-missing")
        assert "notifications:write" in problem["detail"]
    assert await world.nothing_stored()
