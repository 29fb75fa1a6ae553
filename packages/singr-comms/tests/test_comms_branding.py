"""What a message wears is settled when it is made: no brand that is put later changes what a retry sends."""

import asyncio
from email import message_from_bytes, policy
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
    SecurityNotice,
    SongRequest,
    TwoFactorCode,
)
from singr_comms.catalogue import message_types
from singr_comms.channels.email import EmailEnvelope, render_email
from singr_comms.notifications import (
    BrandingInput,
    Brands,
    EmailRequest,
    MessageSender,
    OverrideInput,
    Picture,
    is_logo,
    put_branding,
    put_override,
    read_override,
    remove_branding,
)
from singr_comms.notifications.branding import _worn
from singr_comms.notifications.branding._wording import wrong_words
from singr_comms.providers.smtp import compose
from singr_comms.rendering._brand import OrganizationBrand, Words
from singr_config import BrandSettings, LimitSettings
from singr_db import Database
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock
from singr_jobs.running.attempts._failures import outage_behind
from singr_observability import build_metrics

FARM = BrandingInput(name="R&B Farm", color="#0a6640", footer="12 Creek Road")
OTHER = UUID("019ab2c0-7f00-7000-8000-00000000000b")
TO = EmailAddress("jane@example.org")


@pytest.fixture
async def organization(db: Database) -> UUID:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    return ORGANIZATION


def sender_of_brands(db: Database, email: MemoryEmailProvider) -> MessageSender:
    return MessageSender(
        db,
        SEALER,
        email=email,
        sms=MemorySmsProvider(),
        push=MemoryPushProvider(),
        limits=LimitSettings(),
        metrics=build_metrics(),
        brands=Brands(db, brand=BrandSettings(), api_url="https://api.example"),
    )


async def put(db: Database, given: BrandingInput = FARM) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await put_branding(session, given)


async def made(db: Database, message: Any = SONG) -> UUID:
    [message_id] = await queued_for(db, ORGANIZATION, [EmailRequest(to=TO, message=message)])
    return message_id


def later(clock: VirtualClock) -> None:
    clock.advance(seconds=11)


async def test_every_try_wears_what_was_in_force_when_the_message_was_made(
    db: Database, organization: UUID, clock: VirtualClock
) -> None:
    provider = MemoryEmailProvider()
    sender = sender_of_brands(db, provider)
    before = await made(db)
    await put(db)
    later(clock)
    during = await made(db)
    await put(db, BrandingInput(name="Other Farm", color="#102030"))
    async with db.tenant(organization) as session:
        await put_override(session, "song_request", "email", "en", OverrideInput(text="Sing {title}!"))
    later(clock)
    after = await made(db)
    for message_id in (before, during, after):
        await sender.send("email", message_id, organization_id=organization, is_last_attempt=False)
    plain, farm, other = (one.brand for one in provider.sent)
    assert (plain.name, plain.color) == ("Blue Note", BrandSettings().color)
    assert (farm.name, farm.sender, farm.footer, farm.words) == ("R&B Farm", "R&B Farm", "12 Creek Road", None)
    assert (other.name, other.words) == ("Other Farm", Words("Sing {title}!"))
    assert "Sing Waterloo!" in render_email(SONG, other).text


async def test_whoever_has_no_language_of_their_own_is_written_to_in_the_organizations(
    db: Database, organization: UUID, clock: VirtualClock
) -> None:
    provider = MemoryEmailProvider()
    sender = sender_of_brands(db, provider)
    notice = SecurityNotice(user_name="J", event="new_device", occurred_at="now", link="https://singr.example/")
    before = await made(db)
    await put(db, BrandingInput(name="R&B Farm", color="#0a6640", locale="de-AT"))
    later(clock)
    messages = [before, *[await made(db) for _ in range(4)], await made(db, notice)]
    for message_id, own in zip(messages[2:5], ("en-GB", "ar", "fr"), strict=True):
        async with db.platform() as session:
            values = {"locale": own, "id": message_id}
            await session.execute(text("UPDATE messages SET locale = :locale WHERE id = :id"), values)
    for message_id in messages:
        await sender.send("email", message_id, organization_id=organization, is_last_attempt=False)
    spoken = [None, "de", None, "ar", "de", None]
    assert [one.locale for one in provider.sent] == spoken, "French is nobody's here, and security the platform's"


