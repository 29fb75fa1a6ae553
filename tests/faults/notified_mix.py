"""What is told while everything is killed, and the exact account of it: for row R26.

One notification for each of many recipients; of some of them what may be repeated, told by a service in its own
transaction; recipients with quiet hours; campaigns that are paused and resumed; and news for digests.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

import httpx
from faults.harness import API_KEY, ORGANIZATION, Site, until
from faults.test_faults_everything import CHANNELS, LINK, address, device, phone
from faults.test_faults_providers import AUTH_SECRET
from faults.test_faults_stores import ingest
from providers_apart import Apart
from sqlalchemy.exc import DBAPIError

from singr_comms import EmailAddress
from singr_comms.catalogue import message_types
from singr_comms.channels import CHANNELS as BY_NAME
from singr_comms.notifications._rows import RECIPIENT, recipient_hash
from singr_comms.notifying import Target, notify
from singr_comms.people import DigestTime, RecipientInput, put_recipient
from singr_config import DatabaseSettings, Secret
from singr_db import Database, Sealer, new_id

PATH = f"/v1/notifications?organization_id={ORGANIZATION}"
SEALER = Sealer(Secret(AUTH_SECRET))
ALL = (*CHANNELS, "inbox")
MEMBERS, NEWS = 30, 3
# One recipient of so many has quiet hours at first, and one of so many is told what may be repeated.
QUIET, REPEATED = 20, 10
_PEOPLE = """
WITH given AS (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[],
                         %s::bytea[]) AS t (id, name, email, phone, token, email_print, phone_print, token_print)
), made AS (
    INSERT INTO recipients (id, organization_id, external_id, email_sealed, email_hash, email_masked, phone_sealed,
                            phone_hash, phone_masked, key_id)
    SELECT id, %s, name, email, email_print, '***', phone, phone_print, '***', id FROM given
)
INSERT INTO push_devices (id, organization_id, recipient_id, token_sealed, token_hash, token_masked, platform)
SELECT id, %s, id, token, token_print, '***', 'ios' FROM given
"""
_HOURS = """
UPDATE recipients SET time_zone = 'UTC', quiet_from = %s, quiet_to = %s
 WHERE external_id::int < %s AND external_id::int %% %s = 0
"""
_TOPIC = """
WITH topic AS (INSERT INTO topics (id, organization_id, key) VALUES (%s, %s, %s) RETURNING id)
INSERT INTO topic_members (topic_id, recipient_id, organization_id)
SELECT topic.id, r.id, r.organization_id FROM topic, recipients AS r WHERE r.external_id = ANY (%s)
"""
_COPIES = """
SELECT copies, count(*) FROM (
       SELECT count(*) AS copies FROM messages WHERE notification_id IS NOT NULL
        GROUP BY notification_id, recipient_id, channel) AS each GROUP BY copies
"""
_MISCOUNTED = """
SELECT count(*) FROM recipients AS r LEFT JOIN inbox_counters AS c ON c.recipient_id = r.id
 WHERE coalesce(c.unread, 0) <> (SELECT count(*) FROM inbox_items AS i WHERE i.recipient_id = r.id)
"""
_LEDGER = """
SELECT replace(m.id::text, '-', ''), m.channel, m.kind, m.status, m.error ->> 'code', r.external_id::int,
       count(*) FILTER (WHERE a.status = 'unknown'), count(*) FILTER (WHERE a.status = 'sent')
  FROM messages AS m JOIN recipients AS r ON r.id = m.recipient_id
       LEFT JOIN message_attempts AS a ON a.message_id = m.id
 WHERE m.channel <> 'inbox' GROUP BY m.id, r.external_id
