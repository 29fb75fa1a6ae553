"""Mail to an address that nobody has proven carries no words of the stranger who typed it."""

# ruff: noqa: RUF001 — look-alike letters are what is tried

from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import text

from singr_auth.accounts import (
    CodeByEmail,
    EmailTarget,
    MagicLinkByEmail,
    Notice,
    ResetPassword,
    VerifyEmail,
    WelcomeUser,
)
from singr_comms import Links
from singr_config import Secret, Settings
from singr_db import Database, Sealer
from singr_platform import CommsNotifier
from singr_platform._greeting import greeted

OWN = ("Singr", "singrkaraoke")
LURE = "Singr Security: your account is locked, call +1 900 555 0100"
TOKEN, CODE = Secret("sml_Canary0Token0That0Nobody0May0Read"), Secret("918273")
NOTICES: tuple[Callable[[EmailTarget], Notice], ...] = (
    lambda to: VerifyEmail(to, TOKEN, CODE, 86_400),
    lambda to: ResetPassword(to, TOKEN, 3600),
    lambda to: WelcomeUser(to, "customer"),
    lambda to: CodeByEmail(to, CODE, 300),
    lambda to: MagicLinkByEmail(to, TOKEN, 900, "203.0.113.7"),
)


class Sites:
    url_web = "https://singr.example"
    url_customer = "https://customer.example"


@pytest.mark.parametrize("notice", NOTICES, ids=["verification", "reset", "welcome", "code", "sign-in"])
async def test_mail_to_an_unproven_address_neither_greets_nor_addresses_with_a_strangers_message(
    notice: Callable[[EmailTarget], Notice], db: Database, settings: Settings
) -> None:
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    notifier = CommsNotifier(sealer, Links(Sites()), own_names=OWN)
    async with db.platform() as session:
        await notifier.notify(session, notice(EmailTarget("victim@example.org", LURE)))
    async with db.platform() as session:
        row = (await session.execute(text("SELECT recipient_sealed, content_sealed FROM messages"))).one()
    to = msgspec.json.decode(sealer.open(row.recipient_sealed, context="messages.recipient"))
    content = msgspec.json.decode(sealer.open(row.content_sealed, context="messages.content"))
    assert (to["email"], to.get("name")) == ("victim@example.org", None)
    assert content.get("user_name", "there") == "there"
    assert "900" not in str(content)


@pytest.mark.parametrize(
    "name",
    [
        LURE,
        "Singr Security",
        "ꜱɪɴɢʀ",
        "singrsupport",
        "Call 0900 555 0100",
        "Call ０９００５５５",
        "Your account is locked, please call us now",
        "URGENT! Read this",
        "You won 500€",
        "Account locked → evil",
        "Pay at evil@example",
        "Jane: locked",
        "Jane： locked",
        "x" * 61,
        "[[data:x]]",
        "",
        " \t",
    ],
)
def test_what_is_no_name_is_not_said(name: str) -> None:
    assert greeted(name, OWN) is None


@pytest.mark.parametrize(
    "name",
    [
        "Jane O'Neil",
        "Jane O’Neil",
        "Doe, Jane",
        "J.R.R. Tolkien",
        "Anne-Marie (Annie) Müller",
        "Maria da Conceição Silva e Souza",
        "Khalid ibn al-Walid",
        "خالد بن الوليد",
        "Анна Каренина",
        "Νίκος Παπαδόπουλος",
        "山田一郎",
        "マイケル・ジャクソン",
        "김철수",
        "สมชาย",
        "karaoke_king_1985",
        "DJ 3000",
        "Jane 🎤",
        "Sing Right",
    ],
)
def test_names_of_people_are_said(name: str) -> None:
    assert greeted(name, OWN) == name