async def test_who_has_no_brand_any_more_looks_like_the_platform_under_their_own_name(
    db: Database, organization: UUID, clock: VirtualClock
) -> None:
    provider = MemoryEmailProvider()
    sender = sender_of_brands(db, provider)
    await put(db)
    later(clock)
    worn = await made(db)
    async with db.tenant(organization) as session:
        await remove_branding(session)
    later(clock)
    bare = await made(db)
    for message_id in (worn, bare):
        await sender.send("email", message_id, organization_id=organization, is_last_attempt=False)
    looks = [(one.brand.name, one.brand.color, one.brand.footer) for one in provider.sent]
    assert looks == [("R&B Farm", "#0a6640", "12 Creek Road"), ("Blue Note", BrandSettings().color, "")]


async def test_what_an_organization_sends_reads_its_brand_once_for_many(
    db: Database, organization: UUID, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(db)
    later(clock)
    brands = Brands(db, brand=BrandSettings(), api_url="https://api.example")
    read: list[Brands] = []
    whole = Brands._read

    async def counted(self: Brands, *given: Any) -> Any:
        read.append(self)
        return await whole(self, *given)

    monkeypatch.setattr(Brands, "_read", counted)
    many = [await made(db) for _ in range(20)]
    found = await asyncio.gather(*(brands.wardrobe(organization, message_id) for message_id in many))
    assert all(one.brands for one in found)
    assert read == [brands]
    later(clock)
    await brands.wardrobe(organization, await made(db))
    assert read.count(brands) == 2


async def test_what_wears_nothing_reads_no_brand(
    db: Database, organization: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[UUID] = []
    whole = Brands.wardrobe

    async def counted(self: Brands, organization_id: UUID, message_id: UUID) -> Any:
        read.append(message_id)
        return await whole(self, organization_id, message_id)

    monkeypatch.setattr(Brands, "wardrobe", counted)
    sender = sender_of_brands(db, MemoryEmailProvider())
    code = TwoFactorCode(user_name="Jane", code="042917", expiry_minutes=5)
    bare, worn = await made(db, code), await made(db)
    for message_id in (bare, worn):
        await sender.send("email", message_id, organization_id=organization, is_last_attempt=False)
    assert read == [worn]
    await put(db)
    statements: list[str] = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    brands = Brands(db, brand=BrandSettings(), api_url="https://api.example")
    async with db.tenant(organization) as session:
        await brands.shown(session, "two_factor_code", "email", None)
        assert not [one for one in statements if "brandings" in one or "template_overrides" in one]
        await brands.shown(session, "song_request", "email", None)
    assert len([one for one in statements if "brandings" in one or "template_overrides" in one]) == 2


async def test_an_organization_waits_for_no_others_brand_and_nobody_for_ever(
    db: Database, organization: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    brands = Brands(db, brand=BrandSettings(), api_url="https://api.example")
    whole, hung, message_id = Brands._read, asyncio.Event(), await made(db)

    async def hanging(self: Brands, session: Any, organization_id: UUID, *given: Any) -> Any:
        if organization_id == OTHER and not hung.is_set():
            hung.set()
            await asyncio.Event().wait()
        return await whole(self, session, organization_id, *given)

    monkeypatch.setattr(Brands, "_read", hanging)
    monkeypatch.setattr(_worn, "_PATIENCE", 0.3)
    stuck = asyncio.create_task(brands.wardrobe(OTHER, message_id))
    await hung.wait()
    assert (await brands.wardrobe(organization, message_id)).read_at is not None
    assert not stuck.done()
    with pytest.raises(TimeoutError) as caught:
        await stuck
    assert outage_behind(caught.value), "an attempt that waits for it does not count"
    assert (await brands.wardrobe(OTHER, message_id)).read_at is not None


async def test_who_comes_in_the_moment_in_which_a_reading_ends_that_is_too_old_has_another(
    db: Database, organization: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    brands = Brands(db, brand=BrandSettings(), api_url="https://api.example")
    message_id, anew = await made(db), Brands._read_anew
    second = list[asyncio.Task[Any]]()

    async def read(self: Brands, organization_id: UUID) -> Any:
        found = await anew(self, organization_id)
        if not second:
            second.append(asyncio.create_task(brands.wardrobe(organization_id, message_id)))
            return _worn.Wardrobe()  # of before the message
        return found

    monkeypatch.setattr(Brands, "_read_anew", read)
    assert (await brands.wardrobe(organization, message_id)).read_at is None
    assert (await second[0]).read_at is not None
    assert (await brands.wardrobe(organization, message_id)).read_at is not None


async def test_what_a_clock_ahead_made_is_read_for_once(db: Database, organization: UUID, clock: VirtualClock) -> None:
    brands = Brands(db, brand=BrandSettings(), api_url="https://api.example")
    now = int(clock.now().timestamp() * 1000)
    ahead = UUID(int=((now + 60_000) << 80) | (await made(db)).int & ((1 << 80) - 1))
    first = await brands.wardrobe(organization, ahead)
    assert await brands.wardrobe(organization, ahead) is first


@pytest.mark.parametrize("kind", ["security_notice", "two_factor_code", "magic_link", "invitation"])
async def test_accounts_and_security_always_wear_the_platforms(
    db: Database, organization: UUID, clock: VirtualClock, kind: str
) -> None:
    await put(db)
    later(clock)
    brands = Brands(db, brand=BrandSettings(), api_url="https://api.example")
    async with db.tenant(organization) as session:
        assert await brands.shown(session, "song_request", "email", None) is not None
        assert await brands.shown(session, kind, "email", None) is None


async def test_old_versions_that_nothing_wears_any_more_go(
    db: Database, organization: UUID, clock: VirtualClock
) -> None:
    for _ in range(3):
        await put(db)
        later(clock)
    clock.advance(days=181)
    await clock.settle()
    await put(db)
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM brandings")) == 2


async def test_logos_of_before_stay_and_words_that_were_put_often_go(
    db: Database, organization: UUID, clock: VirtualClock
) -> None:
    logo_id, picture = UUID("019ab2c0-7f00-7000-8000-0000000000aa"), Picture(b"", "image/png", 30, 20)
    async with db.tenant(organization) as session:
        await put_branding(session, FARM, logo_id=logo_id, logo=picture)
    clock.advance(days=181)
    await put(db)
    clock.advance(days=181)
    await put(db)
    async with db.platform() as session:
        assert await is_logo(session, logo_id)
    for number in range(25):
        async with db.tenant(organization) as session:
            await put_override(session, "song_request", "email", "en", OverrideInput(text=f"Sing {number}"))
    async with db.tenant(organization) as session:
        assert await session.scalar(text("SELECT count(*) FROM template_overrides")) <= 22
        assert (await read_override(session, "song_request", "email", "en")).text == "Sing 24"


def test_a_mail_says_that_it_comes_from_the_organization_at_the_platforms_address() -> None:
    brand = OrganizationBrand(name="R&B Farm", sender='R&B "Farm"', color="#0a6640", footer="<b>Road</b>")
    envelope = EmailEnvelope(to=TO, message=SONG, idempotency_token="t", brand=brand)
    mail = message_from_bytes(compose(envelope, EmailAddress("no-reply@example.org", "Singr")), policy=policy.default)
    [sender] = mail["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ('R&B "Farm"', "no-reply@example.org")
    page = mail.get_body(("html",)).get_content()
    assert "&lt;b&gt;Road&lt;/b&gt;" in page
    assert "R&amp;B Farm" in page


def test_what_somebody_typed_fills_in_no_variable() -> None:
    tricky = SongRequest(venue_name="{link}", artist="{{7*7}}", title="{% x %}", link=SONG.link)
    words = Words("{artist} sings {title} at {venue_name}", "{artist}")
    shown = render_email(tricky, OrganizationBrand(words=words))
    assert "{{7*7}} sings {% x %} at {link}" in shown.text
    assert shown.subject == "{{7*7}}"
    assert "<a" not in shown.html


def test_words_for_a_channel_of_somebody_elses_may_be_as_long_as_a_mails() -> None:
    ours = message_types.named("song_request")
    assert ours is not None
    model = ours.models["email"]
    assert not list(wrong_words(model, "fax", "a" * 10_000, None))
    assert list(wrong_words(model, "fax", "a" * 10_001, None)) == [
        ("text", "must be at most 10,000 characters on this channel")
    ]
