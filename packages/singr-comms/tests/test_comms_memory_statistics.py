"""What memory counts of one reader's messages is what the database counts, and how it moves with time."""

import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from comms_both import Both
from sqlalchemy import text
from test_comms_memory import ADA, ORGANIZATION, SEALER, SMS, START, put
from test_comms_memory_as_database import NAMES, TOKEN, _choose, both  # noqa: F401 - a fixture

from singr_comms.notifications import DeliveryStatistics, QuestionError
from singr_comms.notifying import Audience, Target, notify
from singr_comms.people import PreferenceChoice, RecipientNotFoundError, erase_recipient, recipient_statistics
from singr_comms.testing import MemoryNotifications
from singr_jobs import PermanentError, RetryLater

_QUEUED = text("SELECT id, channel FROM messages WHERE status = 'queued' ORDER BY id")
BARE = [
    Target(email="ada@example.org"),
    Target(email="ADA@example.org"),
    Target(phone="+15555550101"),
    Target(device=TOKEN.format(1)),
    Target(email="jane@example.org"),
]


async def _send(both: Both) -> None:  # noqa: F811 - the fixture
    """Let the database's messages go, as memory's have."""
    async with both.crowd.db.platform() as session:
        queued = (await session.execute(_QUEUED)).all()
    for one in queued:
        with suppress(PermanentError, RetryLater):  # it is refused, or waits
            which = {"organization_id": both.crowd.organization, "is_last_attempt": True}
            await both.bench.sender().send(one.channel, one.id, **which)


async def _told(where: Any, both: Both, name: str, *by: str) -> Any:  # noqa: F811 - the fixture
    now = both.outbox.now
    asked = {"by": by, "since": now - timedelta(days=1), "until": now + timedelta(hours=3), "sealer": both.crowd.sealer}
    async with where.tenant(both.crowd.organization) as session:
        try:
            found: DeliveryStatistics = await recipient_statistics(session, name, **asked)
        except (QuestionError, RecipientNotFoundError) as error:
            return str(error)
    groups = [(one.type, one.channel, one.messages, one.states, one.reasons, one.rates) for one in found.items]
    return found.from_time, found.to_time, found.since, found.is_whole, sorted(groups, key=repr)


async def test_everybodys_are_the_same_in_memory_and_in_a_database(both: Both) -> None:  # noqa: F811 - the fixture
    draw, states = random.Random(3), Counter[str]()
    wanted = [PreferenceChoice(scope="type", name="plain", channel="inbox", allowed=True)]
    await both.do(lambda session: _choose(session, "bob", wanted))
    for _ in range(18):
        whom: Any = Audience(all=True)
        if draw.random() < 0.8:
            whom = [draw.choice([*BARE, *(Target(recipient=name) for name in NAMES)]) for _ in range(18)]
        ways = draw.sample(["email", "sms", "push", "inbox"], 2)
        options = {"channels": ways, "data": {"title": "You", "text": "Come on."}}
        await both.tell(whom, **({"what": "plain", **options} if "push" in ways or "inbox" in ways else {"what": SMS}))
    await _send(both)
    for name in (*NAMES, "nobody"):
        for by in ((), ("channel",), ("channel", "type"), ("user",), ("channel", "channel")):
            here = await _told(both.outbox, both, name, *by)
            assert here == await _told(both.crowd.db, both, name, *by), (name, by)
            if by == ("channel",) and not isinstance(here, str):
                states.update(
                    state for group in here[-1] for state in group[3].__struct_fields__ if getattr(group[3], state)
                )
    assert set(states) >= {"sent", "delivered", "suppressed", "queued"}


async def test_they_are_counted_on_the_day_that_memory_has() -> None:
    outbox = MemoryNotifications(now=START)
    await put(outbox, ada=ADA)
    for _ in range(2):
        async with outbox.tenant(ORGANIZATION) as session:
            await notify(session, SMS, Target(recipient="ada"), sealer=SEALER)
        await outbox.advance(timedelta(days=1))
    async with outbox.tenant(ORGANIZATION) as session:
        asked: dict[str, Any] = {"sealer": SEALER, "until": outbox.now, "by": ["day", "provider"]}
        found = await recipient_statistics(session, "ada", since=START - timedelta(days=2), **asked)
        later = await recipient_statistics(session, "ada", since=START + timedelta(days=1), **asked)
        days = [(one.day, one.provider, one.states.sent) for one in found.items]
        assert days == [(f"{START + timedelta(days=one):%Y-%m-%d}", "memory", 1) for one in (1, 0)]
        assert (found.counted_at, [one.messages for one in later.items]) == (outbox.now, [1])
        await erase_recipient(session, "ada", sealer=SEALER)
        with pytest.raises(RecipientNotFoundError):
            await recipient_statistics(session, "ada", since=START, **asked)
