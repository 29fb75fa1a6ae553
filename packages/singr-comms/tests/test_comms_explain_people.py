"""Would somebody be told? What a fan-out decides and the last look stops is what is explained, reason for reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from comms_crowds import Crowd
from sqlalchemy import event, text

from singr_comms import PlainPush, SongRequest
from singr_comms.notifications import Explainer, QuestionError, SendingExplanation
from singr_comms.notifications._provider_health import providers_beside
from singr_comms.notifying import Target, explain
from singr_comms.people import PreferenceChoice, PreferencesHolder, change_preferences
from singr_config import LimitSettings
from singr_db import PsycopgPool

SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
PUSH = PlainPush(title="Come on.", text="It begins.")
STOP = """
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)
SELECT gen_random_uuid(), :organization, 'email', email_hash, '***', 'all', 'complained'
  FROM recipients WHERE external_id = :name
"""


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    found = await Crowd.of(bench)
    await found.add("u-1", "u-2")
    await found.add("u-3", phone=False, email=False)
    return found


def explainer(crowd: Crowd, **limits: Any) -> Explainer:
    providers: dict[str, Any] = {name: ["memory"] for name in ("email", "sms", "push")}
    return Explainer(crowd.db, crowd.sealer, limits=LimitSettings(**limits), allow_test=True, **providers)


async def told(crowd: Crowd, what: str = "song_request", channel: str = "email", **whom: Any) -> SendingExplanation:
    async with crowd.db.tenant(crowd.organization) as session:
        return await explain(session, what, channel, explainer=explainer(crowd), **whom)


@contextmanager
def asked_of(crowd: Crowd) -> Iterator[list[str]]:
    """The statements that the database is asked meanwhile."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(crowd.db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(crowd.db.engine.sync_engine, "before_cursor_execute", note)


async def chooses(crowd: Crowd, name: str | None, *choices: PreferenceChoice) -> None:
    holder = PreferencesHolder(organization_id=crowd.organization, recipient_id=(name and crowd.ids[name]) or None)
    async with crowd.db.platform() as session:
        await change_preferences(session, holder, choices, source="recipient")


async def test_what_is_explained_is_what_the_fan_out_decides(crowd: Crowd) -> None:
    await chooses(crowd, "u-1", PreferenceChoice(scope="category", name="requests", channel="email", allowed=False))
    await chooses(crowd, None, PreferenceChoice(scope="all", channel="push", allowed=False))
    await crowd.device("u-1", "device-token:0123456789")
    await crowd.run(STOP, name="u-2")
    names = ("u-1", "u-2", "u-3")
    rows = []
    for said in (SONG, PUSH):
        sent = await crowd.tell(said, [Target(recipient=one) for one in names])
        await crowd.decide(sent)
        rows += await crowd.messages(sent)
    seen = set()
    for row in rows:
        what = "plain" if row.channel == "push" else "song_request"
        found = await told(crowd, what, row.channel, recipient=row.external_id)
        [decides] = [one for one in found.reasons if one.decides]
        assert (decides.code, found.outcome) == (row.code, "stopped")
        assert found.reasons[0] is decides
        assert decides.rule == row.rule
        seen.add((row.external_id, row.channel, row.code))
    assert seen == {
        ("u-1", "email", "preference"),
        ("u-2", "email", "complained_before"),
        ("u-3", "email", "no_address"),
        ("u-1", "push", "preference"),
        ("u-2", "push", "no_device"),
        ("u-3", "push", "no_device"),
    }


async def test_all_reasons_are_told_in_the_order_in_which_they_are_met(crowd: Crowd) -> None:
    await crowd.run(STOP, name="u-2")
    await chooses(crowd, "u-2", PreferenceChoice(scope="all", allowed=False))
    found = await told(crowd, recipient="u-2")
    assert [(one.code, one.rule) for one in found.reasons] == [
        ("complained_before", None),
        ("preference", "recipient:all"),
    ]
    assert found.rule == "recipient:all"
    nowhere = await told(crowd, "plain", "push", recipient="u-2")
    assert [one.code for one in nowhere.reasons] == ["no_device", "preference"]
    assert nowhere.recipient is None


