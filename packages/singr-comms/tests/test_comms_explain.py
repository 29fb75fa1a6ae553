"""Why would it not be sent? What decides when a message is sent answers, and asking counts nothing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from comms_callbacks import mailjet
from comms_queueing import EMAIL, ORGANIZATION, SEALER, SMS, all_rows, queued_for, sender_for
from comms_told import Desk, event
from msgspec.structs import replace
from sqlalchemy import text

from singr_comms import MemoryEmailProvider
from singr_comms.notifications import Explainer, QuestionError, SendingExplanation, SendingQuestion, explainer
from singr_comms.providers._factory import line_up_names
from singr_config import EmailProviderName, LimitSettings, Settings
from singr_config.clock import clock
from singr_db import PLATFORM_ORGANIZATION_ID, Database
from singr_jobs import PermanentError

OTHER = UUID("01920000-0000-7000-8000-0000000000be")
JANE = {"channel": "email", "recipient": "jane@example.org", "kind": "song_request"}
NUMBER = {"channel": "sms", "recipient": "+15555550177", "kind": "plain"}


def asked(db: Database, **limits: Any) -> Explainer:
    providers: dict[str, Any] = {"email": ["first", "second"], "sms": ["memory"], "push": ["memory"]}
    return Explainer(db, SEALER, limits=LimitSettings(**limits), **providers)


async def told(db: Database, question: dict[str, Any], organization: UUID = ORGANIZATION, **limits: Any) -> Any:
    found = await asked(db, **limits).explain(organization, SendingQuestion(**question))
    assert isinstance(found, SendingExplanation)
    return found


async def stands(db: Database, provider: str, **columns: str) -> None:
    """A breaker as workers wrote it down."""
    names, values = ", ".join(columns), ", ".join(columns.values())
    async with db.platform() as session:
        await session.execute(
            text(f"INSERT INTO provider_health (channel, provider, {names}) VALUES ('email', '{provider}', {values})")
        )


async def test_what_nothing_holds_back_goes_by_the_first_provider(db: Database) -> None:
    found = await told(db, JANE)
    assert (found.outcome, found.provider, found.reasons) == ("sent", "first", ())
    assert found.in_words == "It would be sent now by first."
    assert b"jane" not in msgspec.json.encode(found)
    assert found.recipient == "j***@example.org"


async def test_suppression_is_told_with_scope_since_and_reason_and_only_to_whom_it_concerns(db: Database) -> None:
    desk = Desk(db)
    await desk.tell("mailjet", mailjet(event("spam", await desk.sending())))
    found = await told(db, JANE)
    [reason] = found.reasons
    assert (found.outcome, found.provider, reason.code) == ("stopped", None, "complained_before")
    assert (reason.suppression.scope, reason.suppression.reason) == ("all", "complained")
    assert reason.since == reason.suppression.created_at
    code = JANE | {"kind": "magic_link"}
    assert (await told(db, code, PLATFORM_ORGANIZATION_ID)).outcome == "sent", "a link that somebody waits for"
    assert (await told(db, JANE, OTHER)).outcome == "sent", "they complained of another organization"


async def test_soft_bounces_hold_until_their_week_is_over(db: Database) -> None:
    desk = Desk(db)
    for number in range(3):
        news = event("bounce", await desk.sending(named=str(number)), number=number, hard_bounce=False)
        await desk.tell("mailjet", mailjet(news))
    [reason] = (await told(db, JANE)).reasons
    assert reason.code == "bounced_before"
    later = JANE | {"at": reason.until + timedelta(hours=1)}
    assert (await told(db, later)).in_words == "It would be sent by first, if that works then."


@pytest.mark.parametrize(("request_", "question"), [(EMAIL, JANE), (SMS, NUMBER)], ids=["email", "sms"])
async def test_answer_is_what_the_sender_then_does_and_asking_counts_nothing(
    db: Database, request_: Any, question: dict[str, Any]
) -> None:
    limits: Any = {"email_per_hour": 2, "sms_per_hour": 9, "sms_per_prefix": 2}
    sender = sender_for(db, limits=LimitSettings(**limits))
    seen = []
    for _ in range(3):
        counts = [await all_rows(db, table) for table in ("message_quotas", "sms_counts")]
        found = [await told(db, question, **limits) for _ in range(5)][-1]
        assert [await all_rows(db, table) for table in ("message_quotas", "sms_counts")] == counts
        [message_id] = await queued_for(db, ORGANIZATION, [request_])
        refused = None
        try:
            await sender.send(found.channel, message_id, organization_id=ORGANIZATION, is_last_attempt=True)
        except PermanentError as error:
            refused = error
        told_of = [(one.code, one.in_words) for one in found.reasons]
        assert told_of == ([] if refused is None else [(refused.code, refused.message)])
        seen.append(found.outcome)
    assert seen == ["sent", "sent", "stopped"]
    assert timedelta() < found.reasons[0].until - clock.now() <= timedelta(hours=1)
    assert (await told(db, question | {"at": clock.now() + timedelta(hours=1)}, **limits)).outcome == "sent"


@pytest.mark.parametrize(
    ("number", "code"), [("+447911123456", "country_refused"), ("+881612345678", "number_refused")]
)
async def test_refused_country_and_dear_number_are_told(db: Database, number: str, code: str) -> None:
    found = await told(db, NUMBER | {"recipient": number}, sms_countries=("US",))
    assert [(one.code, one.until) for one in found.reasons] == [(code, None)]
    assert number not in found.in_words


async def test_each_limit_is_asked_of_whom_it_is_for(db: Database) -> None:
    day = {"email_per_day": 1}
    [message_id] = await queued_for(db, ORGANIZATION, [EMAIL])
    sender = sender_for(db, limits=LimitSettings(**day))
    await sender.send("email", message_id, organization_id=ORGANIZATION, is_last_attempt=True)
    [reason] = (await told(db, JANE | {"recipient": "ada@example.org"}, **day)).reasons
    assert reason.code == "organization_limit"
    assert (reason.until.hour, reason.until.minute) == (0, 0)
    assert (await told(db, JANE, OTHER, **day)).outcome == "sent"


async def test_breakers_lead_to_the_fallback_or_let_it_wait(db: Database) -> None:
    await stands(db, "first", opened_at="now()", probe_at="now() + interval '9 seconds'")
    found = await told(db, JANE)
    assert (found.outcome, found.provider, found.reasons) == ("sent", "second", ())
    assert found.in_words == "It would be sent now by second, as first fails."
    assert [(one.state, one.is_called) for one in found.providers] == [("open", False), ("closed", True)]
    alone = await told(db, JANE | {"provider": "first"})
    assert (alone.outcome, [one.code for one in alone.reasons]) == ("waits", ["provider_failing"])
    await stands(db, "second", failures="0")
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO provider_refusals (channel, provider, code, message) VALUES ('email', 'second', 'c', 'm')"
            )
        )
    found = await told(db, JANE)
    assert (found.outcome, found.provider) == ("waits", None)
    assert [one.code for one in found.reasons] == ["provider_failing", "provider_refused"]
    assert (await told(db, JANE | {"at": clock.now() + timedelta(days=1)})).provider == "first", "nobody knows"


async def test_provider_that_is_given_no_more_for_now_lets_it_wait_until_its_turn(db: Database) -> None:
    paced: Any = {"providers": (("first", 1, 60),)}
    await stands(db, "first", next_at="now() + interval '50 seconds'")
    found = await told(db, JANE, **paced)
    assert (found.outcome, found.provider) == ("waits", None)
    assert found.in_words == "It would wait until a provider can be called: first is given no more for now."
    [reason] = found.reasons
    assert reason.code == "provider_rate"
    assert timedelta(seconds=40) < reason.until - clock.now() <= timedelta(seconds=50)
    assert (await told(db, JANE)).outcome == "sent", "without a rate"
    assert (await told(db, JANE | {"at": clock.now() + timedelta(hours=1)}, **paced)).outcome == "sent"


async def test_due_probe_and_what_operators_force_are_heeded(db: Database) -> None:
    await stands(db, "first", opened_at="now()", probe_at="now() - interval '1 second'")
    assert (await told(db, JANE)).provider == "first", "this message would try it"
    async with db.platform() as session:
        await session.execute(text("UPDATE provider_health SET forced = 'open', forced_until = now() + '1 h'"))
    assert (await told(db, JANE)).provider == "second"
    async with db.platform() as session:
        await session.execute(text("UPDATE provider_health SET forced = 'closed', probe_at = now() + '1 h'"))
    assert (await told(db, JANE)).provider == "first"


async def test_what_an_intake_refuses_is_refused_here(db: Database) -> None:
    found = await told(db, JANE | {"recipient": "jane@nowhere.invalid", "kind": "magic_link"})
    assert (found.outcome, [one.code for one in found.reasons]) == ("refused", ["reserved", "unreachable"])


async def test_every_fault_of_a_question_is_told_at_once(db: Database) -> None:
    wrong = {"recipient": "no address", "kind": "plain_sms", "provider": "third", "at": clock.now() - timedelta(days=1)}
    with pytest.raises(QuestionError) as caught:
        await told(db, JANE | wrong)
    assert [one.field for one in caught.value.faults] == ["kind", "recipient", "provider", "at"]
    assert "no address" not in str(caught.value)
    with pytest.raises(QuestionError, match="must be one of email, push, sms"):
        await told(db, JANE | {"channel": "fax"})
    with pytest.raises(QuestionError, match="must have a time zone"):
        await told(db, JANE | {"at": clock.now().replace(tzinfo=None)})


async def test_settings_lead_to_the_line_up_that_the_sender_has(db: Database, settings: Settings) -> None:
    email = replace(settings.email, provider=EmailProviderName.SMTP, fallback=EmailProviderName.MAILJET)
    for section, names in ((email, ["smtp", "mailjet"]), (replace(email, enabled=False), ["console"])):
        built = explainer(replace(settings, email=section), db=db, sealer=SEALER)
        found = await built.explain(ORGANIZATION, SendingQuestion(**JANE))
        assert [one.provider for one in found.providers] == names
    assert "no messages leave" in found.in_words


async def test_own_providers_are_told_of_as_the_sender_was_given_them(db: Database, settings: Settings) -> None:
    class Pigeon(MemoryEmailProvider):
        name = "pigeon"

    off = replace(settings, email=replace(settings.email, enabled=False))
    for given, names in ((Pigeon(), ["pigeon"]), ((Pigeon(), MemoryEmailProvider()), ["pigeon", "memory"])):
        built = explainer(off, db=db, sealer=SEALER, email=given)
        found = await built.explain(ORGANIZATION, SendingQuestion(**JANE))
        assert [one.provider for one in found.providers] == names
        assert found.in_words == "It would be sent now by pigeon."
        asked = await built.explain(ORGANIZATION, SendingQuestion(**JANE, provider="pigeon"))
        assert (asked.outcome, asked.provider) == ("sent", "pigeon")
    other = await built.explain(ORGANIZATION, SendingQuestion(**NUMBER))
    assert [one.provider for one in other.providers] == [*line_up_names("sms", settings.sms)]
    with pytest.raises(TypeError, match="no channel e_mail; there are email, push, sms"):
        explainer(off, db=db, sealer=SEALER, e_mail=Pigeon())
