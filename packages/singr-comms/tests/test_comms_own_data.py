"""Data of somebody's own costs what it brings: common data is not stored a thousand times for a small request."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from comms_crowds import Crowd
from sqlalchemy import event, text

from singr_comms.messages.plain import PlainEmail
from singr_comms.notifications._rows import CONTENT
from singr_comms.notifying import InvalidNotificationError, NotificationRequest, Target, notify
from singr_comms.notifying._asked import MOST_BYTES
from singr_comms.notifying.checking import look_at
from singr_comms.people import RecipientInput, put_recipient
from singr_comms.testing import MemoryNotifications

LONG = {"title": "x", "text": "ä" * 10_000}
NAMES = [f"u-{number:04}" for number in range(300)]
REMEDY = "all of that is at most 4,194,304 bytes: name fewer in one notification, or leave out what is long"
STORED = text("SELECT ordinal, channel, content_sealed FROM notification_contents WHERE notification_id = :id")
ROWS = text("SELECT (SELECT count(*) FROM notifications) + (SELECT count(*) FROM notification_contents)")


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    found = await Crowd.of(bench)
    await found.add(*NAMES)
    return found


async def stored(crowd: Crowd, notification_id: UUID) -> dict[int, PlainEmail]:
    """What is to be said by e-mail, by ordinal."""
    async with crowd.db.platform() as session:
        rows = (await session.execute(STORED, {"id": notification_id})).all()
    opened = {row.ordinal: crowd.sealer.open(row.content_sealed, context=CONTENT) for row in rows}
    return {ordinal: msgspec.json.decode(said, type=PlainEmail) for ordinal, said in opened.items()}


@pytest.mark.parametrize("own", [{}, {"title": "x"}, {**LONG}], ids=["empty", "one the same", "all the same"])
async def test_data_that_changes_nothing_is_stored_once_for_all_who_have_it(crowd: Crowd, own: dict[str, Any]) -> None:
    to = [*(Target(recipient=name, data=own) for name in NAMES), Target(email="bare@example.org", data=own)]
    told = await crowd.tell("plain", to, channels=["email"], data=LONG)
    assert [*await stored(crowd, told.id)] == [0]


async def test_everybody_is_told_their_own_beside_what_all_are_told(crowd: Crowd) -> None:
    own: list[dict[str, Any] | None] = [None, {}, {"title": "x"}, {"title": "yours"}, {"text": "ö", "link": None}]
    to = [Target(recipient=name, data=data) for name, data in zip(NAMES, own, strict=False)]
    told = await crowd.tell("plain", to, channels=["email"], data=LONG)
    said = {0: PlainEmail(**LONG), 4: PlainEmail(**LONG | {"title": "yours"}), 5: PlainEmail(title="x", text="ö")}
    assert await stored(crowd, told.id) == said


async def test_true_is_not_one_though_they_are_equal(crowd: Crowd) -> None:
    to = [Target(recipient=NAMES[0], data={"more": True}), Target(recipient=NAMES[1])]
    with pytest.raises(InvalidNotificationError) as caught:
        await crowd.tell("digest", to, channels=["email"], data={"more": 1})
    assert "to[0].data.more" in [one.field for one in caught.value.faults]


@pytest.mark.parametrize("bare", [False, True], ids=["recipients", "bare addresses"])
async def test_common_data_that_would_be_stored_hundreds_of_times_is_refused_and_nothing_is_stored(
    crowd: Crowd, *, bare: bool
) -> None:
    who = [Target(email=f"{name}@example.org") if bare else Target(recipient=name) for name in NAMES]
    to = [msgspec.structs.replace(one, data={"title": str(place)}) for place, one in enumerate(who)]
    outbox = MemoryNotifications()
    async with outbox.tenant(crowd.organization) as session:
        for name in NAMES:
            await put_recipient(session, name, RecipientInput(email=f"{name}@example.org"), sealer=crowd.sealer)
    for where in (outbox, crowd.db):
        with pytest.raises(InvalidNotificationError, match=REMEDY) as caught:
            async with where.tenant(crowd.organization) as session:
                await notify(session, "plain", to, sealer=crowd.sealer, channels=["email"], data=LONG)
        assert [(one.field, one.code) for one in caught.value.faults] == [("to", "out_of_range")]
    async with crowd.db.platform() as session:
        assert await session.scalar(ROWS) == 0
    assert not outbox.messages


def test_what_is_too_much_is_looked_at_no_further() -> None:
    to = [Target(recipient=str(place), data={"title": str(place)}) for place in range(1_000)]
    asked = NotificationRequest(type="plain", to=to, channels=["email"], data=LONG)
    looked = look_at(asked, allow_test=True)
    assert looked.checked is not None
    assert sum(len(msgspec.json.encode(said)) for said in looked.checked.contents.values()) <= MOST_BYTES


async def test_as_much_as_is_allowed_is_handed_over_as_bytes_and_kept_apart(crowd: Crowd) -> None:
    to = [Target(recipient=name, data={"title": name}) for name in NAMES[:200]]
    handed: list[Any] = []
    engine = crowd.db.engine.sync_engine

    def listen(_connection: Any, _cursor: Any, _statement: str, values: Any, *_: Any) -> None:
        handed.extend(values.values() if isinstance(values, dict) else values)

    event.listen(engine, "before_cursor_execute", listen)
    try:
        told = await crowd.tell("plain", to, channels=["email"], data=LONG)
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    in_lists = [item for values in handed if isinstance(values, list) for item in values]
    assert max(len(item) for item in in_lists if isinstance(item, bytes | str)) < 1_000, "an array is written as text"
    said = await stored(crowd, told.id)
    assert [said[ordinal].title for ordinal in sorted(said)] == NAMES[:200]