"""
_KEPT = """
SELECT r.external_id::int, count(*) FROM digest_items AS i JOIN recipients AS r ON r.id = i.recipient_id GROUP BY 1
"""


class Mix(NamedTuple):
    """Who is told what: everybody is a number, which is their id, their address, and on their device.

    Attributes:
        told: those with a notification of their own.
        campaigns: the members of each, who are told by every channel.
        readers: those for whose digests news is kept.
    """

    told: range
    campaigns: Sequence[Sequence[int]]
    readers: Sequence[int]

    @classmethod
    def of(cls, notifications: int, minutes: int) -> Self:
        """For so many notifications over so many minutes."""
        first = notifications + (1 - notifications) % 3  # numbers of which each has a phone of its own
        last = first + 3 * 2 * minutes * MEMBERS
        crowds = [range(at, at + 3 * MEMBERS, 3) for at in range(first, last, 3 * MEMBERS)]
        return cls(range(notifications), crowds, range(last, last + 10 * minutes))

    @property
    def messages(self) -> int:
        """How many the fan-outs make, those in inboxes among them."""
        own = sum(1 if is_repeated(number) else 2 for number in self.told)
        return own + len(ALL) * sum(map(len, self.campaigns)) + 2 * NEWS * len(self.readers)

    @property
    def items(self) -> int:
        """How many the inboxes hold."""
        own = sum(not is_repeated(number) for number in self.told)
        return own + sum(map(len, self.campaigns)) + NEWS * len(self.readers)

    @property
    def keys(self) -> list[str]:
        """The deduplication key of each notification, whose number comes first."""
        numbers = [*self.told, *(crowd[0] for crowd in self.campaigns), *(NEWS * [*self.readers])]
        return [f"{number}-{place}" for place, number in enumerate(numbers)]

    def request(self, key: str) -> dict[str, object]:
        """What is asked for by this key."""
        number = int(key.partition("-")[0])
        asked: dict[str, object] = {"type": "plain", "deduplication_key": key}
        if number in self.told:
            data = {"title": "You are next", "text": f"You are number {number}."}
            to: object = [{"recipient": str(number)}]
            return asked | {"to": to, "channels": [CHANNELS[number % 3], "inbox"], "data": data}
        if number in self.readers:
            data = {"title": f"News ({key})", "text": "More of it."}
            to = [{"recipient": str(number)}]
            return asked | {"to": to, "channels": ["email", "inbox"], "data": data, "digest": "daily"}
        crowd = {"to": {"topic": f"crowd-{number}"}, "channels": list(ALL), "per_minute": 10 * MEMBERS}
        return asked | crowd | {"data": {"title": "Tonight", "text": "Come and sing."}}


def is_repeated(number: int) -> bool:
    """Whether this one is told, by a service, what is sent again where nobody knows whether it was."""
    return number % REPEATED == 1 and number % 3 < 2


def settle(site: Site, mix: Mix) -> None:
    """All of them with an address by each channel, and the topics of campaigns."""
    numbers = [*mix.told, *(number for crowd in mix.campaigns for number in crowd)]
    addresses: dict[str, list[Any]] = {
        "email": [EmailAddress(address(number)) for number in numbers],
        "sms": [phone(number) for number in numbers],
        "push": [device(number) for number in numbers],
    }
    ways = [(BY_NAME[name], every) for name, every in addresses.items()]
    sealed = [[SEALER.seal(way.encoded(to), context=RECIPIENT) for to in every] for way, every in ways]
    prints = [[recipient_hash(SEALER, way.address(to)) for to in every] for way, every in ways]
    ids, names = [new_id() for _ in numbers], [str(number) for number in numbers]
    site.sql(_PEOPLE, (ids, names, *sealed, *prints, ORGANIZATION, ORGANIZATION))
    for crowd in mix.campaigns:
        members = [str(number) for number in crowd]
        site.sql(_TOPIC, (new_id(), ORGANIZATION, f"crowd-{crowd[0]}", members))


def appoint(site: Site, mix: Mix, *, over: timedelta) -> None:
    """From now on: some have quiet hours, which end in the middle of that time, as the digests of readers come."""
    now = datetime.now(UTC)
    middle = (now + over / 2 + timedelta(minutes=1)).strftime("%H:%M")
    first = (now - timedelta(hours=1)).strftime("%H:%M")
    site.sql(_HOURS, (first, middle, len(mix.told), QUIET))
    asyncio.run(_readers(site, mix, middle))


async def _readers(site: Site, mix: Mix, at: str) -> None:
    async with _database(site) as db, db.tenant(ORGANIZATION) as session:
        for number in mix.readers:
            given = RecipientInput(email=address(number), time_zone="Etc/UTC", digest=DigestTime(at=at))
            await put_recipient(session, str(number), given, sealer=SEALER)


def call(mix: Mix, site: Site, api: str, keys: list[str]) -> dict[str, str]:
    """Ask for a notification with each key until it is accepted; gives the id of each."""
    ours = [key for key in keys if (number := int(key.partition("-")[0])) in mix.told and is_repeated(number)]
    asked = [key for key in keys if key not in ours]
    accepted = asyncio.run(ingest(api, asked, patience=180.0, body=mix.request, path=PATH))
    return accepted | asyncio.run(_told_by_a_service(site, ours))


async def _told_by_a_service(site: Site, keys: Sequence[str]) -> dict[str, str]:
    """Tell each in a transaction of one's own, again until it is committed."""
    accepted: dict[str, str] = {}
    async with _database(site) as db:
        for key in keys:
            deadline = time.monotonic() + 180
            while key not in accepted:
                try:
                    accepted[key] = await _tell(db, key)
                except (DBAPIError, OSError):
                    assert time.monotonic() < deadline, f"{key} was not committed within three minutes"
                    await asyncio.sleep(0.1)
    return accepted


