"""What is decided in memory is what the database decides: the same calls, drawn, on both, and the same of each."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_both import Accounts, Both
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms import PlainSms
from singr_comms.catalogue import message_types
from singr_comms.notifications._rows import recipient_hash
from singr_comms.notifying import (
    Audience,
    NotificationStateError,
    Target,
    cancel_notification,
    pause_notification,
    resume_notification,
)
from singr_comms.people import (
    DefaultDigestTime,
    DeviceInput,
    FrequencyChoice,
    PreferenceChoice,
    QuietHours,
    RecipientInput,
    TopicChange,
    change_preferences,
    change_topic,
    preferences_holder,
    put_recipient,
    recipient_named,
    register_device,
    remove_recipient,
    set_digest_defaults,
)
from singr_comms.people.preferences._store import PreferencesHolder
from singr_db import new_id
from singr_jobs import Priority

USERS = [UUID(int=number) for number in range(1, 4)]
NAMES = ["ada", "bob", "cy", "dee", "eve", "fay"]
KEYS = ["k-1", "k-2"]
TOKEN = "device-token:{:010}"
DATA: list[dict[str, Any]] = [
    {"title": "You", "text": "Come on."},
    {"title": "You"},
    {"title": "You", "text": "Come on.", "more": 1},
    {"title": 7, "text": "Come on."},
]
SUPPRESSED = [("email", "bob@example.org", "bounced"), ("sms", "+15555550103", "stopped"), ("push", 1, "complained")]
_SUPPRESS = text("""
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)
VALUES (:id, :organization, :channel, :hash, '***', 'all', :reason)
""")


@pytest.fixture
async def both(bench: Any) -> Both:
    """A memory and a database with the same people in them, who chose the same."""
    both = Both(await Crowd.of(bench), bench)
    later = f"{both.outbox.now + timedelta(hours=12):%H:%M}"  # so that all is kept before any digest comes
    await both.do(lambda session: set_digest_defaults(session, DefaultDigestTime(at=later)))
    draw = random.Random(101)
    for number, name in enumerate(NAMES):
        given = RecipientInput(
            user_id=USERS[number] if number < len(USERS) else None,
            name=name.title() if number % 2 else None,
            email=f"{name}@example.org" if number != 4 else None,
            phone=f"+1555555010{number}" if number != 5 else None,
            locale="de_at" if number % 3 == 0 else None,
            tags=["vip"] if number % 2 else ["vip", "new"],
            quiet_hours=_quiet(both.outbox.now, name),
        )
        await both.do(lambda session, name=name, given=given: _put(session, name, given, both.crowd.sealer))
        for token in range(number % 3):
            device = DeviceInput(token=TOKEN.format(10 * token + number), platform="ios")
            await both.do(lambda session, name=name, device=device: _register(session, name, device, both.crowd.sealer))
    await both.do(lambda session: change_topic(session, "farm-9", TopicChange(add=NAMES[1:4])))
    for whose in (None, *NAMES[::2]):
        choices, often = _choices(draw), _frequencies(draw)
        await both.do(
            lambda session, whose=whose, choices=choices, often=often: _choose(session, whose, choices, often)
        )
    for channel, address, reason in SUPPRESSED:
        await _suppress(both, channel, TOKEN.format(address) if channel == "push" else str(address), reason)
    return both


def _quiet(now: datetime, name: str) -> QuietHours | None:
    """Of two of them: quiet hours that began three hours ago and last two more, and such that last for a week."""
    if name == "eve":
        starts, ends = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-3, 2))
        return QuietHours(starts=starts, ends=ends)
    return QuietHours(starts="00:00", ends="00:00") if name == "fay" else None


async def _put(session: Any, name: str, given: RecipientInput, sealer: Any) -> Any:
    view, is_new = await put_recipient(session, name, given, sealer=sealer, directory=Accounts())
    kept = (view.external_id, view.user_id, view.name, view.email, view.phone, view.locale, view.tags)
    return *kept, is_new


async def _register(session: Any, name: str, device: DeviceInput, sealer: Any) -> Any:
    view, is_new = await register_device(session, await recipient_named(session, name), device, sealer=sealer)
    return view.token, view.platform, is_new


async def _choose(
    session: Any, name: str | None, choices: list[PreferenceChoice], often: Sequence[FrequencyChoice] = ()
) -> Any:
    if name is None:
        holder = PreferencesHolder(organization_id=session.organization_id)
    else:
        holder = await preferences_holder(session, name)
    view = await change_preferences(session, holder, choices, frequencies=often, source="recipient")
    chosen = [(one.scope, one.name, one.channel, one.allowed) for one in view.choices]
    return view.categories, view.types, chosen, [(one.scope, one.name, one.frequency) for one in view.frequencies]


def _choices(draw: random.Random) -> list[PreferenceChoice]:
    places = [
        {"scope": scope, "name": name, "channel": channel}
        for scope, name in (("all", None), ("category", "general"), ("type", "plain"))
        for channel in (None, "email", "sms", "push", "inbox")
    ]
    return [PreferenceChoice(**place, allowed=draw.random() < 0.6) for place in draw.sample(places, 3)]  # type: ignore[arg-type] # as drawn


def _frequencies(draw: random.Random) -> list[FrequencyChoice]:
    """How often somebody wants it, now and then."""
    places = [
        {"scope": scope, "name": name, "channel": channel}
        for scope, name in (("all", None), ("category", "general"), ("type", "plain"))
        for channel in (None, draw.choice(["email", "sms", "push"]))
    ]
    frequencies = ["immediate", "daily", "weekly"]
    return [FrequencyChoice(**place, frequency=draw.choice(frequencies)) for place in draw.sample(places, 2)]  # type: ignore[arg-type] # as drawn


async def _suppress(both: Both, channel: str, address: str, reason: str) -> None:
    both.outbox.suppress(channel, address, reason=reason)
    values = {"channel": channel, "reason": reason, "hash": recipient_hash(both.crowd.sealer, address), "id": new_id()}
    async with both.crowd.db.platform() as session:
        await session.execute(_SUPPRESS, values | {"organization": both.crowd.organization})


def _whom(draw: random.Random) -> Any:
    one = draw.choice(["named"] * 6 + ["all", "topic", "tags"] * 2 + ["wrong"])
    if one == "all":
        return Audience(all=True)
    if one == "topic":
        return Audience(topic=draw.choice(["farm-9", "farm-9", "farm-9", "nowhere"]))
    if one == "tags":
        return Audience(tags=draw.choice([["vip"], ["vip", "new"], ["none"]]))
    if one == "wrong":
        both = Audience(all=True, topic="farm-9")
        return draw.choice([[], Audience(), both, [Target()], [Target(recipient="nobody")]])
    return [
        draw.choice(
            [
                Target(recipient=draw.choice(NAMES)),
                Target(user_id=draw.choice(USERS)),
                Target(email=draw.choice(["jane@example.org", "bob@example.org", "joe@example.org", "wrong"])),
                Target(phone=draw.choice(["+15555550177", "+15555550103", "+15555550178", "0171"])),
                Target(device=TOKEN.format(draw.choice([1, 99]))),
                Target(recipient=draw.choice(NAMES), data={"text": "Yours."}),
            ]
        )
        for _ in range(draw.randint(1, 3))
    ]


def _options(draw: random.Random, both: Both) -> dict[str, Any]:
    options: dict[str, Any] = {"what": "plain", "data": draw.choice([DATA[0]] * 12 + DATA[1:])}
    if draw.random() < 0.2:
        options = {"what": PlainSms(text="Come on.")}
    elif draw.random() < 0.6:
        ways = ["email", "sms", "push", "inbox", "fax"]
        drawn = draw.sample(ways, draw.choice([1, 2, 2, 3]), counts=[4, 4, 4, 4, 1])
        options["channels"] = list(dict.fromkeys(drawn))  # one that comes twice is refused
    if "channels" in options and "push" not in options["channels"] and options["channels"] == ["sms"]:
        options["data"] = {"text": "Come on."}
    if draw.random() < 0.3:
        options["send_at"] = both.outbox.now + timedelta(hours=draw.randint(1, 9))
    if draw.random() < 0.4:
        hours = draw.choice([-24, 1, 5, 11, 13, 30, 100, 200, 9600, 9624])
        options["expires_at"] = both.outbox.now + timedelta(hours=hours)
    if draw.random() < 0.3:
        options |= {"deduplication_key": draw.choice(KEYS), "replace": draw.random() < 0.5}
    if draw.random() < 0.1:
        options["priority"] = Priority.HIGH
    if draw.random() < 0.25:
        options["digest"] = draw.choice(["daily", "weekly"])
    return options


async def test_drawn_calls_come_to_the_same_in_memory_and_in_a_database(both: Both) -> None:
    draw = random.Random(1)
    for _ in range(120):
        await both.tell(_whom(draw), **_options(draw, both))
    assert len(both.told) > 30
    assert len(both.waiting) > 6
    for (here, there), how in zip(both.waiting, [cancel_notification, _without, _nothing] * 9, strict=False):
        await _on_each(both, here, there, how)
    await both.tell([Target(recipient="dee")], what="plain", data=DATA[0], send_at=both.outbox.now + timedelta(hours=1))
    await both.do(lambda session: remove_recipient(session, "dee"))
    both.gone.add("dee")
    # Fay sleeps for a week and wants it at once; Cy wants it weekly, and then not at all.
    for name, wanted, how_often in (("fay", True, "immediate"), ("cy", True, "weekly"), ("cy", False, "weekly")):
        mail = PreferenceChoice(scope="type", name="plain", channel="email", allowed=wanted)
        often = FrequencyChoice(scope="type", name="plain", channel="email", frequency=how_often)  # type: ignore[arg-type] # as named
        await both.do(lambda session, name=name, mail=mail, often=often: _choose(session, name, [mail], [often]))
        await both.tell([Target(recipient=name)], what="plain", data=DATA[0], channels=["email"])
    await both.decide()
    reasons = set()
    for here, there in both.told:
        in_memory, stored = await both.came_to(here, there)
        assert in_memory == stored
        reasons |= {row[3] for row in stored}
    in_memory, stored = await both.digests()
    assert in_memory == stored
    assert {row[2] for row in stored} == {None, "bounced_before", "preference", "digest_empty"}
    assert reasons == {
        None,
        *("no_address", "no_device", "preference", "bounced_before", "opt_out", "complained_before"),
        *("cancelled", "erased", "expired", "digested"),
    }


async def _without(session: Any, notification_id: UUID) -> Any:
    return await cancel_notification(session, notification_id, recipients=["ada"])


async def _nothing(_session: Any, _notification_id: UUID) -> None:
    """It goes as it was asked for."""


async def _on_each(both: Both, here: UUID, there: UUID, how: Any) -> None:
    for where, which in ((both.outbox, here), (both.crowd.db, there)):
        async with where.tenant(both.crowd.organization) as session:
            try:
                await how(session, which)
            except NotificationStateError:
                return


async def test_what_is_paused_waits_on_both_until_it_is_resumed(both: Both) -> None:
    later = both.outbox.now + timedelta(hours=1)
    await both.tell(Audience(all=True), what=PlainSms(text="Come on."), send_at=later)
    [(here, there)] = both.told
    await _on_each(both, here, there, pause_notification)
    await both.decide()
    assert await both.came_to(here, there) == ([], [])
    await _on_each(both, here, there, resume_notification)
    await both.decide()
    in_memory, stored = await both.came_to(here, there)
    assert in_memory == stored != []


async def test_who_did_not_opt_in_gets_nothing_on_both(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_types.named("plain"), "opt_in", True)
    yes = [PreferenceChoice(scope="type", name="plain", channel="inbox", allowed=True)]
    await both.do(lambda session: _choose(session, "bob", yes))
    to = [Target(recipient="bob"), Target(recipient="dee")]
    await both.tell(to, what="plain", data=DATA[0], channels=["inbox"])
    [(here, there)] = both.told
    in_memory, stored = await both.came_to(here, there)
    assert in_memory == stored
    assert {row[1]: row[3] for row in stored} == {"bob": None, "dee": "preference"}


async def test_a_digest_that_would_not_reach_somebody_in_time_is_waited_for_on_neither(both: Both) -> None:
    weekly = [FrequencyChoice(scope="type", name="plain", frequency="weekly")]
    wide = [PreferenceChoice(scope="all", channel=channel, allowed=True) for channel in (None, "email")]
    for name in ("ada", "bob", "cy"):
        pairs = [
            PreferenceChoice(scope="type", name="plain", channel="sms", allowed=True),
            PreferenceChoice(scope="type", name="plain", channel="email", allowed=name != "ada"),
        ]
        await both.do(lambda session, name=name, pairs=pairs: _choose(session, name, [*wide, *pairs], weekly))
    to = [Target(recipient=name) for name in ("ada", "bob", "cy")]
    for soon in ({}, {"expires_at": both.outbox.now + timedelta(hours=1)}, {"digest": "daily"}):
        await both.tell(to, what="plain", data={"text": "Come on."}, channels=["sms"], **soon)
    kept = []
    for here, there in both.told:
        in_memory, stored = await both.came_to(here, there)
        assert in_memory == stored
        kept.append([row[1] for row in stored if row[3] == "digested"])
    # Ada wants no such mails, and Bob's address is dead.
    assert kept == [["cy"], [], ["ada", "bob", "cy"]]
