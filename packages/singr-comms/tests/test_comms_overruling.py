"""What people switched off themselves: an organization switches it on with a note alone, as a suppression is lifted."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from comms_queueing import ORGANIZATION, SEALER
from comms_waiting import all_stand

from singr_comms.people import (
    PreferenceChoice,
    PreferenceError,
    RecipientInput,
    change_preferences,
    preferences_holder,
    put_recipient,
)
from singr_db import Database
from singr_db.operation_log import ReasonError, list_operations

NOTE = "They asked for it by phone."


def choice(scope: Any, name: str | None, channel: str | None, *, allowed: bool | None) -> PreferenceChoice:
    return PreferenceChoice(scope=scope, name=name, channel=channel, allowed=allowed)


OFF = choice("category", "requests", "email", allowed=False)
ON = choice("category", "requests", "email", allowed=True)


async def choose(session: Any, *choices: PreferenceChoice, source: Any = "organization", **note: str) -> set[Any]:
    holder = await preferences_holder(session, "u-1")
    view = await change_preferences(session, holder, choices, source=source, **note)
    return {(one.scope, one.name, one.channel, one.allowed, one.source) for one in view.choices}


@pytest.fixture
async def off(tenant: Callable[[], Any]) -> Callable[[], Any]:
    """Somebody who wants no mails about requests."""
    async with tenant() as session:
        await put_recipient(session, "u-1", RecipientInput(email="jane@example.org"), sealer=SEALER)
        await choose(session, OFF, source="unsubscribe")
    return tenant


@pytest.mark.parametrize(
    "over",
    [ON, choice("category", "requests", "email", allowed=None), choice("type", "song_request", "email", allowed=True)],
    ids=["on", "cleared", "narrower"],
)
async def test_own_no_is_overruled_with_a_note_alone(off: Callable[[], Any], over: PreferenceChoice) -> None:
    kept = ("category", "requests", "email", False, "unsubscribe")
    elsewhere = choice("category", "stock", None, allowed=False)
    for note, refused in (({}, PreferenceError), ({"note": "two\nlines"}, ReasonError)):
        async with off() as session:
            with pytest.raises(refused) as told:
                await choose(session, elsewhere, over, **note)
            if refused is PreferenceError:
                assert [(one.field, one.code) for one in told.value.faults] == [("choices[1].allowed", "required")]
                assert "switched this off themselves" in str(told.value)
            assert await choose(session) == {kept}
    async with off() as session:
        now = await choose(session, over, note=NOTE)
        assert (kept in now) == (over.scope == "type")
        assert ((over.scope, over.name, over.channel, True, "organization") in now) == bool(over.allowed)


async def test_own_no_to_a_type_is_overruled_by_a_channel_of_its_category_with_a_note_alone(
    tenant: Callable[[], Any],
) -> None:
    """The pair with the channel outweighs a type: it is sent again, as by the type's own yes."""
    async with tenant() as session:
        await put_recipient(session, "u-1", RecipientInput(email="jane@example.org"), sealer=SEALER)
        await choose(session, choice("type", "song_request", None, allowed=False), source="recipient")
        with pytest.raises(PreferenceError):
            await choose(session, ON)
        assert ("category", "requests", "email", True, "organization") in await choose(session, ON, note=NOTE)
        await choose(session, choice("category", "requests", None, allowed=True))  # outweighs nothing


async def test_own_no_said_once_more_by_an_organization_stays_the_persons(off: Callable[[], Any]) -> None:
    async with off() as session:
        wider = choice("category", "requests", None, allowed=True)
        assert await choose(session, OFF, wider) == {
            ("category", "requests", "email", False, "unsubscribe"),
            ("category", "requests", None, True, "organization"),
        }
        with pytest.raises(PreferenceError):
            await choose(session, ON)
        assert ("category", "requests", "email", True, "recipient") in await choose(session, ON, source="recipient")
        assert ("category", "requests", "email", False, "organization") in await choose(session, OFF)
        assert ("category", "requests", "email", True, "organization") in await choose(session, ON)


async def test_a_no_that_is_being_said_is_not_overruled_without_a_note(blue_note: None, db: Database) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(email="jane@example.org"), sealer=SEALER)

    async def overrule() -> None:
        async with db.tenant(ORGANIZATION) as session:
            await choose(session, ON)

    async with db.tenant(ORGANIZATION) as session:
        await choose(session, OFF, source="recipient")
        overruling = asyncio.create_task(overrule())
        await all_stand(db, [overruling])
    with pytest.raises(PreferenceError):
        await overruling
    async with db.tenant(ORGANIZATION) as session:
        assert await choose(session) == {("category", "requests", "email", False, "recipient")}


async def test_overruling_is_put_down_with_what_it_overruled(blue_note: None, db: Database) -> None:
    async with db.tenant(ORGANIZATION) as session:
        view, _ = await put_recipient(session, "u-1", RecipientInput(email="jane@example.org"), sealer=SEALER)
        await choose(session, OFF, source="recipient")
        await choose(session, ON, note=NOTE)
    async with db.platform() as session:
        [line] = (await list_operations(session, limit=5, kind="preference.overrule")).items
    assert (line.organization_id, line.target, line.reason) == (ORGANIZATION, str(view.id), NOTE)
    place = {"scope": "category", "name": "requests", "channel": "email"}
    assert line.before == {"choices": [place | {"allowed": False, "source": "recipient"}]}
    assert line.after == {"choices": [place | {"allowed": True}]}
