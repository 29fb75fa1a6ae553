"""One-click unsubscribing (RFC 8058): which mails offer it, by whichever provider, and what following the link does."""

import email
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from comms_benches import SENDER
from comms_crowds import Crowd
from comms_queueing import EMAIL, ORGANIZATION, SEALER, queued_for
from sqlalchemy import text

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    InvalidMessageError,
    MailjetProvider,
    MemoryEmailProvider,
    MemoryPushProvider,
    MemorySmsProvider,
    ResendProvider,
    SecurityNotice,
    SmtpProvider,
    TwoFactorCode,
)
from singr_comms.channels.email import check_email
from singr_comms.messages.plain import PlainEmail
from singr_comms.notifications import (
    EmailRequest,
    LinkOverError,
    MessageSender,
    UnsubscribeLinkError,
)
from singr_comms.notifications._reader_links import ReaderLink, written
from singr_comms.notifications._rows import recipient_hash
from singr_comms.notifications._unsubscribing import UnsubscribeLinks
from singr_comms.people import (
    PreferenceChoice,
    PreferencesHolder,
    RecipientInput,
    change_preferences,
    end_by_link,
    link_for,
    put_recipient,
    read_preferences,
    reader_of_link,
    reader_of_mail,
)
from singr_comms.rendering._mime import HEADERS, UnsafeMailError, write_mail
from singr_config import LimitSettings, Secret
from singr_db import PLATFORM_ORGANIZATION_ID, Database, Sealer
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock
from singr_dev.simulators import MailjetSimulator, ResendSimulator
from singr_jobs import PermanentError
from singr_observability import build_metrics

API = "https://api.singr.example"
LINK = f"{API}/v1/unsubscribe/"
OTHER = UUID("01920000-0000-7000-8000-0000000000be")
JANE = EmailAddress("jane@example.org", "Jane")
NOTICE = EmailRequest(
    to=JANE,
    message=SecurityNotice(user_name="Ada", event="new_device", occurred_at="today", link="https://singr.example/r"),
)
PLAIN = EmailRequest(to=JANE, message=PlainEmail(title="Hello", text="Come on."))
CODE = EmailRequest(to=JANE, message=TwoFactorCode(user_name="Ada", code="042917", expiry_minutes=10))


