"""S12 and S13 over HTTP: where secrets must not be."""

import base64
import itertools
from collections.abc import Iterator

import pytest
import redis
from people import PASSWORD, Town, new_key, token_in
from sites import Site, until

full = pytest.mark.full
pytestmark = pytest.mark.xdist_group("security-town")


def test_secrets_are_in_no_log_store_metric_or_dump(town: Town):
    """S12 and S13: everything a person was given or typed is looked for wherever it must not be."""
    assert not leaks(town, secrets_of_somebody(town))


@full
def test_secrets_are_in_no_log_of_the_worker_that_sends_them_either(town: Town, inbox):
    """S12 and S13: with every message sent by real SMTP, and whatever the worker says and keeps of it."""
    secrets = secrets_of_somebody(town)
    with town.site.run_worker(environ=inbox.environ):
        waiting = "jobs WHERE status NOT IN ('completed', 'failed')"
        until(lambda: town.site.count(waiting) == 0, within=60, what="every message was sent")
        assert not leaks(town, secrets)
    assert any(secrets["magic link"] in mail.text for mail in inbox.mails), "messages did go out"


def secrets_of_somebody(town: Town) -> dict[str, str]:
    """What a person was given and typed, by name."""
    person = town.person()
    phone = "+15555550177"
    client = town.client()
    tokens = person.signed_in(client)
    client.send_json("/v1/auth/sign-in", {"email": person.email, "password": "canary-wrong-password-7731"})
    client.put("/v1/me/phone", json={"phone": phone}, headers={"authorization": f"Bearer {tokens['access_token']}"})
    organization = town.founded(tokens["access_token"])
    made = client.send_json(
        "/v1/api-keys",
        {"name": "canary", "scopes": ["jobs:read"]},
        token=tokens["access_token"],
        headers={"x-singr-organization": organization, **new_key()},
    )
    assert made.status_code == 201, made.text
    person.enable_totp()
    challenge = person.challenged()
    magic, reset = town.magic_token(person), town.reset_token(person)
    letter = town.letters.last(person.email, "verification")
    next_refresh = town.refreshed(tokens["refresh_token"])
    return {
        "password": PASSWORD,
        "wrong password": "canary-wrong-password-7731",
        "access token": tokens["access_token"].rpartition(".")[2],
        "refresh token": tokens["refresh_token"],
        "next refresh token": next_refresh,
        "device token": tokens["device_token"],
        "challenge": challenge["challenge_token"],
        "magic link": magic,
        "reset": reset,
        "verification": token_in(letter["verification_link"]),
        "totp secret": person.secret,
        "backup code": person.backup_codes[1],
        "api key": made.json()["secret"],
        "phone": phone,
    }


def leaks(town: Town, secrets: dict[str, str]) -> list[str]:
    """What was found where it must not be."""
    places = {"dump": dump(town.site), "redis": everything_in(town.site.redis_url)}
    places |= {f"log {path.name}": path.read_bytes() for path in town.site.logs.glob("*.log")}
    places["metrics"] = town.client().get("/metrics").content
    assert b"@example.org" in places["dump"], "the dump does hold what is kept in clear"
    assert len(places["redis"]) > 100
    assert any(len(content) > 1000 for place, content in places.items() if place.startswith("log "))
    return [
        f"{name} in {place}"
        for (name, secret), (place, content) in itertools.product(secrets.items(), places.items())
        if any(form in content for form in forms(secret))
    ]


def forms(secret: str) -> list[bytes]:
    """As it is, and as a careless encoding would hide it."""
    raw = secret.encode()
    return [
        raw,
        raw.hex().encode(),
        base64.b64encode(raw).rstrip(b"=")[:-1],
        base64.urlsafe_b64encode(raw).rstrip(b"=")[:-1],
    ]


def dump(site: Site) -> bytes:
    """Every row of every table, as text; bytes also as they are."""
    tables = [
        name
        for (name,) in site.sql(
            "SELECT format('%I', relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    ]
    lines = [str(row) for name in tables for row in site.sql(f"SELECT t::text FROM {name} AS t")]  # type: ignore[arg-type]
    text = "\n".join(lines)
    hidden = [bytes.fromhex(part) for line in lines for part in _hex(line)]
    return text.encode() + b"\n" + b"\n".join(hidden)


def _hex(line: str) -> Iterator[str]:
    for part in line.split("\\x")[1:]:
        digits = "".join(itertools.takewhile(lambda letter: letter in "0123456789abcdef", part))
        yield digits[: len(digits) // 2 * 2]


def everything_in(url: str) -> bytes:
    """Every key and value of a Redis."""
    with redis.Redis.from_url(url) as client:
        parts: list[bytes] = []
        for name in client.scan_iter(count=1000):
            parts += [name, client.dump(name) or b""]
            if client.type(name) == b"hash":
                parts += list(itertools.chain.from_iterable(client.hgetall(name).items()))
        return b"\n".join(parts)
