"""Everything that accounts have to tell becomes the right message, sealed, in the transaction that asks for it."""

import datetime as dt
from contextlib import nullcontext
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from singr_auth.accounts import (
    CodeByEmail,
    CodeBySms,
    ConfirmNewEmail,
    EmailMoved,
    EmailTarget,
    InvitePerson,
    MagicLinkByEmail,
    MagicLinkBySms,
    Notice,
    ResetPassword,
    ResetPasswordBySms,
    SecurityNotice,
    VerifyEmail,
    WelcomeUser,
)
from singr_auth.accounts.notices._notices import SecurityEventName
from singr_comms import EmailAddress, EmailMessage, Links, SecurityEvent, SmsMessage, Welcome, render_email
from singr_comms.notifications import EmailRequest, MessageIntake
from singr_config import Secret, Settings
from singr_db import PLATFORM_ORGANIZATION_ID, Database, Sealer, new_id
from singr_jobs import IntakeError
from singr_platform import CommsNotifier

ORGANIZATION = UUID("01920000-0000-7000-8000-0000000000a1")
USER = UUID("01920000-0000-7000-8000-0000000000e5")
JANE = EmailTarget("Jane@example.org", "Jane O'Neil", USER)
TOKEN, CODE = Secret("sml_Canary0Token0That0Nobody0May0Read"), Secret("918273")
AT = dt.datetime(2026, 11, 22, 19, 5, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))
WEB, CUSTOMER = "https://singr.example", "https://customer.example"

EXPECTED: list[tuple[Notice, str, dict[str, Any]]] = [
    (
        VerifyEmail(JANE, TOKEN, CODE, 86_400),
        "verification",
        {
            "user_name": "Jane O'Neil",
            "verification_link": f"{WEB}/verify-email?token={TOKEN.reveal()}",
            "verification_code": "918273",
            "expiry_hours": 24,
        },
    ),
    (
        ResetPassword(JANE, TOKEN, 3600),
        "password_reset",
        {
            "user_name": "Jane O'Neil",
            "reset_link": f"{WEB}/reset-password?token={TOKEN.reveal()}",
            "expiry_minutes": 60,
        },
    ),
    (
        MagicLinkByEmail(JANE, TOKEN, 900, "203.0.113.7"),
        "magic_link",
        {
            "user_email": "Jane@example.org",
            "magic_link": f"{WEB}/auth/magic?token={TOKEN.reveal()}",
            "expiry_minutes": 15,
            "ip_address": "203.0.113.7",
        },
    ),
    (
        ConfirmNewEmail(JANE, "j***@example.net", TOKEN, CODE, 86_400),
        "email_change",
        {
            "account": "j***@example.net",
            "new_email": "Jane@example.org",
            "confirm_link": f"{WEB}/change-email?token={TOKEN.reveal()}",
            "code": "918273",
            "expiry_hours": 24,
        },
    ),
    (
        EmailMoved(JANE, "j***@example.net", TOKEN, 7 * 86_400, AT, "203.0.113.7", "Firefox on Linux"),
        "email_changed",
        {
            "user_name": "Jane O'Neil",
            "new_email": "j***@example.net",
            "occurred_at": "2026-11-22T18:05Z",
            "undo_link": f"{WEB}/undo-email-change?token={TOKEN.reveal()}",
            "expiry_days": 7,
            "ip_address": "203.0.113.7",
            "device": "Firefox on Linux",
        },
    ),
    (
        MagicLinkBySms("+15555550177", USER, TOKEN, 900),
        "magic_link",
        {"magic_link": f"{WEB}/auth/magic?token={TOKEN.reveal()}", "expiry_minutes": 15},
    ),
    (
        ResetPasswordBySms("+15555550177", USER, TOKEN, 900),
        "password_reset",
        {"reset_link": f"{WEB}/reset-password?token={TOKEN.reveal()}", "expiry_minutes": 15},
    ),
    (
        CodeByEmail(JANE, CODE, 300),
        "two_factor_code",
        {"user_name": "Jane O'Neil", "code": "918273", "expiry_minutes": 5},
    ),
    (
        CodeBySms("+15555550177", USER, CODE, 300, "second_factor"),
        "two_factor_code",
        {"code": "918273", "expiry_minutes": 5},
    ),
    (
        CodeBySms("+15555550177", USER, CODE, 300, "phone"),
        "verification_code",
        {"code": "918273", "expiry_minutes": 5},
    ),
    (
        WelcomeUser(JANE, "customer"),
        "welcome",
        {"user_name": "Jane O'Neil", "account_type": "customer", "dashboard_link": CUSTOMER},
    ),
    (
        WelcomeUser(JANE, "singer"),
        "welcome",
        {"user_name": "Jane O'Neil", "account_type": "singer", "dashboard_link": WEB},
    ),
    (
        InvitePerson(JANE, ORGANIZATION, "Blue Note", "Joe", TOKEN, 7 * 86_400),
        "invitation",
        {
            "inviter_name": "Joe",
            "organization_name": "Blue Note",
            "invitation_link": f"{CUSTOMER}/invitation?token={TOKEN.reveal()}",
            "expiry_days": 7,
        },
    ),
    (
        SecurityNotice(JANE, "new_device", AT, "2001:db8:1:2::/64", "Firefox on Linux"),
        "security_notice",
        {
            "user_name": "Jane O'Neil",
            "event": "new_device",
            "occurred_at": "2026-11-22T18:05Z",
            "link": WEB,
            "ip_address": "2001:db8:1:2::",
            "device": "Firefox on Linux",
        },
    ),
]
every_notice = pytest.mark.parametrize(
    ("notice", "kind", "variables"), EXPECTED, ids=[f"{type(notice).__name__}-{kind}" for notice, kind, _ in EXPECTED]
)


