"""What people ended themselves holds for their addresses, also when their row goes: in memory as in a database."""

from typing import Any
from uuid import UUID

import pytest
from comms_both import Accounts, Both
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms.channels import in_order
from singr_comms.notifying import Target
from singr_comms.people import (
    NamedRecipient,
    PreferenceChoice,
    RecipientInput,
    as_reader,
    change_preferences,
    erase_recipient,
    import_recipients,
    preferences_holder,
    put_recipient,
    read_preferences,
    remove_recipient,
)

JANE, PHONE = "jane@example.org", "+15555550177"
OFF = PreferenceChoice(scope="category", name="general", channel="email", allowed=False)
ON = PreferenceChoice(scope="category", name="general", channel="email", allowed=True)


@pytest.fixture
async def both(bench: Any) -> Both:
    return Both(await Crowd.of(bench), bench)


async def put(both: Both, name: str, email: str | None = JANE, account: int | None = None) -> None:
    given = RecipientInput(email=email, phone=PHONE, user_id=UUID(int=account) if account else None)

    async def keep(session: Any) -> Any:
        return (await put_recipient(session, name, given, sealer=both.crowd.sealer, directory=Accounts()))[1]

    await both.do(keep)


async def choose(
    both: Both, name: str, *choices: PreferenceChoice, source: Any = "recipient", reads: Any = (JANE, PHONE)
) -> None:
    async def change(session: Any) -> Any:
        holder = await preferences_holder(session, name)
        if source != "organization":
            holder = as_reader(session, holder, reads, sealer=both.crowd.sealer)
        return (await change_preferences(session, holder, choices, source=source)).types

    await both.do(change)


async def rules(both: Both, name: str, type_: str = "plain") -> dict[str, tuple[bool, str]]:
    """What comes of it by mail and text message, on both, where nothing is chosen."""
    found: list[Any] = []

    async def read(session: Any) -> Any:
        found.append(await read_preferences(session, await preferences_holder(session, name)))
        return found[-1].categories, found[-1].types

    await both.do(read)
    [one] = [one for one in found[-1].types if one.type == type_]
    return {way.channel: (way.allowed, way.rule) for way in one.channels if way.channel in {"email", "sms"}}


async def told(both: Both, name: str, channel: str = "email") -> str | None:
    """Why a message is not sent; None where it is."""
    data = {"text": "Come on."} if channel == "sms" else {"title": "You", "text": "Come on."}
    await both.tell([Target(recipient=name)], what="plain", data=data, channels=[channel])
    in_memory, stored = await both.came_to(*both.told[-1])
    assert in_memory == stored
    return stored[0][3]  # type: ignore[no-any-return] # a code


async def _deleted(both: Both) -> str:
    await both.do(lambda session: remove_recipient(session, "u-1"))
    await put(both, "u-1")
    return "u-1"


async def _erased(both: Both) -> str:
    async def erase(session: Any) -> None:
        await erase_recipient(session, "u-1", sealer=both.crowd.sealer)

    await both.do(erase)
    await put(both, "u-2")
    return "u-2"


async def _given_to_another_account(both: Both) -> str:
    given = [NamedRecipient(external_id="u-1", email=JANE, phone=PHONE, user_id=UUID(int=2))]
    await both.do(lambda session: _import(session, given, both))
    return "u-1"


async def _import(session: Any, given: list[NamedRecipient], both: Both) -> Any:
    return await import_recipients(session, given, sealer=both.crowd.sealer, directory=Accounts())


async def _changed(both: Both) -> str:
    await put(both, "u-1", "new@example.org", 1)
    assert (await rules(both, "u-1"))["email"] == (False, "recipient:category+channel"), "they take it with them"
    await put(both, "u-2", JANE.title())
    return "u-2"


@pytest.mark.parametrize("source", ["unsubscribe", "link"])
@pytest.mark.parametrize("leave", [_deleted, _erased, _given_to_another_account, _changed])
async def test_who_ended_a_category_and_is_put_again_gets_none_of_it_until_they_switch_it_on(
    both: Both, leave: Any, source: str
) -> None:
    await put(both, "u-1", account=1)
    await choose(both, "u-1", OFF, source=source)
    assert await told(both, "u-1") == "opt_out"
    name = await leave(both)
    assert await rules(both, name) == {"email": (False, "suppression"), "sms": (True, "type")}
    assert (await told(both, name), await told(both, name, "sms")) == ("opt_out", None)
    await choose(both, name, ON, source="organization")
    assert await told(both, name) == "opt_out", "an organization lifts it as suppressions are lifted"
    await choose(both, name, ON)
    assert (await rules(both, name))["email"] == (True, "recipient:category+channel")
    assert await told(both, name) is None


async def test_channels_are_told_in_one_order_whatever_types_a_category_has(both: Both) -> None:
    await put(both, "u-1")
    async with both.crowd.db.tenant(both.crowd.organization) as session:
        view = await read_preferences(session, await preferences_holder(session, "u-1"))
    told = {tuple(way.channel for way in one.channels) for one in (*view.categories, *view.types)}
    assert ("email", "sms", "push", "inbox") in told
    assert told == {in_order(ways) for ways in told}
    assert in_order(["inbox", "push", "email", "push"]) == ("email", "push", "inbox")


