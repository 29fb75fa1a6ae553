"""People of a site: what a browser or an app does over HTTP, and what lands in their mail and on their phones."""

import base64
import hmac
import itertools
import json
import random
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from sites import Site, until

from singr_config import load_settings
from singr_db import Sealer, new_id

PASSWORD = "a long road to the microphone"
_numbers = itertools.count(1)


def new_key() -> dict[str, str]:
    """A new Idempotency-Key."""
    return {"idempotency-key": f"people-{new_id().hex}"}


class Letters:
    """What was written to people: read out of the site's outbox, where it lies sealed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        settings = load_settings(site.environment, env_file=None)
        self._sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)

    def to(self, recipient: str, kind: str | None = None) -> list[dict[str, Any]]:
        """Every message to an address or a number so far, oldest first."""
        rows = self._site.sql(
            "SELECT kind, recipient_sealed, content_sealed FROM messages"
            " WHERE %s::text IS NULL OR kind = %s ORDER BY id",
            (kind, kind),
        )
        return [
            json.loads(self._sealer.open(bytes(content), context="messages.content"))
            for _, sealed, content in rows
            if recipient in self._sealer.open(bytes(sealed), context="messages.recipient").decode()
        ]

    def last(self, recipient: str, kind: str, *, number: int = 1) -> dict[str, Any]:
        """The newest message of a kind, once there are `number` of them."""
        until(lambda: len(self.to(recipient, kind)) >= number, within=10, what=f"{number} {kind} to {recipient}")
        return self.to(recipient, kind)[-1]


def token_in(link: str) -> str:
    """The token that a link carries."""
    [token] = parse_qs(urlsplit(link).query)["token"]
    return token


def totp(secret: str, *, at: float | None = None, digits: str = "0123456789") -> str:
    """The code that an authenticator app shows (RFC 6238), written here anew: the product's own code must agree."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step = int((time.time() if at is None else at) // 30)
    mac = hmac.digest(key, struct.pack(">Q", step), "sha1")
    start = mac[-1] & 15
    number = (struct.unpack(">I", mac[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000
    return "".join(digits[int(digit)] for digit in f"{number:06d}")


def some_address() -> str:
    """An address (TEST-NET and benchmarking ranges) that no other person of this process has."""
    return f"198.18.{random.randrange(256)}.{random.randrange(1, 255)}"


class Client(httpx.Client):
    """One device: an address of its own, and a connection for each request, so that any of the processes may answer."""

    def __init__(
        self, base: str, *, address: str | None = None, agent: str = "Mozilla/5.0 (X11; Linux) Firefox/140.0"
    ) -> None:
        super().__init__(
            base_url=base,
            headers={"x-forwarded-for": address or some_address(), "user-agent": agent, "connection": "close"},
            timeout=240.0,  # the machine may be busy; who waits for ever meets the time limit of the test
            trust_env=False,
        )

    def send_json(
        self, path: str, body: Mapping[str, Any] | None = None, *, token: str = "", **options: Any
    ) -> httpx.Response:
        """POST JSON."""
        headers = {**options.pop("headers", {}), **({"authorization": f"Bearer {token}"} if token else {})}
        return self.post(path, json=body or {}, headers=headers, **options)

    def read(self, path: str, *, token: str = "") -> httpx.Response:
        """GET."""
        return self.get(path, headers={"authorization": f"Bearer {token}"} if token else {})


@dataclass
class Person:
    """Somebody with an account."""

    town: "Town"
    email: str
    password: str = PASSWORD
    secret: str = ""
    backup_codes: list[str] = field(default_factory=list)
    device_token: str | None = None

    def client(self, **options: Any) -> Client:
        """A device of theirs."""
        return self.town.client(**options)

    def sign_in(self, client: Client | None = None, *, device: str = "", **options: Any) -> httpx.Response:
        """With the password; `device` is the token that a device was given before."""
        body: dict[str, Any] = {"email": self.email, "password": self.password} | options
        headers = {"x-singr-device": device} if device else {}
        return (client or self.client()).send_json("/v1/auth/sign-in", body, headers=headers)

    def signed_in(self, client: Client | None = None, **options: Any) -> dict[str, Any]:
        """Tokens, from the password alone."""
        answer = self.sign_in(client, **options)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        assert tokens["status"] == "signed_in", tokens
        return tokens

    def challenged(self, client: Client | None = None, **options: Any) -> dict[str, Any]:
        """The challenge for a second factor, after the password."""
        answer = self.sign_in(client, **options)
        assert answer.status_code == 200, answer.text
        challenge: dict[str, Any] = answer.json()
        assert challenge["status"] == "second_factor_required", challenge
        return challenge

    def enable_totp(self) -> None:
        """Put an authenticator app behind the account."""
        client = self.client()
        token = self.signed_in(client)["access_token"]
        started = client.send_json("/v1/me/second-factors/totp", token=token)
        assert started.status_code in {200, 201}, started.text
        self.secret = started.json()["secret"]
        for _ in range(2):
            now = time.time()
            code = totp(self.secret, at=now - 30)  # the step before, so that the one of now is still to be used
            confirmed = client.send_json("/v1/me/second-factors/totp/confirm", {"code": code}, token=token)
            if confirmed.status_code == 200 or time.time() // 30 == now // 30:
                break  # else a step began meanwhile, by which the code was two steps old
        assert confirmed.status_code == 200, confirmed.text
        self.backup_codes = confirmed.json()["backup_codes"]


class Town:
    """A site with its API, and the people in it."""

    def __init__(self, site: Site, base: str) -> None:
        self.site = site
        self.base = base
        self.letters = Letters(site)

    def client(self, **options: Any) -> Client:
        """Some device."""
        return Client(self.base, **options)

    def someone(self) -> str:
        """An e-mail address that nobody has."""
        return f"singer{next(_numbers)}.{new_id().hex}@example.org"

    def registered(self, email: str | None = None, *, account_type: str = "customer") -> Person:
        """Somebody who has registered, and whose address is not verified yet."""
        person = Person(self, email or self.someone())
        answer = self.client().send_json(
            "/v1/auth/register",
            {"account_type": account_type, "email": person.email, "password": person.password, "name": "Ada Lovelace"},
        )
        assert answer.status_code == 202, answer.text
        return person

    def person(self, *, account_type: str = "customer") -> Person:
        """Somebody with an account in use."""
        person = self.registered(account_type=account_type)
        token = token_in(self.letters.last(person.email, "verification")["verification_link"])
        answer = self.client().send_json("/v1/auth/email/verify", {"token": token})
        assert answer.status_code == 200, answer.text
        return person

    def crowd(self, number: int, change: str = "") -> list[Person]:
        """People with accounts in use, copies of one that was made as accounts are; `change` is SQL of an UPDATE."""
        model = self.person()
        names = self.site.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0")
        columns = ", ".join(name for (name,) in names if name not in {"id", "email", "email_key"})
        people = [Person(self, self.someone()) for _ in range(number)]
        for person in people:
            self.site.sql(
                f"INSERT INTO users (id, email, email_key, {columns})"
                f" SELECT %s, %s, %s, {columns} FROM users WHERE email = %s",
                (new_id(), person.email, person.email.lower(), model.email),
            )
        if change:
            self.site.sql(f"UPDATE users SET {change} WHERE email = ANY (%s)", ([person.email for person in people],))
        return people

    def refresh(self, token: str) -> httpx.Response:
        """Exchange a refresh token."""
        return self.client().send_json("/v1/auth/refresh", {"refresh_token": token})

    def refreshed(self, token: str) -> str:
        """The next refresh token."""
        answer = self.refresh(token)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["refresh_token"])

    def founded(self, token: str) -> str:
        """The id of a new organization of the access token's person."""
        answer = self.client().send_json("/v1/organizations", {"name": "Blue Note"}, token=token, headers=new_key())
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def invite(self, token: str, organization: str, email: str, role: str = "customer_staff") -> httpx.Response:
        """Invite somebody."""
        path = f"/v1/organizations/{organization}/invitations"
        return self.client().send_json(path, {"email": email, "role": role}, token=token, headers=new_key())

    def magic_token(self, person: Person) -> str:
        """The token of a fresh sign-in link."""
        known = len(self.letters.to(person.email, "magic_link"))
        answer = self.client().send_json("/v1/auth/magic-link", {"email": person.email})
        assert answer.status_code == 202, answer.text
        return token_in(self.letters.last(person.email, "magic_link", number=known + 1)["magic_link"])

    def reset_token(self, person: Person) -> str:
        """The token of a fresh link to choose a new password."""
        known = len(self.letters.to(person.email, "password_reset"))
        answer = self.client().send_json("/v1/auth/password/forgot", {"email": person.email})
        assert answer.status_code == 202, answer.text
        return token_in(self.letters.last(person.email, "password_reset", number=known + 1)["reset_link"])

    def refused_everywhere(self, token: str, *, path: str = "/v1/me", status: int = 401, tries: int = 20) -> bool:
        """Whether every one of many requests, each on a connection of its own, is refused with this token."""
        return all(self.client().read(path, token=token).status_code == status for _ in range(tries))
