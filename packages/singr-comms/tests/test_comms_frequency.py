"""How often somebody wants to be told: the order of choices, in SQL as in Python, and what a fan-out makes of it."""

import random
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_crowds import Crowd
from sqlalchemy import insert, text
from test_comms_explain_people import explainer
from test_comms_preference_rule import ASKED, OTHERS, PLACES

from singr_comms.catalogue import message_types
from singr_comms.notifications._rows import recipient_hash
from singr_comms.notifying import Digests, Target, explain
from singr_comms.notifying._words import BESIDE, WORDS
from singr_comms.people import (
    FREQUENCY_SQL,
    DefaultDigestTime,
    DigestTime,
    Frequency,
    FrequencyChoice,
    PreferenceChoice,
    PreferenceError,
    PreferencesHolder,
    RecipientInput,
    change_preferences,
    frequency_of,
    preferences_holder,
    put_recipient,
    read_digest_defaults,
    set_digest_defaults,
)
from singr_config.clock import clock
from singr_db import Database, new_id
from singr_db.tables import DigestChoice, Organization, Recipient
from singr_jobs import Priority

Said = dict[str, Frequency]
ALL: list[Frequency] = ["immediate", "daily", "weekly"]


def often(theirs: Said, ours: Said | None = None) -> tuple[Frequency | None, str | None]:
    chosen, defaults = ({PLACES[place]: said for place, said in one.items()} for one in (theirs, ours or {}))
    return tuple(frequency_of(chosen, defaults, **ASKED))  # type: ignore[return-value] # two of them


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ({}, {}, (None, None)),
        ({"all": "weekly"}, {"type+channel": "daily"}, ("weekly", "recipient:all")),
        ({"type": "daily", "all": "weekly"}, {}, ("daily", "recipient:type")),
        ({"type+channel": "immediate", "type": "daily"}, {}, ("immediate", "recipient:type+channel")),
        ({"category+channel": "weekly", "type": "daily"}, {}, ("weekly", "recipient:category+channel")),
        ({"channel": "daily", "category": "weekly"}, {}, ("weekly", "recipient:category")),
        ({}, {"channel": "daily", "all": "weekly"}, ("daily", "organization:channel")),
    ],
)
def test_narrowest_choice_of_the_person_decides_and_then_the_organizations(
    theirs: Said, ours: Said, expected: tuple[Frequency | None, str | None]
) -> None:
    assert often(theirs, ours) == expected


