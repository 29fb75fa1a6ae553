"""An organization without a brand writes as itself: under its name as it was when a message was made, on every try."""

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Any
from uuid import UUID

import pytest
from comms_queueing import ORGANIZATION, SEALER, SONG, queued_for
from sqlalchemy import event, text

from singr_comms import (
    EmailAddress,
    MemoryEmailProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    TwoFactorCode,
)
from singr_comms.channels.email import render_envelope
from singr_comms.messages.farm_approved import FarmApprovedSms
from singr_comms.notifications import (
    BrandingInput,
    Brands,
    EmailRequest,
    MessageSender,
    OverrideInput,
    SmsRequest,
    put_branding,
    put_override,
    remove_branding,
)
from singr_comms.providers.smtp import compose
from singr_config import BrandSettings, LimitSettings
from singr_db import Database
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock
from singr_observability import build_metrics

TO = EmailAddress("jane@example.org")
SOMEBODY = "An organization on Singr"


@pytest.fixture
async def organization(db: Database) -> UUID:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    return ORGANIZATION


@pytest.fixture
def brands(db: Database) -> Brands:
    return Brands(db, brand=BrandSettings(), api_url="https://api.example", own_names=("Karaoke Post",))


class Mails:
    """What a sender hands to a provider of mails."""

    def __init__(self, db: Database, brands: Brands) -> None:
        self._db, self._provider = db, MemoryEmailProvider()
        self.sms = MemorySmsProvider()
        given: dict[str, Any] = {"email": self._provider, "sms": self.sms, "push": MemoryPushProvider()}
        self._sender = MessageSender(
            db, SEALER, **given, limits=LimitSettings(), metrics=build_metrics(), brands=brands
        )

    async def made(self, message: Any = SONG) -> UUID:
        [message_id] = await queued_for(self._db, ORGANIZATION, [EmailRequest(to=TO, message=message)])
        return message_id

    async def sent(self, *messages: UUID) -> list[Any]:
        for message_id in messages:
            await self._sender.send("email", message_id, organization_id=ORGANIZATION, is_last_attempt=False)
        return self._provider.sent[-len(messages) :]

    async def texted(self, message: Any) -> str:
        [message_id] = await queued_for(self._db, ORGANIZATION, [SmsRequest(to="+15555550177", message=message)])
        await self._sender.send("sms", message_id, organization_id=ORGANIZATION, is_last_attempt=False)
        return self.sms.sent[-1].brand.name


@pytest.fixture
def mails(db: Database, brands: Brands) -> Mails:
    return Mails(db, brands)


async def called(db: Database, name: str) -> None:
    async with db.platform() as session:
        await session.execute(
            text("UPDATE organizations SET name = :name WHERE id = :id"), {"name": name, "id": ORGANIZATION}
        )


def later(clock: VirtualClock) -> None:
    clock.advance(seconds=11)


def said(envelope: Any) -> tuple[str, str]:
    """Whom a mail says that it comes from, and the head of its page."""
    content = compose(envelope, EmailAddress("no-reply@example.org", "Singr"))
    # the newer way to read headers puts spaces between encoded words
    sender, address = parseaddr(str(make_header(decode_header(message_from_bytes(content)["From"]))))
    assert address == "no-reply@example.org"
    mail = message_from_bytes(content, policy=policy.default)
    head = mail.get_body(("html",)).get_content().partition('<span dir="auto">')[2].partition("<")[0]
    return sender, head


@pytest.mark.usefixtures("organization")
async def test_organization_without_a_brand_writes_under_its_own_name_by_way_of_the_platform(
    db: Database, mails: Mails
) -> None:
    [mail] = await mails.sent(await mails.made())
    assert said(mail) == ("Blue Note via Singr", "Blue Note")
    assert "Blue Note - singrkaraoke.com" in render_envelope(mail).text
    assert (mail.brand.color, mail.brand.logo) == (BrandSettings().color, "")
    approved = FarmApprovedSms(farm_name="Sunny", link="https://singr.example/f")
    assert await mails.texted(approved) == "Blue Note"


@pytest.mark.usefixtures("organization")
async def test_what_speaks_for_the_platform_or_must_arrive_names_no_organization(mails: Mails) -> None:
    [mail] = await mails.sent(await mails.made(TwoFactorCode(user_name="Jane", code="042917", expiry_minutes=5)))
    assert mail.brand is None
    assert said(mail)[0] == "Singr"


