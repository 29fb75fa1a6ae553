"""What is particular to Mailjet: templates, own parts, bulk, sandbox."""

import unicodedata
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    MailjetProvider,
    PermanentSendError,
    SendReceipt,
    SongRequest,
    TransientError,
    Verification,
    render_email,
)
from singr_comms.messages.digest import Digest, DigestItem
from singr_comms.rendering._brand import OrganizationBrand, Words
from singr_config import Secret
from singr_dev.simulators import MailjetSimulator

SENDER = EmailAddress("noreply@singrkaraoke.com", "Singr & Co. \N{EIGHTH NOTE}")
Make = Callable[..., Any]
VERIFICATION = EmailEnvelope(
    to=EmailAddress("jane@example.org"),
    message=Verification(
        user_name='<b>"Jane"</b> {{var:x}}',
        verification_link="https://singr.example/?a=b&c=d",
        verification_code="042917",
        expiry_hours=24,
    ),
    idempotency_token="t",
)


@pytest.fixture
def build(mailjet: MailjetSimulator, http: httpx.AsyncClient) -> Callable[..., MailjetProvider]:
    def make(**options: Any) -> MailjetProvider:
        return MailjetProvider(
            http,
            api_key=Secret(mailjet.api_key),
            secret_key=Secret(mailjet.secret_key),
            sender=SENDER,
            base_url=mailjet.base_url,
            **options,
        )

    return make


async def test_own_parts_carry_the_token_and_the_id_is_kept(
    mailjet: MailjetSimulator, build: Make, song_email: Make
) -> None:
    envelope = song_email("token-77")
    receipt = await build().send(envelope)
    (received,) = mailjet.received
    assert receipt == SendReceipt("mailjet", received.id)
    rendered = render_email(envelope.message)
    assert received.message == {
        "From": {"Email": SENDER.email, "Name": SENDER.name},
        "To": [{"Email": "jane@example.org", "Name": "Jane Ünal"}],
        "CustomID": "token-77",
        "Subject": rendered.subject,
        "TextPart": rendered.text,
        "HTMLPart": rendered.html,
    }


async def test_tags_in_the_items_of_a_digest_are_shown_as_text(mailjet: MailjetSimulator, build: Make) -> None:
    digest = Digest(
        period="daily",
        first_day="2026-11-28",
        last_day="2026-11-28",
        items=(DigestItem(title="Song [[live]]", body="=?utf-8?q?x?= {{var:x}}"),),
        link="https://app.singrkaraoke.com/",
    )
    await build().send(EmailEnvelope(to=EmailAddress("jane@example.org"), message=digest, idempotency_token="d"))
    (received,) = mailjet.received
    assert "[[" not in str(received.message)
    assert "live" in received.message["TextPart"]


async def test_templates_get_the_variables_of_the_specification_and_no_tag(
    mailjet: MailjetSimulator, build: Make
) -> None:
    await build(templates={"verification": 4711, "welcome": 0}).send(VERIFICATION)
    sent = dict(mailjet.received[0].message)
    assert sent["TemplateID"] == 4711
    assert sent["TemplateLanguage"] is True
    assert not sent.keys() & {"Subject", "TextPart", "HTMLPart"}
    name = sent["Variables"].pop("user_name")
    assert not set(name) & set('<>"')
    assert "Jane" in name
    assert sent["Variables"] == {
        "verification_link": "https://singr.example/?a=b&c=d",
        "verification_code": "042917",
        "expiry_hours": 24,
        "brand_name": "Singr",
        "brand_color": "#6a35d9",
        "brand_site": "singrkaraoke.com",
        "brand_support": "support@singrkaraoke.com",
    }


async def test_own_parts_are_never_read_as_template_language(mailjet: MailjetSimulator, build: Make) -> None:
    await build().send(VERIFICATION)
    assert "TemplateLanguage" not in mailjet.received[0].message


async def test_sandbox_mode_is_asked_for_and_gives_no_id(mailjet: MailjetSimulator, build: Make) -> None:
    receipt = await build(sandbox=True).send(VERIFICATION)
    assert receipt == SendReceipt("mailjet", None)
    assert mailjet.received == []
    assert len(mailjet.sandboxed) == 1


async def test_bulk_sends_fifty_a_call_with_an_outcome_each(
    mailjet: MailjetSimulator, build: Make, song_email: Make
) -> None:
    envelopes = [song_email(f"token-{number}") for number in range(120)]
    envelopes[60] = song_email("token-60", title="broken\n")
    for number in (0, 70):
        envelopes[number] = EmailEnvelope(
            to=EmailAddress("jane@localhost"), message=envelopes[1].message, idempotency_token=f"token-{number}"
        )
    outcomes = await build().send_many(envelopes)
    assert mailjet.requests == 3
    refused = {n: outcome.code for n, outcome in enumerate(outcomes) if isinstance(outcome, PermanentSendError)}
    assert refused == {0: "mailjet_mj-0013", 60: "invalid_message", 70: "mailjet_mj-0013"}
    ids = {one.message["CustomID"]: one.id for one in mailjet.received}
    taken = {f"token-{n}": outcome.provider_message_id for n, outcome in enumerate(outcomes) if n not in refused}
    assert taken == ids
    assert len(ids) == 117


async def test_bulk_keeps_the_outcomes_of_calls_that_worked(
    mailjet: MailjetSimulator, build: Make, song_email: Make
) -> None:
    assert await build().send_many([]) == []
    mailjet.fail_next(status=503, retry_after=9)
    outcomes = await build().send_many([song_email(f"token-{number}") for number in range(60)])
    assert {type(outcome) for outcome in outcomes[:50]} == {TransientError}
    assert {type(outcome) for outcome in outcomes[50:]} == {SendReceipt}
    assert outcomes[0].retry_after == 9


async def test_copy_of_a_message_is_dropped_where_that_is_asked_for(
    mailjet: MailjetSimulator, build: Make, song_email: Make
) -> None:
    provider = build(deduplicate=True)
    assert provider.takes_idempotency_key
    for token in ("one", "one", "two"):
        await provider.send(song_email(token))
    assert [one.message["CustomCampaign"] for one in mailjet.received] == ["one", "two"]


async def test_copy_of_a_code_is_dropped_as_well_since_it_is_relied_upon(
    mailjet: MailjetSimulator, build: Make
) -> None:
    provider = build(deduplicate=True)
    for _ in range(2):
        await provider.send(VERIFICATION)
    assert len(mailjet.received) == 1


@pytest.mark.parametrize(("first", "second"), [("=", "?utf-8?q?=53?="), ("{", "{x}}"), ("[", "[x]]")])
async def test_variables_side_by_side_in_a_subject_are_apart_and_make_up_nothing_that_is_more_than_text(
    mailjet: MailjetSimulator, build: Make, first: str, second: str
) -> None:
    words = Words(text="New: {link}", subject="{artist}{title}")
    message = SongRequest(venue_name="V", artist=f"a{first}", title=second, link="https://singr.example/requests")
    envelope = EmailEnvelope(
        to=EmailAddress("jane@example.org"),
        message=message,
        idempotency_token="t",
        brand=OrganizationBrand(words=words),
    )
    await build().send(envelope)
    (received,) = mailjet.received
    subject = received.message["Subject"]
    assert unicodedata.normalize("NFKC", subject) == f"a{first} {second}"
    assert f"{first}{second[0]}" not in subject