@pytest.fixture
def sealer(settings: Settings) -> Sealer:
    return Sealer(settings.auth.secret, settings.auth.previous_secrets)


class Sites:
    url_web = WEB
    url_customer = f"{CUSTOMER}/"


@pytest.fixture
def notifier(sealer: Sealer) -> CommsNotifier:
    return CommsNotifier(sealer, Links(Sites()), own_names=("Singr",))


async def rows(db: Database, table: str) -> list[Any]:
    async with db.platform() as session:
        return list((await session.execute(text(f"SELECT * FROM {table} ORDER BY id"))).all())


async def told(db: Database, notifier: CommsNotifier, notice: Notice) -> Any:
    async with db.platform() as session:
        await notifier.notify(session, notice)
    (row,) = await rows(db, "messages")
    return row


def opened(row: Any, sealer: Sealer) -> dict[str, Any]:
    union: Any = EmailMessage if row.channel == "email" else SmsMessage
    message = msgspec.json.decode(sealer.open(row.content_sealed, context="messages.content"), type=union)
    return {name: value for name, value in msgspec.structs.asdict(message).items() if value is not None}


def test_no_kind_of_notice_is_left_out():
    assert {type(notice) for notice, _, _ in EXPECTED} == set(get_args(Notice))
    assert SecurityEvent is SecurityEventName


@every_notice
async def test_notice_becomes_the_message_that_says_it(
    notice: Notice, kind: str, variables: dict[str, Any], db: Database, notifier: CommsNotifier, sealer: Sealer
):
    row = await told(db, notifier, notice)
    assert (row.kind, row.status, row.user_id) == (kind, "queued", USER)
    assert opened(row, sealer) == variables
    recipient = sealer.open(row.recipient_sealed, context="messages.recipient").decode()
    if isinstance(notice, MagicLinkBySms | CodeBySms | ResetPasswordBySms):
        assert (row.channel, recipient) == ("sms", "+15555550177")
    else:
        assert (row.channel, msgspec.json.decode(recipient)) == (
            "email",
            {"email": "Jane@example.org", "name": "Jane O'Neil"},
        )
    (job,) = await rows(db, "jobs")
    assert job.payload == {"type": f"{row.channel}.send", "message_id": str(row.id)}
    assert job.organization_id == row.organization_id
    assert (job.priority == 0) == (kind not in {"welcome", "security_notice"}), "what somebody waits for goes first"