@pytest.mark.usefixtures("organization")
async def test_every_try_says_the_name_of_when_the_message_was_made(
    db: Database, mails: Mails, brands: Brands, clock: VirtualClock
) -> None:
    before = await mails.made()
    await called(db, "Green Note")
    at_once = await mails.made()
    later(clock)
    after = await mails.made()
    other_process = Mails(db, Brands(db, brand=BrandSettings(), api_url="https://api.example"))
    for each in (mails, other_process):
        names = [said(one)[1] for one in await each.sent(before, at_once, after)]
        assert names == ["Blue Note", "Blue Note", "Green Note"]
        async with db.platform() as session:
            await session.execute(text("UPDATE messages SET status = 'queued'"))
            await session.execute(text("DELETE FROM message_attempts"))


@pytest.mark.usefixtures("organization")
async def test_a_brand_goes_before_the_name_and_the_name_is_worn_again_without_it(
    db: Database, mails: Mails, clock: VirtualClock
) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await put_branding(session, BrandingInput(name="R&B Farm", color="#0a6640"))
    later(clock)
    branded = await mails.made()
    async with db.tenant(ORGANIZATION) as session:
        await remove_branding(session)
    later(clock)
    bare = await mails.made()
    async with db.tenant(ORGANIZATION) as session:
        await put_override(session, "song_request", "email", "en", OverrideInput(text="Sing {title}!"))
    later(clock)
    worded = await mails.made()
    sent = await mails.sent(branded, bare, worded)
    assert [said(one)[0] for one in sent] == ["R&B Farm", "Blue Note via Singr", "Blue Note via Singr"]
    assert "Sing Waterloo!" in render_envelope(sent[-1]).text


@pytest.mark.usefixtures("organization")
@pytest.mark.parametrize(
    "name",
    ["Singr", "S\u0456ngr Support", "Karaoke Post", "evil.example", "=?utf-8?q?x?=", "a\nb", "x" * 101, " "],
)
async def test_name_that_no_brand_could_have_stands_nowhere_and_nothing_claims_to_be_the_platform(
    db: Database, mails: Mails, clock: VirtualClock, name: str
) -> None:
    await called(db, name)
    later(clock)
    [mail] = await mails.sent(await mails.made())
    assert said(mail) == (SOMEBODY, SOMEBODY)


@pytest.mark.usefixtures("organization")
async def test_somebody_is_said_in_the_language_of_the_message(
    db: Database, brands: Brands, clock: VirtualClock
) -> None:
    await called(db, "Singr")
    later(clock)
    async with db.tenant(ORGANIZATION) as session:
        shown = [await brands.shown(session, "song_request", "email", one) for one in ("de", "ar", "fr", None)]
    names = [one.name for one in shown if one is not None]
    assert names == ["Eine Organisation bei Singr", "إحدى المؤسسات على Singr", SOMEBODY, SOMEBODY]


@pytest.mark.usefixtures("organization")
async def test_long_name_is_shortened_for_the_sender_alone(db: Database, mails: Mails, clock: VirtualClock) -> None:
    await called(db, "The Blue Note " * 7)
    later(clock)
    [mail] = await mails.sent(await mails.made())
    sender, head = said(mail)
    assert head == ("The Blue Note " * 7)
    assert len(sender) <= 100
    assert sender.startswith("The Blue Note The")
    assert sender.endswith("… via Singr")


@pytest.mark.usefixtures("organization")
async def test_names_cost_no_statement_of_their_own(db: Database, brands: Brands, mails: Mails) -> None:
    message_id = await mails.made()
    statements: list[str] = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    worn = await brands.wardrobe(ORGANIZATION, message_id)
    assert worn.names
    assert len([one for one in statements if "SELECT" in one and "set_config" not in one]) == 2


@pytest.mark.usefixtures("organization")
async def test_twenty_names_are_kept_and_the_oldest_counts_for_what_was_made_before(
    db: Database, mails: Mails, clock: VirtualClock
) -> None:
    first = await mails.made()
    for number in range(25):
        await called(db, f"Note {number}")
    later(clock)
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM organization_names WHERE name LIKE 'Note%'")) == 20
    [mail] = await mails.sent(first)
    assert said(mail)[1] == "Note 5", "never the platform's"


async def test_an_organization_renames_itself_and_reads_no_others_names(db: Database, organization: UUID) -> None:
    other = UUID("019ab2c0-7f00-7000-8000-00000000000b")
    async with db.platform() as session:
        session.add(Organization(id=other, name="Other", slug="other"))
    async with db.tenant(organization) as session:
        await session.execute(text("UPDATE organizations SET name = 'Green Note'"))
    async with db.tenant(organization) as session:
        names = await session.scalars(text("SELECT name FROM organization_names ORDER BY id"))
        assert names.all() == ["Blue Note", "Green Note"]