async def test_sql_and_python_say_the_same_of_drawn_choices(db: Database) -> None:
    draw = random.Random(109)

    def drawn() -> Said:
        return {place: draw.choice(ALL) for place in PLACES if draw.random() < 0.35}

    asked = {"type": ASKED["type_"], "category": ASKED["category"], "channel": ASKED["channel"]}
    statement = text(
        "SELECT r.id, often.frequency, often.rule FROM unnest(CAST(:ids AS uuid[])) AS r (id) CROSS JOIN "
        + FREQUENCY_SQL.replace("%(", ":").replace(")s", "")
        + " AS often"
    )
    async with db.platform() as session:
        for ours in ({}, *(drawn() for _ in range(8))):
            organization = new_id()
            session.add(Organization(id=organization, name="Farm", slug=organization.hex))
            await session.flush()
            people = {new_id(): drawn() for _ in range(40)}
            key = {"organization_id": organization}
            rows = [{"id": who, "external_id": who.hex, "key_id": who, **key} for who in people]
            await session.execute(insert(Recipient), rows)
            holders: list[tuple[UUID | None, Said]] = [(None, ours), *people.items()]
            chosen = [
                {**key, "recipient_id": who, "source": "organization", "frequency": frequency}
                | dict(zip(("scope", "name", "channel"), where, strict=True))
                for who, said in holders
                for where, frequency in [
                    *((PLACES[place], one) for place, one in said.items()),
                    *((other, "daily") for other in OTHERS),
                ]
            ]
            await session.execute(insert(DigestChoice), chosen)
            values = {"ids": list(people), **key, **asked}
            found = {
                row.id: (row.frequency, row.rule)
                for row in await session.execute(statement, {**values, "may_wait": True})
            }
            assert found == {who: often(theirs, ours) for who, theirs in people.items()}
            asked_nothing = await session.execute(statement, {**values, "may_wait": False})
            assert {(row.frequency, row.rule) for row in asked_nothing} == {(None, None)}


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients; only Cy has no e-mail address."""
    found = await Crowd.of(bench)
    await found.add("ada", "bob")
    await found.add("cy", email=False)
    return found


async def choose(crowd: Crowd, whose: str | None, frequency: Frequency | None, **where: Any) -> Any:
    where = where or {"scope": "category", "name": "general"}
    async with crowd.db.tenant(crowd.organization) as session:
        if whose is None:
            holder = PreferencesHolder(organization_id=crowd.organization)
        else:
            holder = await preferences_holder(session, whose)
        choice = FrequencyChoice(frequency=frequency, **where)
        return await change_preferences(session, holder, frequencies=[choice], source="recipient")


async def told(crowd: Crowd, **options: Any) -> dict[str, tuple[str | None, str | None]]:
    """What became of a text message to each, and by which rule."""
    to = [Target(recipient=name) for name in crowd.ids]
    data = {"text": "Come on."}
    one = await crowd.tell("plain", to, data=data, **{"channels": ["sms"], **options})
    await crowd.decide(one)
    return {row.external_id: (row.code, row.rule) for row in await crowd.messages(one)}


async def test_what_somebody_chose_goes_before_what_the_sender_asks_for(crowd: Crowd) -> None:
    assert set((await told(crowd)).values()) == {(None, None)}
    assert await told(crowd, digest="daily") == {
        "ada": ("digested", None),
        "bob": ("digested", None),
        "cy": ("no_address", None),
    }
    await choose(crowd, "ada", "weekly")
    await choose(crowd, "bob", "immediate")
    await choose(crowd, "cy", "weekly")
    # Cy has no address for digests, and is rather told at once than not at all, but where the sender wants a digest.
    weekly = ("digested", "recipient:category")
    for digest, cy in (("daily", "no_address"), (None, None)):
        assert await told(crowd, digest=digest) == {"ada": weekly, "bob": (None, None), "cy": (cy, None)}
    await choose(crowd, None, "daily", scope="all")
    await choose(crowd, "bob", None)
    by_default = ("digested", "organization:all")
    assert await told(crowd) == {"ada": weekly, "bob": by_default, "cy": (None, None)}
    assert set((await told(crowd, priority=Priority.HIGH)).values()) == {(None, None)}
    async with crowd.db.platform() as session:
        asked = text("SELECT DISTINCT external_id, period FROM digest_windows JOIN recipients r ON r.id = recipient_id")
        found = {tuple(row) for row in await session.execute(asked)}
    assert found == {("ada", "daily"), ("ada", "weekly"), ("bob", "daily")}


async def test_a_digest_that_would_not_reach_somebody_in_time_is_not_waited_for(crowd: Crowd) -> None:
    later = f"{clock.now() + timedelta(hours=12):%H:%M}"
    async with crowd.db.tenant(crowd.organization) as session:
        await set_digest_defaults(session, DefaultDigestTime(at=later))
    await choose(crowd, None, "weekly", scope="all")
    weekly, at_once = ("digested", "organization:all"), (None, None)
    assert await told(crowd) == {"ada": weekly, "bob": weekly, "cy": at_once}
    assert set((await told(crowd, expires_at=clock.now() + timedelta(hours=1))).values()) == {at_once}
    async with crowd.db.tenant(crowd.organization) as session:
        ada = await preferences_holder(session, "ada")
        no_mail = PreferenceChoice(scope="category", name="general", channel="email", allowed=False)
        await change_preferences(session, ada, [no_mail], source="recipient")
    await suppress(crowd, "bob@example.org")
    assert set((await told(crowd)).values()) == {at_once}
    async with crowd.db.tenant(crowd.organization) as session:
        for name in ("ada", "bob"):
            found = await explain(session, "plain", "sms", explainer=explainer(crowd), recipient=name)
            assert "digested" not in {reason.code for reason in found.reasons}


async def suppress(crowd: Crowd, address: str) -> None:
    values = {"id": new_id(), "organization": crowd.organization, "hash": recipient_hash(crowd.sealer, address)}
    asked = text("""
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)
VALUES (:id, :organization, 'email', :hash, '***', 'all', 'bounced')""")
    async with crowd.db.platform() as session:
        await session.execute(asked, values)


async def test_of_two_frequencies_only_the_window_that_is_kept_in_is_opened_and_each_message_says_so(
    crowd: Crowd,
) -> None:
    await choose(crowd, "ada", "daily", scope="all", channel="email")
    await choose(crowd, "ada", "weekly", scope="all", channel="sms")
    to, data = [Target(recipient="ada")], {"title": "You", "text": "Come on."}
    one = await crowd.tell("plain", to, data=data, channels=["email", "sms"])
    await crowd.decide(one)
    async with crowd.db.platform() as session:
        periods = (await session.scalars(text("SELECT period FROM digest_windows"))).all()
        asked = text("SELECT channel, error FROM messages WHERE notification_id = :id")
        errors = {row.channel: row.error for row in await session.execute(asked, {"id": one.id})}
    assert periods == ["daily"]
    assert errors["email"]["rule"] == "recipient:channel"
    # By its own rule it would come once a week, and it does not.
    assert errors["sms"] == {"code": "digested", "message": WORDS[BESIDE]}


async def test_what_nobody_can_switch_off_goes_at_once_whatever_was_chosen(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    await choose(crowd, "ada", "weekly", scope="all")
    monkeypatch.setattr(message_types.named("plain"), "mandatory", True)
    assert (await told(crowd))["ada"] == (None, None)
    with pytest.raises(PreferenceError, match="cannot wait"):
        await choose(crowd, "ada", "weekly", scope="type", name="plain")


async def test_words_of_what_is_kept_name_the_rule_and_it_is_explained(crowd: Crowd) -> None:
    await choose(crowd, "ada", "weekly", scope="all", channel="sms")
    one = await crowd.tell("plain", [Target(recipient="ada")], data={"text": "Come on."}, channels=["sms"])
    await crowd.decide(one)
    async with crowd.db.tenant(crowd.organization) as session:
        words = await session.scalar(
            text("SELECT error ->> 'message' FROM messages WHERE notification_id = :id"), {"id": one.id}
        )
        found = await explain(session, "plain", "sms", explainer=explainer(crowd), recipient="ada")
        other = await explain(session, "plain", "email", explainer=explainer(crowd), recipient="ada")
        closes = await session.scalar(text("SELECT closes_at FROM digest_windows"))
    assert words == "it is kept for the recipient's next digest, as was chosen (recipient:channel)"
    [reason] = [reason for reason in found.reasons if reason.code == "digested"]
    assert (reason.rule, reason.until) == ("recipient:channel", closes)
    assert "weekly digest" in reason.in_words
    assert "digested" not in {reason.code for reason in other.reasons}


async def test_effective_values_are_told_with_their_rule(crowd: Crowd) -> None:
    await choose(crowd, None, "daily", scope="all", channel="email")
    view = await choose(crowd, "ada", "weekly", scope="type", name="plain", channel="sms")
    assert [(one.scope, one.name, one.channel, one.frequency) for one in view.frequencies] == [
        ("type", "plain", "sms", "weekly")
    ]
    [plain] = [one for one in view.types if one.type == "plain"]
    assert {one.channel: (one.frequency, one.frequency_rule) for one in plain.channels} == {
        "email": ("daily", "organization:channel"),
        "sms": ("weekly", "recipient:type+channel"),
        "push": (None, None),
        "inbox": (None, None),
    }
    [general] = [one for one in view.categories if one.category == "general"]
    by_category = {one.channel: one.frequency for one in general.channels}
    assert (by_category["email"], by_category["sms"]) == ("daily", None)
    assert (await choose(crowd, "ada", None, scope="type", name="plain", channel="sms")).frequencies == ()


async def test_digests_come_at_the_organizations_time_where_people_say_none(crowd: Crowd) -> None:
    given = DefaultDigestTime(at="17:30", weekday=5)
    async with crowd.db.tenant(crowd.organization) as session:
        assert await read_digest_defaults(session) == DefaultDigestTime()
        await set_digest_defaults(session, given)
        assert await read_digest_defaults(session) == given
        own = RecipientInput(email="bob@example.org", digest=DigestTime(at="09:00"))
        await put_recipient(session, "bob", own, sealer=crowd.sealer)
    to = [Target(recipient="ada"), Target(recipient="bob")]
    one = await crowd.tell("plain", to, data={"title": "You", "text": "Come."}, channels=["email"], digest="weekly")
    await crowd.decide(one)
    async with crowd.db.platform() as session:
        asked = "SELECT external_id, closes_at FROM digest_windows JOIN recipients AS r ON r.id = recipient_id"
        closings = {row.external_id: row.closes_at.astimezone(UTC) for row in await session.execute(text(asked))}
    found = {name: (f"{at:%H:%M}", at.isoweekday()) for name, at in closings.items()}
    assert found == {"ada": ("17:30", 5), "bob": ("09:00", 5)}


async def test_what_was_chosen_comes_in_one_mail(crowd: Crowd) -> None:
    async with crowd.db.tenant(crowd.organization) as session:
        given = RecipientInput(email="ada@example.org", phone="+15555550100")
        await put_recipient(session, "ada", given, sealer=crowd.sealer)
    await choose(crowd, "ada", "daily")
    for _ in range(2):
        await told(crowd)
    await crowd.run("UPDATE digest_windows SET closes_at = now() - interval '1 second'")

    class Sites:
        url_web = url_customer = "https://singr.example"

    closed = await Digests(crowd.db, crowd.sealer, Sites()).close_due(crowd.organization)
    assert (closed.closed, closed.mails) == (1, 1)