async def _tell(db: Database, key: str) -> str:
    number = int(key.partition("-")[0])
    kind, data, channel = "two_factor_code", {"code": "735104", "expiry_minutes": 60}, "sms"
    if number % 3 == 0:
        said = {"user_name": "Ada", "event": "new_device", "occurred_at": "22 November 2026, 18:05 UTC", "link": LINK}
        kind, data, channel = "security_notice", said, "email"
    async with db.tenant(ORGANIZATION) as session:
        how: dict[str, Any] = {"sealer": SEALER, "data": data, "channels": [channel], "deduplication_key": key}
        return str((await notify(session, kind, [Target(recipient=str(number))], **how)).id)


def _database(site: Site) -> Database:
    return Database(DatabaseSettings(url=Secret(site.database_url)), application_name="a service")


class Steering:
    """Whoever pauses campaigns and resumes them, while the API falls and rises."""

    def __init__(self, site: Site, api: str, chance: random.Random) -> None:
        self.paused = 0
        self._site = site
        self._chance = chance
        headers, ours = {"x-api-key": API_KEY}, {"organization_id": str(ORGANIZATION)}
        self._client = httpx.Client(base_url=api, headers=headers, params=ours, timeout=15.0, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def turn(self) -> None:
        """Pause one that is being decided, or resume one that is paused, if there is any and somebody answers."""
        with contextlib.suppress(Exception):  # PostgreSQL may have fallen, and what matters is the account at the end
            campaigns = self._site.sql(
                "SELECT id, paused_at IS NOT NULL FROM notifications WHERE per_minute IS NOT NULL"
                " AND state IN ('deciding', 'sending')"
            )
            which, is_paused = self._chance.choice(campaigns)
            self.paused += self._do(which, "resume" if is_paused else "pause") and not is_paused

    def resume_all(self) -> None:
        """Resume each that is paused still."""
        for (which,) in self._site.sql("SELECT id FROM notifications WHERE paused_at IS NOT NULL"):
            until(lambda which=which: self._do(which, "resume"), within=60, what="the API resumes")

    def _do(self, which: object, what: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            answer = self._client.post(f"/v1/notifications/{which}/{what}", headers={"idempotency-key": str(new_id())})
            return answer.is_success or answer.status_code == httpx.codes.CONFLICT
        return False


def trouble(apart: Apart, chance: random.Random) -> None:
    """Have some provider hang, drop the line, or fail, before it takes the next message or after."""
    action, how = chance.choice(
        (
            ("hang_next", {"seconds": 40, "accept": True}),
            ("hang_next", {"seconds": 40, "accept": False}),
            ("accept_then_drop_next", {"times": 2}),
            ("accept_then_fail_next", {"times": 2}),
            ("fail_next", {"status": 503, "times": 2}),
            ("fail_next", {"status": 429, "times": 2, "retry_after": 1}),
        )
    )
    _control(chance.choice(apart.addresses), action, how)


def calm(apart: Apart) -> None:
    """Let providers behave well. Beside an open breaker, which tries one message a minute, trouble piles up."""
    for provider in apart.addresses:
        _control(provider, "reset", {})


def _control(provider: str, action: str, how: Mapping[str, Any]) -> None:
    with contextlib.suppress(httpx.HTTPError):  # it may have fallen
        httpx.post(f"{provider}/_control/{action}", json=how, timeout=5.0, trust_env=False)


def account(site: Site, apart: Apart, mix: Mix) -> dict[str, int]:
    """Compare the ledger with what the providers took; returns how many messages ended how, and how many were doubled.

    Of mails and pushes a copy names its message; of text messages, whoever has the number was told one thing.
    """
    took, texts = _taken(apart)
    rows, wrong, found = site.sql(_LEDGER), [], Counter[str]()
    for message_id, channel, kind, status, code, number, unknown, sent in rows:
        copies = texts.pop(phone(number), 0) if channel == "sms" else took.pop((channel, message_id), 0)
        may_repeat = channel == "push" or message_types.when_unknown(kind) == "repeat"
        has_its_end = {
            "sent": sent and copies,
            "unknown": unknown,  # left to people, who are told
            "failed": message_types.carries_code(kind) and not copies,  # whoever waited has asked for another
            "suppressed": not copies and (code in {"digested", "digest_empty"} or message_types.carries_code(kind)),
        }.get(status)
        is_once = copies <= 1 or (may_repeat and copies <= sent + unknown)
        if not (has_its_end and is_once):
            wrong.append((channel, kind, status, code, f"{sent} sent, {unknown} unknown, taken {copies} times"))
        found.update((status if code is None else code,) + (("doubled, as its type allows",) if copies > 1 else ()))
    assert wrong == [], wrong[:20]
    assert {**took, **texts} == {}, "providers took what no ledger has"
    assert site.sql(_COPIES) == [(1, mix.messages)]
    assert site.count("inbox_items") == mix.items
    assert site.sql(_MISCOUNTED) == [(0,)]
    return dict(found)


def _taken(apart: Apart) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    mails, texts, pushes = apart.taken()
    took = Counter(("email", str(one.message["CustomID"])) for one in mails)
    took.update(("push", str(one.message["android"]["notification"]["tag"])) for one in pushes)
    return took, Counter(str(one.message["To"]) for one in texts)


def news(site: Site, apart: Apart, mix: Mix) -> None:
    """Each item of news is told in one digest, or waits in one window for the next."""
    told: dict[int, Counter[str]] = defaultdict(Counter)
    for one in {str(mail.message["CustomID"]): mail for mail in apart.taken()[0]}.values():
        number = int(one.message["To"][0]["Email"].partition("@")[0].removeprefix("singer"))
        if number in mix.readers:
            text = one.message["TextPart"]
            told[number].update(key for key in mix.keys if f"News ({key})" in text)
    kept: Mapping[int, int] = dict(site.sql(_KEPT))  # type: ignore[arg-type] # pairs
    wrong = {
        number: (dict(told[number]), kept.get(number, 0))
        for number in mix.readers
        if set(told[number].values()) - {1} or len(told[number]) + kept.get(number, 0) != NEWS
    }
    assert wrong == {}
    assert told, "no digest came"