@pytest.mark.parametrize("source", ["unsubscribe", "link"])
async def test_what_is_ended_by_a_link_holds_for_its_address_whichever_recipient_has_it(
    both: Both, source: str
) -> None:
    await put(both, "u-1")
    await put(both, "u-2", JANE.title())
    await put(both, "u-3", "joe@example.org")
    await choose(both, "u-1", OFF, source=source, reads=(JANE,))
    assert (await rules(both, "u-1"))["email"] == (False, "recipient:category+channel")
    assert await rules(both, "u-2") == {"email": (False, "suppression"), "sms": (True, "type")}
    assert (await rules(both, "u-3"))["email"] == (True, "type")
    assert [await told(both, name) for name in ("u-1", "u-2", "u-3")] == ["opt_out", "opt_out", None]
    assert (await rules(both, "u-2", "song_request"))["email"] == (True, "type"), "another category"
    await choose(both, "u-2", ON, reads=("joe@example.org",))
    assert await told(both, "u-2") == "opt_out", "who does not read the address lifts nothing of it"
    await choose(both, "u-2", ON, source=source, reads=(JANE,))
    assert [await told(both, name) for name in ("u-1", "u-2")] == ["preference", None], "what u-1 chose is theirs"


async def test_what_somebody_switches_off_signed_in_is_theirs_alone_and_types_end_for_no_address(both: Both) -> None:
    await put(both, "u-1")
    await put(both, "u-2")
    await choose(both, "u-1", OFF)
    await choose(both, "u-1", PreferenceChoice(scope="type", name="song_request", allowed=False), source="link")
    assert await rules(both, "u-2") == dict.fromkeys(("email", "sms"), (True, "type"))
    assert (await rules(both, "u-2", "song_request"))["email"] == (True, "type")


async def test_everything_off_goes_on_by_category_for_both_addresses(both: Both) -> None:
    await put(both, "u-1", account=1)
    await choose(both, "u-1", PreferenceChoice(scope="all", allowed=False))
    name = await _deleted(both)
    assert await rules(both, name) == dict.fromkeys(("email", "sms"), (False, "suppression"))
    assert (await told(both, name), await told(both, name, "sms")) == ("opt_out", "opt_out")
    assert (await rules(both, name, "song_request"))["email"] == (False, "suppression")


async def test_what_the_organization_switched_off_goes_with_the_row(both: Both) -> None:
    await put(both, "u-1", account=1)
    await choose(both, "u-1", OFF, source="organization")
    assert (await rules(both, await _deleted(both)))["email"] == (True, "type")


async def test_a_single_type_that_is_switched_on_leaves_the_rest_of_its_category_off(both: Both) -> None:
    await put(both, "u-1", account=1)
    await choose(both, "u-1", OFF)
    name = await _deleted(both)
    await choose(both, name, PreferenceChoice(scope="type", name="plain", allowed=True))
    assert (await rules(both, name))["email"] == (True, "recipient:type+channel")
    assert await told(both, name) is None
    await choose(both, name, PreferenceChoice(scope="type", name="plain", channel="email", allowed=None))
    assert (await rules(both, name))["email"] == (False, "recipient:category+channel")


async def test_lists_that_are_taken_off_and_put_again_say_it_once(both: Both) -> None:
    await put(both, "u-1", account=1)
    await choose(both, "u-1", OFF, source="unsubscribe")
    for _ in range(2):
        await _deleted(both)
    async with both.crowd.db.platform() as session:
        rows = (await session.execute(text("SELECT channel, scope, reason, address_masked FROM suppressions"))).all()
    assert [tuple(row) for row in rows] == [("email", "category:general", "unsubscribed", "j***@example.org")]


@pytest.mark.parametrize("source", ["recipient", "link"])
@pytest.mark.parametrize("reads", [(), ("other@example.org",)])
async def test_choices_of_who_has_not_shown_to_read_an_address_are_kept_and_lift_nothing_of_it(
    both: Both, source: str, reads: tuple[str, ...]
) -> None:
    await put(both, "u-1", account=1)
    await choose(both, "u-1", OFF, source="unsubscribe")
    name = await _deleted(both)
    for on in (ON, PreferenceChoice(scope="all", allowed=True)):
        await choose(both, name, on, source=source, reads=reads)
        assert (await rules(both, name))["email"] == (False, "suppression")
    assert await told(both, name) == "opt_out"
    await choose(both, name, ON, source=source, reads=(JANE.title(),))
    assert (await rules(both, name))["email"] == (True, "recipient:category+channel")
    assert await told(both, name) is None


@pytest.mark.parametrize("taken_back", [True, None])
@pytest.mark.parametrize(("said", "source"), [("unsubscribe", "recipient"), ("link", "link"), ("recipient", "link")])
async def test_no_that_was_said_at_an_address_holds_for_it_whatever_somebody_else_chooses_for_the_recipient(
    both: Both, said: str, source: str, taken_back: Any
) -> None:
    await put(both, "u-1", account=1)
    await choose(both, "u-1", OFF, source=said)
    on = PreferenceChoice(scope="category", name="general", channel="email", allowed=taken_back)
    await choose(both, "u-1", on, source=source, reads=("other@example.org",))
    assert (await rules(both, "u-1"))["email"] == (False, "suppression")
    assert await told(both, "u-1") == "opt_out"
    assert await told(both, "u-1", "sms") is None
    await choose(both, "u-1", ON)
    assert await told(both, "u-1") is None


async def test_what_somebody_switched_off_signed_in_they_switch_on_signed_in_wherever_they_are_written_to(
    both: Both,
) -> None:
    await put(both, "u-1", account=1)
    for choice in (OFF, ON):
        await choose(both, "u-1", choice, reads=())
    assert (await rules(both, "u-1"))["email"] == (True, "recipient:category+channel")
    assert await told(both, "u-1") is None