@every_notice
async def test_nothing_of_a_notice_lies_in_clear_in_the_database(
    notice: Notice, kind: str, variables: dict[str, Any], db: Database, notifier: CommsNotifier
):
    await told(db, notifier, notice)
    async with db.platform() as session:
        dumps = [
            line
            for table in ("messages", "jobs", "job_unique_keys", "message_quotas")
            for line in await session.scalars(text(f"SELECT t::text FROM {table} t"))
        ]
    dump = "\n".join(dumps)
    assert dump
    for secret in (TOKEN.reveal(), CODE.reveal(), "Jane@example.org", "jane@example.org", "+15555550177", "O'Neil"):
        assert secret not in dump
        assert secret.encode().hex() not in dump


@every_notice
async def test_nothing_is_left_of_a_notice_whose_transaction_failed(
    notice: Notice, kind: str, variables: dict[str, Any], db: Database, notifier: CommsNotifier
):
    async def tell_and_fail() -> None:
        async with db.platform() as session:
            await notifier.notify(session, notice)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await tell_and_fail()
    assert await rows(db, "messages") == await rows(db, "jobs") == []


@every_notice
async def test_message_belongs_to_the_platform_or_to_the_organization_that_invites(
    notice: Notice, kind: str, variables: dict[str, Any], db: Database, notifier: CommsNotifier
):
    row = await told(db, notifier, notice)
    assert row.organization_id == (ORGANIZATION if kind == "invitation" else PLATFORM_ORGANIZATION_ID)


@every_notice
async def test_inside_a_tenant_session_the_message_is_that_organizations(
    notice: Notice, kind: str, variables: dict[str, Any], db: Database, notifier: CommsNotifier
):
    async with db.tenant(ORGANIZATION) as session:
        await notifier.notify(session, notice)
    (message,) = await rows(db, "messages")
    (job,) = await rows(db, "jobs")
    assert message.organization_id == job.organization_id == ORGANIZATION
    async with db.tenant(new_id()) as session:
        assert (await session.execute(text("SELECT id FROM messages"))).all() == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Visit https://evil.example/now", "there"),
        ("www.evil.example", "www. evil. example"),
        ("evil\u3002example", "there"),
        ("evil\uff0eexample", "there"),
        ("evil\uff61example", "there"),
        ("evil\u2024example", "there"),
        ("evil\ufe52example", "there"),
        ("https\uff1a//evil", "there"),
        ("Jane\r\nBcc: x@evil.example", "there"),
        ("Jane\r\nDoe", "Jane Doe"),
        ("\u202egnal\u2066", "gnal"),
        ("J.R.R. Tolkien", "J.R.R. Tolkien"),
        ("will.i.am", "will. i. am"),
        ("\x00 \t", "there"),
        ("", "there"),
        ("x" * 300, "there"),
        ("\ud800", "there"),
    ],
)
async def test_name_that_a_stranger_chose_forms_no_link_and_no_second_line(
    name: str, shown: str, db: Database, notifier: CommsNotifier, sealer: Sealer
):
    notice = VerifyEmail(EmailTarget("jane@example.org", name, USER), TOKEN, CODE, 86_400)
    row = await told(db, notifier, notice)
    assert opened(row, sealer)["user_name"] == shown


async def test_invitation_carries_no_link_but_its_own(db: Database, notifier: CommsNotifier, sealer: Sealer):
    notice = InvitePerson(
        EmailTarget("joe@example.org", ""), ORGANIZATION, "Win at evil.example", "http://evil.example", TOKEN, 86_400
    )
    row = await told(db, notifier, notice)
    message = opened(row, sealer)
    assert (message["organization_name"], message["inviter_name"]) == ("an organization", "Somebody")
    assert row.user_id is None
    recipient = msgspec.json.decode(sealer.open(row.recipient_sealed, context="messages.recipient"))
    assert recipient["email"] == "joe@example.org"
    assert not recipient.get("name")