class Sending:
    """Queues mails and sends them as a worker does, and keeps what the provider was given."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.provider = MemoryEmailProvider()

    async def send(
        self, request: EmailRequest, organization: UUID = ORGANIZATION, *, sealer: Sealer = SEALER, provider: Any = None
    ) -> str:
        """Send one; returns "sent", or the code of what held it back."""
        [message_id] = await queued_for(self.db, organization, [request])
        sender = MessageSender(
            self.db,
            sealer,
            email=provider or self.provider,
            sms=MemorySmsProvider(),
            push=MemoryPushProvider(),
            limits=LimitSettings(),
            metrics=build_metrics(),
            api_url=API + "/",
        )
        try:
            await sender.send("email", message_id, organization_id=organization, is_last_attempt=True)
        except PermanentError as error:
            return error.code
        return "sent"

    async def token(self, organization: UUID = ORGANIZATION, *, sealer: Sealer = SEALER) -> str:
        assert await self.send(EMAIL, organization, sealer=sealer) == "sent"
        link = self.provider.sent[-1].unsubscribe
        assert link is not None
        return link.removeprefix(LINK)

    async def follow(self, token: str, *, sealer: Sealer = SEALER) -> None:
        async with self.db.platform() as session:
            await end_by_link(session, sealer, token)

    async def rows(self) -> list[Any]:
        told = "SELECT organization_id, channel, scope, reason, address_masked, message_id FROM suppressions"
        async with self.db.platform() as session:
            return [tuple(row) for row in (await session.execute(text(told))).all()]


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    return await Crowd.of(bench)


@pytest.fixture
def sending(db: Database) -> Sending:
    return Sending(db)


@pytest.mark.parametrize("templates", [{}, {"song_request": 1}], ids=["own words", "template kept there"])
async def test_mailjet_is_given_both_headers(
    sending: Sending, running: Callable[..., Any], http: httpx.AsyncClient, templates: dict[str, int]
) -> None:
    simulator: MailjetSimulator = running(MailjetSimulator)
    provider = MailjetProvider(
        http,
        api_key=Secret(simulator.api_key),
        secret_key=Secret(simulator.secret_key),
        sender=SENDER,
        templates=templates,
        base_url=simulator.base_url,
    )
    assert [await sending.send(one, provider=provider) for one in (EMAIL, NOTICE, CODE)] == ["sent"] * 3
    offered, *others = [one.message.get("Headers") for one in simulator.received]
    assert others == [None, None]
    assert offered["List-Unsubscribe"].startswith(f"<{LINK}")
    assert offered["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


async def test_resend_is_given_both_headers(
    sending: Sending, running: Callable[..., Any], http: httpx.AsyncClient
) -> None:
    simulator: ResendSimulator = running(ResendSimulator)
    provider = ResendProvider(http, api_key=Secret(simulator.api_key), sender=SENDER, base_url=simulator.base_url)
    assert [await sending.send(one, provider=provider) for one in (EMAIL, NOTICE, CODE)] == ["sent"] * 3
    offered, *others = [one.message.get("headers") for one in simulator.received]
    assert others == [None, None]
    assert offered["List-Unsubscribe"].startswith(f"<{LINK}")
    assert offered["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


async def test_smtp_carries_both_headers_once_each(sending: Sending, mailbox: Any, smtp: Callable[..., Any]) -> None:
    async with smtp() as port:
        provider = SmtpProvider(host="127.0.0.1", port=port, sender=SENDER)
        assert [await sending.send(one, provider=provider) for one in (EMAIL, NOTICE, CODE)] == ["sent"] * 3
    offered, *others = [email.message_from_bytes(content) for content in mailbox.mails]
    assert [list(other) for other in others] == [list(HEADERS)] * 2
    assert list(offered) == [*HEADERS, "List-Unsubscribe", "List-Unsubscribe-Post"]
    assert offered["List-Unsubscribe"].startswith(f"<{LINK}")
    assert offered["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_further_header_that_could_be_more_than_one_never_leaves() -> None:
    mail: dict[str, Any] = {
        "sender": ("", "a@b.example"),
        "recipient": ("", "c@d.example"),
        "subject": "s",
        "date": "d",
    }
    for value in ("<https://a>\r\nBcc: x@y", "", "=?utf-8?b?eA=="):
        with pytest.raises(UnsafeMailError):
            write_mail(**mail, message_id="t@b.example", text="t", html="h", more={"List-Unsubscribe": value})


@pytest.mark.parametrize(
    "link", ["https://a.example/x>, <mailto:e@evil", "https://a.example/x\r\nBcc: e", "mailto:a@b"]
)
def test_link_that_is_none_is_refused_by_name(song_email: Callable[..., Any], link: str) -> None:
    envelope = song_email()
    changed = type(envelope)(to=envelope.to, message=envelope.message, idempotency_token="t", unsubscribe=link)
    with pytest.raises(InvalidMessageError, match="unsubscribe"):
        check_email(changed)


def ends_everything(organization: UUID = ORGANIZATION) -> str:
    """The token of a mail of before categories, which is in mailboxes still."""
    return written(SEALER, ReaderLink(organization_id=organization, address_hash=recipient_hash(SEALER, JANE.email)))


async def test_following_a_link_twice_is_as_once_and_ends_that_category_of_that_organization_alone(
    sending: Sending,
) -> None:
    token = await sending.token()
    await sending.follow(token)
    await sending.follow(token)
    [row] = await sending.rows()
    assert row[:5] == (ORGANIZATION, "email", "category:requests", "unsubscribed", "j***@example.org")
    assert row[5] is not None
    assert await sending.send(EMAIL) == "opt_out"
    assert await sending.send(PLAIN) == await sending.send(NOTICE) == await sending.send(CODE) == "sent"
    assert await sending.send(EMAIL, OTHER) == "sent"


async def test_link_of_before_categories_and_whoever_wants_it_end_all_that_an_organization_says(
    sending: Sending,
) -> None:
    old = ends_everything()
    assert len(old) == 108, "as it stands in mailboxes"
    await sending.follow(old)
    assert await sending.send(EMAIL) == await sending.send(PLAIN) == "opt_out"
    assert await sending.send(NOTICE) == "sent"
    token = await sending.token(OTHER)
    async with sending.db.platform() as session:
        await end_by_link(session, SEALER, token, everything=True)
    assert await sending.send(PLAIN, OTHER) == "opt_out"


@pytest.mark.parametrize("session_id", [None, UUID(int=7)])
async def test_links_by_which_somebody_is_signed_in_end_and_are_over(
    sending: Sending, clock: VirtualClock, session_id: UUID | None
) -> None:
    holder = PreferencesHolder(organization_id=ORGANIZATION, recipient_id=OTHER)
    link = link_for(SEALER, holder, session_id=session_id)
    async with sending.db.platform() as session:
        found = await reader_of_link(session, SEALER, link.token)
        assert (found.holder, found.is_signed_in) == (None, True), "nobody has that id"
        assert found.session_id == session_id
        for used in (reader_of_mail, end_by_link):
            with pytest.raises(UnsubscribeLinkError, match="signed in"):
                await used(session, SEALER, link.token)
        clock.advance(seconds=3601)
        with pytest.raises(LinkOverError):
            await reader_of_link(session, SEALER, link.token)


async def test_link_of_the_platform_ends_what_the_platform_says_and_nobody_else(sending: Sending) -> None:
    await sending.follow(await sending.token(PLATFORM_ORGANIZATION_ID))
    assert await sending.send(EMAIL, PLATFORM_ORGANIZATION_ID) == "opt_out"
    assert await sending.send(EMAIL) == "sent"


async def test_link_works_after_the_message_is_gone_and_the_secret_has_changed(sending: Sending) -> None:
    token = await sending.token()
    async with sending.db.platform() as session:
        await session.execute(text("DELETE FROM messages"))
    rotated = Sealer(Secret("n" * 40), [Secret("s" * 40)])
    await sending.follow(token, sealer=rotated)
    assert [row[4:] for row in await sending.rows()] == [("***", None)]
    assert await sending.send(EMAIL, sealer=rotated) == "opt_out"
    with pytest.raises(UnsubscribeLinkError):
        await sending.follow(token, sealer=Sealer(Secret("n" * 40)))


async def test_link_of_a_recipients_mail_is_theirs_though_others_have_the_address_and_ends_what_they_chose(
    crowd: Crowd,
) -> None:
    await crowd.add("u-1", "u-2")
    print_ = recipient_hash(crowd.sealer, "u-1@example.org")
    await crowd.run("UPDATE recipients SET email_hash = :print", print=print_)
    envelope = EmailEnvelope(to=EmailAddress("u-1@example.org"), message=EMAIL.message, idempotency_token="one")
    links = UnsubscribeLinks(crowd.sealer, API)
    whose = (crowd.organization, print_, crowd.ids["u-1"])
    enclosed = links.enclosed(envelope, "song_request", *whose)
    token = enclosed.unsubscribe.removeprefix(LINK)
    assert enclosed.choices == f"{API}/preferences/{token}"
    async with crowd.db.platform() as session:
        holder = (await reader_of_link(session, crowd.sealer, token)).holder
        assert holder is not None
        assert holder.external_id == "u-1"
        on = PreferenceChoice(scope="type", name="song_request", channel="email", allowed=True)
        await change_preferences(session, holder, [on], source="recipient")
        for _ in range(2):
            await end_by_link(session, crowd.sealer, token)
        view = await read_preferences(session, holder)
        second = PreferencesHolder(organization_id=crowd.organization, recipient_id=crowd.ids["u-2"])
        told = {one.type: one for one in (await read_preferences(session, second)).types}["song_request"]
    assert [(way.allowed, way.rule) for way in told.channels if way.channel == "email"] == [(False, "suppression")]
    assert {(one.scope, one.name, one.channel, one.allowed, one.source) for one in view.choices} == {
        ("category", "requests", "email", False, "unsubscribe"),
        ("type", "song_request", "email", False, "unsubscribe"),
    }
    await crowd.run("DELETE FROM recipients WHERE external_id = 'u-1'")
    async with crowd.db.platform() as session:
        await end_by_link(session, crowd.sealer, token)
        kept = await session.scalar(text("SELECT scope FROM suppressions"))
    assert kept == "category:requests", "their address is nobody's now, and gets none all the same"


async def placed(crowd: Crowd, sealer: Sealer, email: str | None) -> None:
    async with crowd.db.tenant(crowd.organization) as session:
        view, _ = await put_recipient(session, "u-1", RecipientInput(email=email, locale="de"), sealer=sealer)
    crowd.ids["u-1"] = view.id


async def test_link_to_a_former_address_ends_what_goes_there_and_tells_and_changes_nothing_of_its_recipient(
    crowd: Crowd,
) -> None:
    await placed(crowd, crowd.sealer, JANE.email)
    print_ = recipient_hash(crowd.sealer, JANE.email)
    link = ReaderLink(organization_id=crowd.organization, address_hash=print_, recipient_id=crowd.ids["u-1"])
    token = written(crowd.sealer, msgspec.structs.replace(link, category="requests", channel="email"))
    for now in ("new@example.org", None):
        await placed(crowd, crowd.sealer, now)
        async with crowd.db.platform() as session:
            reader = await reader_of_link(session, crowd.sealer, token)
            assert (reader.is_former, reader.holder, reader.locale) == (True, None, None)
            await end_by_link(session, crowd.sealer, token)
            whose = PreferencesHolder(organization_id=crowd.organization, recipient_id=crowd.ids["u-1"])
            assert (await read_preferences(session, whose)).choices == ()
            ended = (await session.execute(text("SELECT scope, address_hash FROM suppressions"))).all()
        assert [tuple(row) for row in ended] == [("category:requests", print_)]


async def test_what_is_ended_by_a_link_of_a_former_secret_is_shown_and_switched_on_again(crowd: Crowd) -> None:
    await placed(crowd, crowd.sealer, JANE.email)
    print_ = recipient_hash(crowd.sealer, JANE.email)
    link = ReaderLink(organization_id=crowd.organization, address_hash=print_, recipient_id=crowd.ids["u-1"])
    token = written(crowd.sealer, msgspec.structs.replace(link, category="requests", channel="email"))
    rotated = Sealer(Secret("n" * 40), [Secret("o" * 40)])
    await placed(crowd, rotated, JANE.email.title())
    async with crowd.db.platform() as session:
        await end_by_link(session, rotated, token)
        found = await session.scalar(text("SELECT address_hash FROM suppressions"))
        assert found == recipient_hash(rotated, JANE.email) != print_
        reader = await reader_of_link(session, rotated, token)
        assert reader.holder is not None
        assert (reader.is_former, reader.holder.reads >= {found, print_}) == (False, True)
        on = PreferenceChoice(scope="category", name="requests", channel="email", allowed=True)
        await change_preferences(session, reader.holder, [on], source="link")
        assert await session.scalar(text("SELECT count(*) FROM suppressions WHERE lifted_at IS NULL")) == 0


async def test_link_leads_to_its_readers_choices_also_after_the_secret_has_changed(sending: Sending) -> None:
    token = await sending.token()
    rotated = Sealer(Secret("n" * 40), [Secret("s" * 40)])
    async with sending.db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    async with sending.db.tenant(ORGANIZATION) as session:
        await put_recipient(session, "u-1", RecipientInput(email=JANE.email), sealer=rotated)
    async with sending.db.platform() as session:
        holder = (await reader_of_link(session, rotated, token)).holder
    assert holder is not None
    assert holder.external_id == "u-1"


async def test_link_of_a_message_is_the_same_on_every_try_also_after_the_secret_has_changed(sending: Sending) -> None:
    # queued under the secret of before in all cases, as `queued_for` does
    before, again = await sending.token(), await sending.token()
    after = await sending.token(sealer=Sealer(Secret("n" * 40), [Secret("s" * 40)]))
    assert before == again == after


async def test_altered_link_opens_nothing(sending: Sending) -> None:
    token = await sending.token()
    swapped = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    others = [
        "",
        "A" * len(token),
        token + "=",
        token[:-1],
        token + "A",
        token + "\n",
        "é" * len(token),
        token.replace("A", "+", 1),
    ]
    async with sending.db.platform() as session:
        for altered in {*swapped, *others} - {token}:
            with pytest.raises(UnsubscribeLinkError):
                await end_by_link(session, SEALER, altered)
            with pytest.raises(UnsubscribeLinkError):
                await reader_of_link(session, SEALER, altered)
        assert (await reader_of_link(session, SEALER, token)).sender.name is None  # an organization without a row
    assert await sending.rows() == []