async def test_rule_is_told_of_what_goes_too_and_of_whom_however_they_are_named(crowd: Crowd) -> None:
    async with crowd.db.platform() as session:
        user = await session.scalar(text("SELECT user_id FROM recipients WHERE external_id = 'u-1'"))
    await chooses(crowd, "u-1", PreferenceChoice(scope="type", name="song_request", allowed=True))
    for whom in ({"recipient": "u-1"}, {"user_id": user}):
        found = await told(crowd, **whom)
        assert (found.outcome, found.rule, found.reasons) == ("sent", "recipient:type", ())
        assert found.recipient == "u***@example.org"
    bare = await told(crowd, address="u-1@example.org")
    assert (bare.outcome, bare.rule) == ("sent", None)
    await chooses(crowd, "u-1", PreferenceChoice(scope="all", allowed=False))
    mandatory = await told(crowd, "security_notice", recipient="u-1")
    assert mandatory.rule == "mandatory"


async def test_one_of_several_devices_that_would_get_it_is_told_of(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors: list[Any] = []

    async def noted(pool: PsycopgPool) -> Any:
        doors.append(pool)
        return await providers_beside(pool)

    monkeypatch.setattr("singr_comms.notifications.reading._explain.providers_beside", noted)
    await crowd.device("u-1", "device-token:0123456789")
    await crowd.device("u-1", "device-token:9876543210")
    with asked_of(crowd) as seen:
        found = await told(crowd, "plain", "push", recipient="u-1")
    assert (found.outcome, found.rule) == ("sent", "type")
    assert sum("AS is_theirs" in one for one in seen) == 1, "the first would get it: no other is looked at"
    await chooses(crowd, "u-1", PreferenceChoice(scope="all", allowed=False))
    doors.clear()
    with asked_of(crowd) as seen:
        assert (await told(crowd, "plain", "push", recipient="u-1")).outcome == "stopped"
    assert sum("AS is_theirs" in one for one in seen) == 2
    assert len(doors) == 1


async def test_inbox_has_no_address_and_obeys_what_was_chosen(crowd: Crowd) -> None:
    found = await told(crowd, "plain", "inbox", recipient="u-3")
    assert (found.outcome, found.rule, found.provider) == ("sent", "type", None)
    await chooses(crowd, "u-3", PreferenceChoice(scope="all", channel="inbox", allowed=False))
    [reason] = (await told(crowd, "plain", "inbox", recipient="u-3")).reasons
    assert (reason.code, reason.rule, reason.decides) == ("preference", "recipient:channel", True)
    assert (await told(crowd, "plain", "inbox", recipient="u-99")).outcome == "refused"
    with pytest.raises(QuestionError, match="address must not be given for an inbox"):
        await told(crowd, "plain", "inbox", address="u-1@example.org")


async def test_whoever_is_not_there_is_told_of_and_what_does_not_fit_is_named(crowd: Crowd) -> None:
    found = await told(crowd, recipient="u-99")
    assert (found.outcome, [one.code for one in found.reasons]) == ("refused", ["unknown_recipient"])
    assert (await told(crowd, user_id=uuid4())).outcome == "refused"
    for whom, code in (({}, "required"), ({"recipient": "u-1", "address": "a@b.example"}, "conflicting_fields")):
        with pytest.raises(QuestionError) as error:
            await told(crowd, "nothing", **whom)
        assert [(one.field, one.code) for one in error.value.faults] == [("recipient", code), ("type", "unknown_value")]


async def test_what_is_not_committed_yet_is_explained_in_its_own_transaction(crowd: Crowd) -> None:
    holder = PreferencesHolder(organization_id=crowd.organization, recipient_id=crowd.ids["u-1"])
    async with crowd.db.tenant(crowd.organization) as session:
        await change_preferences(session, holder, [PreferenceChoice(scope="all", allowed=False)], source="organization")
        found = await explain(session, "song_request", "email", explainer=explainer(crowd), recipient="u-1")
        assert found.rule == "recipient:all"
    assert (await told(crowd, "plain", "sms", recipient="u-1")).outcome == "stopped"