@pytest.mark.parametrize(
    ("organization", "inviter", "shown"),
    [
        ("Blue Note", "A.Lovelace", ("Blue Note", "A. Lovelace")),
        ("Blue Note", "S1ngr Team", ("Blue Note", "Somebody")),
        ("Blue Note", "Blue Note", ("Blue Note", "Blue Note")),
        ("You won 500 EUR: evil.example", "You won 500 EUR: evil.example", ("an organization", "Somebody")),
        ("5ingr Support", "Ada", ("an organization", "Ada")),
        ("Blue Note", "You won: call +1 900 555 0100", ("Blue Note", "Somebody")),
    ],
)
async def test_invitation_says_no_name_that_a_brand_could_not_have(
    organization: str, inviter: str, shown: tuple[str, str], db: Database, notifier: CommsNotifier, sealer: Sealer
):
    notice = InvitePerson(EmailTarget("joe@example.org", ""), ORGANIZATION, organization, inviter, TOKEN, 86_400)
    message = opened(await told(db, notifier, notice), sealer)
    assert (message["organization_name"], message["inviter_name"]) == shown


@pytest.mark.parametrize(
    ("device", "shown"),
    [("curl/8.5.0", "curl"), ("evil.example/win", "evil"), ("Edge on Windows", "Edge on Windows"), ("…", None)],
)
async def test_device_is_named_without_what_could_be_a_link(
    device: str, shown: str | None, db: Database, notifier: CommsNotifier, sealer: Sealer
):
    row = await told(db, notifier, SecurityNotice(JANE, "account_locked", AT, "unknown", device))
    message = opened(row, sealer)
    assert message.get("device") == shown
    assert "ip_address" not in message


@pytest.mark.parametrize("address", ["local", "unknown", "", "::1/64"])
async def test_sign_in_link_is_sent_also_to_a_caller_without_an_address(
    address: str, db: Database, notifier: CommsNotifier, sealer: Sealer
):
    row = await told(db, notifier, MagicLinkByEmail(JANE, TOKEN, 59, address))
    message = opened(row, sealer)
    assert message["ip_address"] in {"0.0.0.0", "::"}
    assert message["expiry_minutes"] == 1


@pytest.mark.parametrize("event", get_args(SecurityEventName))
async def test_every_security_event_has_words(event: Any, db: Database, notifier: CommsNotifier, sealer: Sealer):
    row = await told(db, notifier, SecurityNotice(JANE, event, AT))
    message = msgspec.json.decode(sealer.open(row.content_sealed, context="messages.content"), type=EmailMessage)
    assert render_email(message).subject


@pytest.mark.parametrize("address", ["jané@exämple.org", "jané@localhost", "jane@a", "jane@192.0.2.1"])
async def test_address_that_no_mail_reaches_does_not_undo_the_change_it_is_told_of(
    address: str, db: Database, notifier: CommsNotifier, caplog: pytest.LogCaptureFixture
):
    organization = new_id()
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'Kept', 'kept')"), {"id": organization}
        )
        await notifier.notify(session, VerifyEmail(EmailTarget(address, "Jane", USER), TOKEN, CODE, 86_400))
    async with db.platform() as session:
        assert await session.scalar(text("SELECT name FROM organizations WHERE id = :id"), {"id": organization})
    assert await rows(db, "messages") == await rows(db, "jobs") == []
    assert address not in caplog.text
    assert TOKEN.reveal() not in caplog.text


@pytest.mark.parametrize("address", ["jane@localhost", "jane@a", "jane@x.invalid", "jane@192.0.2.1", "jane@singr.test"])
@pytest.mark.parametrize("allow_test", [True, False])
def test_accounts_refuse_the_addresses_that_recipients_refuse(address: str, sealer: Sealer, *, allow_test: bool):
    notifier = CommsNotifier(sealer, Links(Sites()), allow_test=allow_test)
    welcome = Welcome(user_name="Jane", account_type="singer", dashboard_link=WEB)
    asked = EmailRequest(to=EmailAddress(address), message=welcome)
    intake = MessageIntake(sealer, allow_test=allow_test)
    taken = allow_test and address.endswith(".test")
    with nullcontext() if taken else pytest.raises(IntakeError) as refused:
        intake.prepare(asked, job_id=new_id(), organization_id=ORGANIZATION, correlation_id=None)
    assert notifier.wrong_email(address) == (refused.value.message if refused else None)
    assert notifier.wrong_email("jane@example.org") is None
