"""Crowds for tests of notifications: recipients, devices and topics, made a thousand at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import event, text

from singr_comms import EmailAddress
from singr_comms.channels import CHANNELS
from singr_comms.notifications._rows import RECIPIENT, recipient_hash
from singr_comms.notifying import FanOut, Notified, notify
from singr_db import Database, Sealer, new_id

_RECIPIENT = text("""
INSERT INTO recipients (id, organization_id, external_id, user_id, email_sealed, email_hash, email_masked,
                        phone_sealed, phone_hash, phone_masked, locale, tags, key_id)
VALUES (:id, :organization, :name, :user_id, :email_sealed, :email_hash, :email_masked, :phone_sealed, :phone_hash,
        :phone_masked, 'de', :tags, :id)
""")
_DEVICE = text("""
INSERT INTO push_devices (id, organization_id, recipient_id, token_sealed, token_hash, token_masked, platform)
VALUES (:id, :organization, :recipient, :sealed, :hash, :masked, 'ios')
""")
_TOPIC = text("INSERT INTO topics (id, organization_id, key) VALUES (:id, :organization, :key)")
_MEMBER = text(
    "INSERT INTO topic_members (topic_id, recipient_id, organization_id) VALUES (:topic, :recipient, :organization)"
)
_MESSAGES = text("""
SELECT m.channel, m.status, m.error ->> 'code' AS code, m.error ->> 'rule' AS rule, r.external_id, m.job_id, m.id,
       m.recipient_masked, m.expires_at, m.content_sealed, m.recipient_sealed, j.status AS job, j.type AS job_type
  FROM messages AS m LEFT JOIN recipients AS r ON r.id = m.recipient_id LEFT JOIN jobs AS j ON j.id = m.job_id
 WHERE m.notification_id = :id ORDER BY r.external_id, m.recipient_masked, m.channel, m.id
""")


class KilledError(BaseException):
    """The process is gone."""


@contextmanager
def dying(crowd: "Crowd", lives: int) -> Iterator[None]:
    """Let it be gone before one of the statements to come, commits among them; what is open is undone with it."""
    left = lives

    def count(*_: Any) -> None:
        nonlocal left
        if left == 0:
            raise KilledError
        left -= 1

    for what in ("before_cursor_execute", "commit"):
        event.listen(crowd.db.engine.sync_engine, what, count)
    try:
        yield
    finally:
        for what in ("before_cursor_execute", "commit"):
            event.remove(crowd.db.engine.sync_engine, what, count)


class Crowd:
    """An organization's recipients, and what is told to them."""

    def __init__(self, db: Database, sealer: Sealer, organization: UUID) -> None:
        self.db, self.sealer, self.organization = db, sealer, organization
        self.ids: dict[str, UUID] = {}

    @classmethod
    async def of(cls, bench: Any) -> "Crowd":
        """The organization of a bench, written down."""
        found = cls(bench.db, bench.sealer, bench.organization)
        await found.run("INSERT INTO organizations (id, name, slug) VALUES (:organization, 'Farms', 'farms')")
        return found

    async def run(self, statement: str, **values: Any) -> None:
        """Change what is stored; `:organization` is this one."""
        async with self.db.platform() as session:
            await session.execute(text(statement), values | {"organization": self.organization})

    async def add(self, *names: str, phone: bool = True, email: bool = True, tags: list[str] | None = None) -> None:
        """Recipients of these ids, each with an address of its own."""
        rows = []
        for number, name in enumerate(names, start=len(self.ids)):
            self.ids[name] = new_id()
            row = {"id": self.ids[name], "organization": self.organization, "name": name, "user_id": new_id()}
            row |= self._sealed("email", EmailAddress(f"{name}@example.org") if email else None)
            row |= self._sealed("phone", f"+1555555{number:04}" if phone else None)
            rows.append(row | {"tags": tags or []})
        async with self.db.platform() as session:
            await session.execute(_RECIPIENT, rows)

    def _sealed(self, name: str, to: Any) -> dict[str, Any]:
        channel = CHANNELS["email" if name == "email" else "sms"]
        if to is None:
            return dict.fromkeys((f"{name}_sealed", f"{name}_hash", f"{name}_masked"))
        return {
            f"{name}_sealed": self.sealer.seal(channel.encoded(to), context=RECIPIENT),
            f"{name}_hash": recipient_hash(self.sealer, channel.address(to)),
            f"{name}_masked": channel.masked(to),
        }

    async def device(self, name: str, token: str) -> None:
        """A device of somebody's."""
        channel = CHANNELS["push"]
        row = {
            "id": new_id(),
            "organization": self.organization,
            "recipient": self.ids[name],
            "sealed": self.sealer.seal(channel.encoded(token), context=RECIPIENT),
            "hash": recipient_hash(self.sealer, token),
            "masked": channel.masked(token),
        }
        async with self.db.platform() as session:
            await session.execute(_DEVICE, row)

    async def topic(self, key: str, *names: str) -> UUID:
        """A topic with members."""
        topic_id = new_id()
        async with self.db.platform() as session:
            await session.execute(_TOPIC, {"id": topic_id, "organization": self.organization, "key": key})
        await self.join(topic_id, *names)
        return topic_id

    async def join(self, topic_id: UUID, *names: str) -> None:
        """More members."""
        rows = [{"topic": topic_id, "recipient": self.ids[one], "organization": self.organization} for one in names]
        async with self.db.platform() as session:
            await session.execute(_MEMBER, rows)

    async def tell(self, what: Any, to: Any, **options: Any) -> Notified:
        """Ask for a notification."""
        async with self.db.tenant(self.organization) as session:
            return await notify(session, what, to, sealer=self.sealer, **options)

    async def decide(self, told: Notified, *, turn: int = 1, bite: int = 1_000) -> int:
        """Let it be decided."""
        return await FanOut(self.db, bite=bite).run(told.id, organization_id=self.organization, turn=turn)

    async def messages(self, told: Notified) -> list[Any]:
        """What became of it."""
        async with self.db.platform() as session:
            return list((await session.execute(_MESSAGES, {"id": told.id})).all())

    async def standing(self, told: Notified) -> Any:
        """Its own row."""
        async with self.db.platform() as session:
            return (await session.execute(text("SELECT * FROM notifications WHERE id = :id"), {"id": told.id})).one()
